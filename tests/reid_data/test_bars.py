"""A bar counts what passes through it, live on a terminal, and hardly ever in a log."""

import io
import sys
from collections.abc import Callable

import pytest

from reid_data.bars import bar


class Stream(io.StringIO):
    """An error stream that is a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Lines on the error stream for work of so many steps, each of so many seconds."""

    def run(*, terminal: bool, steps: int, seconds: float, desc: str | None = "work") -> list[str]:
        clock = [1000.0]
        monkeypatch.setattr("tqdm.std.time", lambda: clock[0])
        stream = Stream(terminal=terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        for _ in bar(range(steps), desc=desc, unit="step"):
            clock[0] += seconds
        return stream.getvalue().replace("\r", "\n").splitlines()

    return run


def test_everything_passes_through_in_order() -> None:
    assert list(bar(iter("reid"), desc="letters")) == list("reid")
    assert list(bar([3, 1, 2], desc=None)) == [3, 1, 2]


def test_a_terminal_sees_the_whole_of_it(watched: Callable[..., list[str]]) -> None:
    lines = watched(terminal=True, steps=5, seconds=1.0)
    assert lines[1].startswith("work:   0%")
    assert lines[-1].startswith("work: 100%")


def test_a_log_gets_a_line_every_half_minute(watched: Callable[..., list[str]]) -> None:
    # 100 steps of a second: lines after 30, 60 and 90 of them, and the end.
    lines = watched(terminal=False, steps=100, seconds=1.0)
    assert [line.split("|")[0] for line in lines] == [
        "work:  30%",
        "work:  60%",
        "work:  90%",
        "work: 100%",
    ]
    assert "30/100 [00:30<01:10" in lines[0]


def test_short_work_leaves_no_line_in_a_log(watched: Callable[..., list[str]]) -> None:
    assert watched(terminal=False, steps=29, seconds=1.0) == []
    # Ten slow steps of a minute: a line for each and none twice.
    assert len(watched(terminal=False, steps=10, seconds=60.0)) == 10


@pytest.mark.parametrize("terminal", [True, False])
def test_work_without_a_name_shows_nothing(
    watched: Callable[..., list[str]], *, terminal: bool
) -> None:
    assert watched(terminal=terminal, steps=100, seconds=60.0, desc=None) == []


def test_a_count_by_hand_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with bar(total=6, desc="work", unit="picture") as counted:
        counted.update(2)
        counted.update(4)
    assert "6/6" in stream.getvalue().splitlines()[-1]


def test_a_process_without_an_error_stream_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(bar([1, 2], desc="work")) == [1, 2]
