"""A terminal shows one live line and keeps the last epoch of every stage; a log has every epoch.

Whatever the stream is or becomes, the run never notices.
"""

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.bar import Bar
from experiments.progress import Progress, Stage

COLUMNS = 100


class Terminal(io.StringIO):
    """Shows what is written as a terminal does: only the two codes that `Bar` uses."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io's own is read-only as well
        return self._encoding

    def isatty(self) -> bool:
        return True

    def rows(self) -> list[str]:
        """The lines on the screen, the one with the cursor last."""
        rows = [""]
        for line in self.getvalue().split("\n"):
            rows[-1] = line.rsplit("\r\x1b[K", 1)[-1]
            assert "\r" not in rows[-1]
            assert "\x1b" not in rows[-1]
            rows.append("")
        return rows[:-1]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("LINES", "24")


def progress(stage: Stage, epoch: int, epochs: int, left: float | None = None) -> Progress:
    return Progress("tcm", 0, stage, epoch, epochs, retrieval=0.5, seconds_left=left)


def test_a_live_line_worked_out_by_hand() -> None:
    terminal, clock = Terminal(), Clock()
    bar = Bar(terminal, clock=clock)
    bar.epoch(progress("search", 2, 8, left=190.0), "loss 1.500")
    clock.now = 5.0
    bar.batch("search", 3, 8, 10, 40)
    # 2 epochs of 8 and a quarter of the third are 2.25 / 8 of 24 characters: 6 and 6/8 of one.
    # Of the 190 s said 5 s ago, 185 s are left: 3 min 05 s.
    assert terminal.rows() == [
        "search 3/8  |██████▊                 |  10/40  loss 1.500  3 min 05 s left"
    ]


def test_a_terminal_keeps_the_last_epoch_of_every_stage() -> None:
    terminal, clock = Terminal(), Clock()
    bar = Bar(terminal, clock=clock)
    stages: tuple[tuple[Stage, int], ...] = (("search", 3), ("retrain", 2))
    for stage, epochs in stages:
        for epoch in range(1, epochs + 1):
            clock.now += 1
            bar.batch(stage, epoch, epochs, 1, 2)
            assert terminal.rows()[-1].startswith(f"{stage} {epoch}/{epochs} ")
            bar.epoch(progress(stage, epoch, epochs, left=60.0), f"loss {epoch}")
    bar.close()
    assert terminal.rows() == [
        "search 3/3: loss 3, 1 min 00 s left",
        "retrain 2/2: loss 2, 1 min 00 s left",
        "",
    ]


def test_a_stage_does_not_begin_with_the_words_of_the_one_before() -> None:
    terminal, clock = Terminal(), Clock()
    bar = Bar(terminal, clock=clock)
    bar.epoch(progress("search", 1, 9), "loss of the search")
    clock.now = 1.0
    bar.batch("retrain", 1, 9, 1, 2)
    assert "loss" not in terminal.rows()[-1]


def test_a_log_has_a_line_per_epoch_and_none_per_batch() -> None:
    log = io.StringIO()
    bar = Bar(log, clock=Clock())
    for epoch in (1, 2):
        bar.batch("search", epoch, 2, 1, 1)
        bar.epoch(progress("search", epoch, 2, left=90.0 if epoch == 2 else None), "loss 1")
    bar.say("Found GG")
    bar.close()
    assert log.getvalue() == "search 1/2: loss 1\nsearch 2/2: loss 1, 1 min 30 s left\nFound GG\n"


def test_a_terminal_that_understands_no_codes_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    bar = Bar(terminal)
    bar.batch("search", 1, 2, 1, 1)
    bar.epoch(progress("search", 1, 2), "loss 1")
    assert terminal.getvalue() == "search 1/2: loss 1\n"


def test_a_said_line_stands_above_the_live_one_and_tears_nothing() -> None:
    terminal, clock = Terminal(), Clock()
    bar = Bar(terminal, clock=clock)
    bar.batch("search", 1, 2, 1, 4)
    bar.say("a warning")
    clock.now = 1.0
    bar.batch("search", 1, 2, 2, 4)
    first, second = terminal.rows()
    assert first == "a warning"
    assert second.startswith("search 1/2 ")
    bar.close()
    bar.close()
    assert terminal.rows()[-1] == ""  # what comes next begins on a line of its own
    assert len(terminal.rows()) == 3


def test_a_thousand_batches_a_second_are_drawn_at_most_ten_times_a_second() -> None:
    terminal, clock = Terminal(), Clock()
    bar = Bar(terminal, clock=clock)
    for i in range(10_000):
        clock.now = i / 1000
        bar.batch("search", 1, 1, i, 10_000)
    drawn = terminal.getvalue().count("search 1/1")
    assert 90 <= drawn <= 100


@given(
    columns=st.integers(1, 150),
    words=st.text(max_size=80),
    epoch=st.integers(1, 400),
    done=st.integers(0, 999),
    left=st.none() | st.floats(0, 1e7),
)
def test_a_live_line_never_wraps_and_never_breaks(
    columns: int, words: str, epoch: int, done: int, left: float | None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        terminal, clock = Terminal(), Clock()
        bar = Bar(terminal, clock=clock)
        bar.epoch(progress("search", epoch, 401, left), words)
        clock.now = 1.0
        bar.batch("search", epoch + 1, 401, done, 999)
        written = terminal.getvalue()
    assert "\n" not in written
    assert all(len(line) < max(columns, 2) for line in written.split("\r\x1b[K"))


def test_a_narrow_terminal_loses_the_bar_before_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, clock = Terminal(), Clock()
    bar = Bar(terminal, clock=clock)
    bar.epoch(progress("search", 1, 350, left=60.0), "loss 1.000")
    for clock.now, columns in ((1.0, "60"), (2.0, "50"), (3.0, "30")):
        monkeypatch.setenv("COLUMNS", columns)
        bar.batch("search", 2, 350, 7, 9)
    lines = terminal.getvalue().split("\r\x1b[K")[-2:]
    assert lines == [
        "search 2/350  7/9  loss 1.000  58 s left",
        "search 2/350  7/9  loss 1.000",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "no-such-encoding"])
def test_a_stream_that_cannot_show_blocks_is_given_what_it_can(encoding: str) -> None:
    terminal, clock = Terminal(encoding), Clock()
    bar = Bar(terminal, clock=clock)
    bar.batch("search", 2, 2, 0, 4)
    bar.say("mAP \N{GREEK SMALL LETTER ALPHA} \ud800")
    assert f"|{'#' * 12}{' ' * 12}|" in terminal.getvalue()
    known = encoding if encoding != "no-such-encoding" else "ascii"
    terminal.getvalue().encode(known)


class Broken(Terminal):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def closed() -> io.StringIO:
    stream = Terminal()
    stream.close()
    return stream


def ascii_file() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")


@pytest.mark.parametrize("make", [Broken, closed, ascii_file])
def test_no_stream_ends_the_run(make: Callable[[], io.TextIOBase]) -> None:
    bar = Bar(make(), clock=Clock())
    for _ in range(2):
        bar.batch("search", 1, 2, 1, 4)
        bar.epoch(progress("search", 1, 2), "\N{GREEK SMALL LETTER ALPHA} \ud800 \x00")
        bar.say("\N{GREEK SMALL LETTER ALPHA}")
        bar.close()


def test_a_stage_is_shown_as_it_is_called() -> None:
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        bar = Bar(stream, clock=Clock(), called={"retrain": "train"})
        bar.batch("search", 1, 1, 0, 4)
        bar.epoch(progress("search", 1, 1), "loss 2")
        bar.batch("retrain", 1, 2, 0, 4)
        bar.epoch(progress("retrain", 1, 2), "loss 1")
    for said in (terminal.getvalue(), log.getvalue()):
        assert "search 1/1" in said
        assert "train 1/2" in said
        assert "retrain" not in said
