"""A watcher sees a whole progress file or none; the time left follows from the epochs measured."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.progress import (
    ENDS,
    PROGRESS_FILE,
    Ledger,
    Progress,
    Stage,
    failure_in,
    report_progress,
)

STEPS = st.lists(
    st.tuples(st.sampled_from(["search", "retrain"]), st.floats(0, 1e4)), max_size=12
).map(tuple)


def test_time_left_worked_out_by_hand() -> None:
    # 4 search epochs, 2 of them done in 10 s and 14 s: 2 x 12 s are left of the search.
    # 10 epochs of retraining, each half as dear as a search epoch: 10 x 6 s.
    ledger = Ledger({"search": 4, "retrain": 10}, weight={"retrain": 0.5})
    ledger = ledger.after("search", 10.0).after("search", 14.0)
    assert ledger.seconds_left() == 2 * 12 + 10 * 6
    # Once retraining is measured (8 s), its own cost counts: 9 x 8 s, and the search as before.
    assert ledger.after("retrain", 8.0).seconds_left() == 2 * 12 + 9 * 8


def test_only_the_last_five_epochs_of_a_stage_count() -> None:
    ledger = Ledger({"search": 7}).after("search", 1000.0)
    for _ in range(5):
        ledger = ledger.after("search", 2.0)
    assert ledger.seconds_left() == 2.0


@given(spent=STEPS, search=st.integers(0, 9), retrain=st.integers(0, 9), weight=st.floats(0.1, 10))
def test_time_left_equals_the_sum_over_the_epochs_to_come(
    spent: tuple[tuple[Stage, float], ...], search: int, retrain: int, weight: float
) -> None:
    ledger = Ledger({"search": search, "retrain": retrain}, {"retrain": weight}, spent)
    if not spent:
        assert ledger.seconds_left() is None
        return
    mean = {}
    for stage in ("search", "retrain"):
        seconds = [x for s, x in spent if s == stage][-5:]
        if seconds:
            mean[stage] = sum(seconds) / len(seconds)
    cost = {
        "search": mean.get("search", mean.get("retrain", 0) / weight),
        "retrain": mean.get("retrain", mean.get("search", 0) * weight),
    }
    to_come = ["search"] * (search - ledger.done("search"))
    to_come += ["retrain"] * (retrain - ledger.done("retrain"))
    assert ledger.seconds_left() == pytest.approx(sum(cost[stage] for stage in to_come))


def test_an_unplanned_stage_is_refused() -> None:
    with pytest.raises(ValueError, match='"retrain" was reported, but only search'):
        Ledger({"search": 1}).after("retrain", 1.0)


@given(
    st.builds(
        Progress,
        strategy=st.text(),
        seed=st.integers(0, 2**63),
        stage=st.sampled_from(["data", "search", "retrain", "test", "done", "failed"]),
        epoch=st.integers(0),
        epochs=st.integers(0),
        retrieval=st.none() | st.floats(0, 1),
        seconds_left=st.none() | st.floats(0, 1e9),
        updated=st.floats(0, 1e10),
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, progress: Progress
) -> None:
    folder = tmp_path_factory.mktemp("run")
    assert Progress.read(progress.write(folder)) == progress
    assert [file.name for file in folder.iterdir()] == [PROGRESS_FILE]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    def progress(epoch: int) -> Progress:
        return Progress("x" * 50_000, 0, "search", epoch)

    file = progress(0).write(tmp_path)
    writer = threading.Thread(target=lambda: [progress(i).write(tmp_path) for i in range(200)])
    writer.start()
    while writer.is_alive():
        assert len(Progress.read(file).strategy) == 50_000
    writer.join()


def test_report_progress_takes_the_epochs_and_the_time_from_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger({"search": 3}).after("search", 2.0)
    written = report_progress(
        tmp_path, ledger, strategy="tcm", seed=1, stage="search", retrieval=0.5
    )
    assert Progress.read(tmp_path / PROGRESS_FILE) == written
    assert (written.epoch, written.epochs, written.seconds_left) == (1, 3, 4.0)
    done = report_progress(tmp_path, ledger, strategy="tcm", seed=1, stage="done")
    assert (done.epoch, done.epochs, done.seconds_left) == (1, 3, 0.0)


@pytest.mark.parametrize("end", ENDS)
def test_an_end_keeps_the_epochs_of_the_stage_it_broke_off_or_came_after(end: Stage) -> None:
    # Two epochs of each stage: after 0, 1, ... 4 of them it stands in the first unfinished stage.
    ledger, seen = Ledger({"search": 2, "retrain": 2}), []
    for stage in ("search", "search", "retrain", "retrain", None):
        seen.append((ledger.behind(end), ledger.done(ledger.behind(end))))
        ledger = ledger if stage is None else ledger.after(stage, 1.0)
    assert seen == [("search", 0), ("search", 1), ("retrain", 0), ("retrain", 1), ("retrain", 2)]
    assert Ledger({"search": 0, "retrain": 2}).behind(end) == "retrain"
    assert [ledger.behind(stage) for stage in ("data", "search", "test")] == [
        *("data", "search", "test")
    ]


def test_only_a_run_that_failed_is_a_failure_and_every_one_is_another(tmp_path: Path) -> None:
    assert failure_in(tmp_path / "nowhere") is None
    for stage in ("data", "retrain", "test", "done", "stopped"):
        Progress("tcm", 0, stage).write(tmp_path)
        assert failure_in(tmp_path) is None
    Progress("tcm", 0, "failed", updated=1.0).write(tmp_path)
    first = failure_in(tmp_path)
    Progress("tcm", 0, "failed", updated=2.0).write(tmp_path)
    assert first is not None
    assert failure_in(tmp_path) not in (None, first)
    (tmp_path / PROGRESS_FILE).write_text("{")
    assert failure_in(tmp_path) is None


def test_time_left_runs_down_while_the_trial_is_silent_and_ends_at_zero() -> None:
    progress = Progress("tcm", 0, "search", seconds_left=60.0, updated=1000.0)
    assert [progress.seconds_left_at(now) for now in (990, 1000, 1045, 2000)] == [60, 60, 15, 0]
    assert Progress("tcm", 0, "search").seconds_left_at(0) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stage": 3}', "null", "\x00"])
def test_what_is_no_progress_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / PROGRESS_FILE
    file.write_text(text)
    with pytest.raises(ValueError, match=r"is no progress file .* was needed; delete it\.$"):
        Progress.read(file)


def test_an_unknown_stage_is_one_sentence_and_further_fields_are_ignored(tmp_path: Path) -> None:
    file = Progress("tcm", 0, "search").write(tmp_path)
    found = json.loads(file.read_text())
    file.write_text(json.dumps(found | {"more": 1}))
    assert Progress.read(file).strategy == "tcm"
    file.write_text(json.dumps(found | {"stage": "lunch"}))
    with pytest.raises(ValueError, match="stage 'lunch' is none of data, search"):
        Progress.read(file)
