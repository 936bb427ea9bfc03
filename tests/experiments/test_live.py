"""A terminal shows one current line per trial; a log says what changed, seldom, and every end."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.live import Line, Live, describe, describe_all, duration
from experiments.progress import Progress
from experiments.table import Result
from experiments.trials import Trial


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """What a terminal of 80 columns shows: only the two movements that `Live` uses."""
        rows: list[str] = []
        text = self.getvalue()
        while text:
            if text.startswith("\x1b["):
                up, text = text[2:].split("F", 1)
                rows = rows[: len(rows) - int(up)]
                text = text.removeprefix("\x1b[0J")
            else:
                row, text = text.split("\n", 1)
                rows.append(row)
        return rows


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    return Terminal()


def test_a_terminal_shows_only_the_current_lines(terminal: Terminal) -> None:
    live = Live(terminal)
    live.show([Line("a 1")])
    live.show([Line("a 2"), Line("b 1", "3 s")])
    live.show([Line("a 3"), Line("b 2", "2 s")])
    assert terminal.screen() == ["a 3", "b 2, 2 s left"]


def test_a_small_terminal_is_never_overrun(terminal: Terminal) -> None:
    live = Live(terminal)
    for _ in range(3):
        live.show([Line(f"trial {i} " + "x" * 30) for i in range(9)])
    assert terminal.screen() == [f"trial {i} xxxxxxxxxxx" for i in range(5, 9)]


def test_a_terminal_of_one_row_shows_the_last_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "1")
    Live(terminal).show([Line("a"), Line("b"), Line("c")])
    assert terminal.screen() == ["c"]


@given(
    names=st.lists(st.integers(0, 15), min_size=1, max_size=4),
    texts=st.lists(st.integers(1, 15), min_size=4, max_size=4),
    width=st.integers(2, 30),
)
def test_texts_begin_in_one_column_unless_one_would_lose_its_end_by_that(
    names: list[int], texts: list[int], width: int
) -> None:
    lines = [Line("b" * text, name="a" * name) for name, text in zip(names, texts, strict=False)]
    log, terminal = io.StringIO(), Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", str(width))
        patch.setenv("LINES", "9")
        Live(log).show(lines)
        Live(terminal).show(lines)
    for line, said in zip(lines, log.getvalue().splitlines(), strict=True):
        # a column behind the longest name, and a space; a line without a name begins at once
        assert said == (f"{line.name:<{max(names)}} {line.text}" if line.name else line.text)
    fits = all(max(names) + 1 + len(line.text) < width for line in lines if line.name)
    for line, shown in zip(lines, terminal.screen(), strict=True):
        assert len(shown) < width
        if len(str(line)) < width:
            assert shown.endswith(line.text)
        if fits and line.name:
            assert shown == f"{line.name:<{max(names)}} {line.text}"


def test_strategies_with_long_names_leave_the_columns_in_line(tmp_path: Path) -> None:
    trials = []
    for number, strategy in enumerate(["tcm", "uniform_cross_attention"]):
        run = tmp_path / str(number) / "run"
        run.mkdir(parents=True)
        Progress(strategy, 0, "retrain", 4, 15).write(run)
        trials.append(Trial(number, "a", "RUNNING", run.parent))
    log = io.StringIO()
    Live(log).show([describe(trial, 0.0) for trial in (*trials, Trial(2, "b", "WAITING", run))])
    assert log.getvalue().splitlines() == [
        "trial 0  tcm                     seed 0  retrain 4/15",
        "trial 1  uniform_cross_attention seed 0  retrain 4/15",
        "trial 2                          waiting",
    ]


def sweep(folder: Path, *recipes: Mapping[str, object], strategies: str = "tcm") -> list[Trial]:
    """Trials that have begun, with these recipes; and one that has not."""
    trials = []
    for number, recipe in enumerate(recipes):
        run = folder / str(number) / "run"
        run.mkdir(parents=True)
        strategy = strategies.split()[number % len(strategies.split())]
        Progress(strategy, number, "retrain", 4, 15).write(run)
        common = {"name": str(number), "strategy": strategy, "seed": number, "threads": 1}
        (run / "recipe.json").write_text(json.dumps({"recipe": {**common, **recipe}}))
        trials.append(Trial(number, "a", "RUNNING", run.parent))
    return [*trials, Trial(len(recipes), "b", "WAITING", folder / "nothing")]


def logged(trials: list[Trial]) -> list[str]:
    log = io.StringIO()
    Live(log).show(describe_all(trials, 0.0))
    return log.getvalue().splitlines()


def test_trials_of_a_sweep_are_called_by_what_was_swept(tmp_path: Path) -> None:
    trials = sweep(
        tmp_path,
        {"retrain": {"epochs": 15, "alignment": {"mode": "none", "ratio": 2.0}}},
        {"retrain": {"epochs": 15, "alignment": {"mode": "pos_neg", "ratio": 0.5}}},
    )
    assert logged(trials) == [
        "trial 0  mode=none     ratio=2   seed 0  retrain 4/15",
        "trial 1  mode=pos_neg  ratio=0.5 seed 1  retrain 4/15",
        "trial 2                          waiting",
    ]


def test_the_strategy_is_said_besides_where_it_differs_too(tmp_path: Path) -> None:
    modes = [{"retrain": {"alignment": {"mode": mode}}} for mode in ("none", "pos")]
    assert logged(sweep(tmp_path, *modes, strategies="darts tcm")) == [
        "trial 0  darts  mode=none seed 0  retrain 4/15",
        "trial 1  tcm    mode=pos  seed 1  retrain 4/15",
        "trial 2                   waiting",
    ]


def test_trials_of_one_recipe_are_called_by_their_strategy(tmp_path: Path) -> None:
    assert logged(sweep(tmp_path, {}, {})[:2]) == [
        "trial 0  tcm    seed 0  retrain 4/15",
        "trial 1  tcm    seed 1  retrain 4/15",
    ]


def test_what_a_trial_is_called_stays_short(tmp_path: Path) -> None:
    # 48 letters: milestones=150:0, two blanks, candidates=, and 16 of the list with three points
    many = [
        {"space": {"candidates": list(some)}, "a": {"milestones": [150, x]}}
        for x, some in enumerate(
            [("none", "exchange", "channel_gate"), ("exchange", "channel_gate")]
        )
    ]
    assert [line.partition(" seed")[0] for line in logged(sweep(tmp_path, *many))[:2]] == [
        "trial 0  milestones=150:0  candidates=none:exchange:ch...",
        "trial 1  milestones=150:1  candidates=exchange:channel...",
    ]


def test_a_long_value_leaves_room_for_the_next(tmp_path: Path) -> None:
    # 24 letters: 21 and three points
    lists = [{"b": "x" * length, "c": length} for length in (24, 25)]
    assert logged(sweep(tmp_path, *lists))[:2] == [
        f"trial 0  b={'x' * 24}  c=24 seed 0  retrain 4/15",
        f"trial 1  b={'x' * 21}...  c=25 seed 1  retrain 4/15",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"recipe": 3}', "null"])
def test_a_recipe_that_cannot_be_read_leaves_the_strategy(tmp_path: Path, text: str) -> None:
    trials = sweep(tmp_path, {"a": 1})
    (tmp_path / "0" / "run" / "recipe.json").write_text(text)
    assert logged(trials[:1]) == ["trial 0  tcm    seed 0  retrain 4/15"]


def test_a_log_has_a_line_per_change_at_most_every_fifteen_seconds() -> None:
    log = io.StringIO()
    # at 10 s: changed, but too early; 15 s: said; 40 s: only the time left changed; 41 s: the end
    times: Iterator[float] = iter([0.0, 10.0, 15.0, 40.0, 41.0, 60.0])
    live = Live(log, clock=lambda: next(times))
    live.show([Line("epoch 1", "9 min")])
    live.show([Line("epoch 2", "8 min")])
    live.show([Line("epoch 3", "7 min")])
    live.show([Line("epoch 3", "6 min")])
    live.show([Line("done", ended=True)])
    live.show([Line("done", ended=True)])
    assert log.getvalue().splitlines() == ["epoch 1, 9 min left", "epoch 3, 7 min left", "done"]


def test_trials_in_a_log_do_not_silence_each_other() -> None:
    log = io.StringIO()
    live = Live(log, clock=lambda: 0.0)
    live.show([Line("a")])
    live.show([Line("a"), Line("b")])
    live.show([Line("a ends", ended=True), Line("b")])
    assert log.getvalue().splitlines() == ["a", "b", "a ends"]


@given(st.lists(st.lists(st.text("ab", max_size=2), max_size=3), max_size=5))
def test_the_last_lines_of_a_log_that_ended_are_the_last_state(shows: list[list[str]]) -> None:
    log = io.StringIO()
    live = Live(log, clock=lambda: 0.0)
    for texts in shows:
        live.show([Line(f"{i} {text}") for i, text in enumerate(texts)])
    last = [Line(f"{i} ends", ended=True) for i in range(3)]
    live.show(last)
    assert log.getvalue().splitlines()[-3:] == [str(line) for line in last]


def trial(tmp_path: Path, status: str) -> tuple[Trial, Path]:
    run = tmp_path / "exp-abc-0123"
    run.mkdir()
    return Trial(2, "abc", status, tmp_path), run


def test_a_running_trial_tells_stage_epoch_retrieval_and_time_left(tmp_path: Path) -> None:
    found, run = trial(tmp_path, "RUNNING")
    Progress("darts", 3, "search", 4, 12, 0.2345, 200.0, updated=1000.0).write(run)
    line = describe(found, now=1010.0)
    assert str(line) == (
        "trial 2  darts  seed 3  search 4/12  held-out mAP 23.45 %, 3 min 10 s left"
    )
    assert not line.ended


def test_a_trial_without_a_run_folder_waits_or_starts(tmp_path: Path) -> None:
    assert str(describe(Trial(0, "a", "WAITING", tmp_path), 0.0)) == "trial 0  waiting"
    assert str(describe(Trial(0, "a", "RUNNING", tmp_path), 0.0)) == "trial 0  starting"


def test_an_ended_trial_tells_its_result_or_the_last_line_of_its_error(tmp_path: Path) -> None:
    found, run = trial(tmp_path, "SUCCEEDED")
    Progress("tcm", 0, "done").write(run)
    Result("tcm", 0, 0.5, 0.25, 1, 1, 0, 1, 1, 2.04, "g").write(run)
    line = describe(found, 0.0)
    assert str(line) == "trial 2  tcm    seed 0  done  mAP 50.00 %  rank-1 25.00 %  in 2.0 min"
    assert line.ended
    (run / "error.txt").write_text("Traceback\nNo such data set.\n")
    failed = describe(Trial(2, "abc", "FAILED", tmp_path), 0.0)
    assert str(failed) == "trial 2  tcm    seed 0  failed: No such data set."


def test_an_interrupted_trial_is_stopped_before_and_after_nni_knows(tmp_path: Path) -> None:
    found, run = trial(tmp_path, "RUNNING")
    Progress("tcm", 0, "stopped", seconds_left=0.0).write(run)
    name = "trial 2  tcm   "
    assert describe(found, 0.0) == Line("seed 0  stopped", name=name)
    (run.parent / "trial.stderr").write_text("KeyboardInterrupt\n")
    line = describe(Trial(2, "abc", "FAILED", tmp_path), 0.0)
    assert line == Line("seed 0  stopped", ended=True, name=name)


def test_an_unreadable_progress_file_is_told_and_ends_nothing(tmp_path: Path) -> None:
    found, run = trial(tmp_path, "RUNNING")
    (run / "progress.json").write_text("{")
    assert "is no progress file" in str(describe(found, 0.0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7650, "2 h 08 min"),
    ],
)
def test_durations_are_rounded_once(seconds: float, text: str) -> None:
    assert duration(seconds) == text
