"""A trial is judged by its run folder: without a result it failed, and its last words say why."""

import json
import os
from pathlib import Path

import pytest

from experiments.live import describe
from experiments.progress import Progress
from experiments.table import Result
from experiments.trials import Trial

RESULT = Result("tcm", 0, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1.0, "g")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "experiment-trial-hash"
    folder.mkdir()
    return folder


def trial(run: Path, status: str) -> Trial:
    return Trial(0, "a", status, run.parent)


def test_a_result_and_success_are_no_failure(run: Path) -> None:
    RESULT.write(run)
    assert trial(run, "SUCCEEDED").failure() is None
    assert trial(run, "SUCCEEDED").result() == RESULT


def test_a_running_trial_has_not_failed(run: Path) -> None:
    (run / "error.txt").write_text("left over")
    assert trial(run, "RUNNING").failure() is None


def test_success_without_a_result_is_a_failure_in_one_sentence(run: Path) -> None:
    words = trial(run, "SUCCEEDED").failure()
    assert words == (
        f"It ended as SUCCEEDED without a result or an error message; look into {run.parent}."
    )


@pytest.mark.parametrize("status", ["FAILED", "EARLY_STOPPED"])
def test_whatever_ended_it_a_finished_result_is_kept_and_the_failure_told(
    run: Path, status: str
) -> None:
    RESULT.write(run)
    (run.parent / "trial.stderr").write_text("Segmentation fault\n")
    assert trial(run, status).result() == RESULT
    assert trial(run, status).failure() == "Segmentation fault"


@pytest.mark.parametrize("status", ["USER_CANCELED", "SYS_CANCELED"])
def test_of_a_cancelled_one_that_is_said_first(run: Path, status: str) -> None:
    assert trial(run, status).failure() == "It was cancelled."
    (run.parent / "trial.stderr").write_text("Segmentation fault\n")
    assert trial(run, status).failure() == "It was cancelled.\nSegmentation fault"
    RESULT.write(run)
    assert trial(run, status).result() == RESULT
    assert describe(trial(run, status), 0.0).text == "cancelled"


def test_of_an_interrupted_one_that_is_said_first_unless_it_has_gone_on(run: Path) -> None:
    Progress("tcm", 0, "stopped").write(run)
    assert trial(run, "RUNNING").failure() is None
    assert trial(run, "FAILED").failure() == "It was interrupted."
    (run.parent / "trial.stderr").write_text("Segmentation fault\n")
    assert trial(run, "FAILED").failure() == "It was interrupted.\nSegmentation fault"
    Progress("tcm", 0, "retrain").write(run)
    assert trial(run, "FAILED").failure() == "Segmentation fault"
    (run / "progress.json").write_text("{")
    assert trial(run, "FAILED").failure() == "Segmentation fault"


BARS = b"\rpictures:   0%|          | 0/20 [00:00<?, ?picture/s]\rpictures:  50%|#####     | 10/20"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (b" [00:01<1:00:01, 10.00picture/s]", None),
        (b" [00:01<00:01, 10.00picture/s]\n", None),
        (b" [00:01<00:01, 10.00picture/s]\r        \r", None),
        (b" [1:00:01<00:00, 10.00picture/s]\r\n7it [00:01,  6.99it/s]\n\n", None),
        (b" [00:01<00:01, 10.00picture/s]Killed\n", "Killed"),
        (b" [00:01<00:01, 10.00picture/s]\n\nKilled\r\n", "\nKilled"),
        (b" [00:01<00:01, 10.00picture/s]\rOut of memory at [0:10]\n", "Out of memory at [0:10]"),
    ],
)
def test_progress_bars_are_no_reason(run: Path, end: bytes, told: str | None) -> None:
    (run.parent / "trial.stderr").write_bytes(BARS + end)
    nothing = f"It ended as FAILED without a result or an error message; look into {run.parent}."
    assert trial(run, "FAILED").failure() == (told or nothing)


def test_the_end_that_is_told_is_counted_in_lines_a_reader_sees(run: Path) -> None:
    (run.parent / "trial.stderr").write_bytes(b"The reason\n" + (BARS + b" [00:01<00:01]\n") * 40)
    assert trial(run, "FAILED").failure() == "The reason"


def test_its_error_file_speaks_before_standard_error_and_only_the_end_is_told(run: Path) -> None:
    (run.parent / "trial.stderr").write_text("noise\n")
    (run / "error.txt").write_text("".join(f"line {i}\n" for i in range(40)) + "The sentence.\n")
    words = trial(run, "FAILED").failure()
    assert words is not None
    assert words.splitlines() == [f"line {i}" for i in range(26, 40)] + ["The sentence."]


def test_one_that_broke_before_its_run_folder_is_told_from_standard_error(tmp_path: Path) -> None:
    (tmp_path / "trial.stderr").write_bytes(b"Traceback\n\xff\nModuleNotFoundError: x\n\n")
    words = Trial(0, "a", "FAILED", tmp_path).failure()
    assert words is not None
    assert words.endswith("\nModuleNotFoundError: x")
    gone = Trial(0, "a", "FAILED", tmp_path / "never made").failure()
    assert gone is not None
    assert gone.startswith("It ended as FAILED without")


def test_an_unreadable_result_is_a_failure(run: Path) -> None:
    (run / "metrics.json").write_text("{}")
    words = trial(run, "SUCCEEDED").failure()
    assert words is not None
    assert "is no result of a trial" in words


def test_of_several_run_folders_the_newest_counts(run: Path) -> None:
    old = RESULT.write(run)
    os.utime(old, (1, 1))
    again = run.parent / "a folder sorted first"
    again.mkdir()
    newer = Result("tcm", 1, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1.0, "g")
    newer.write(again)
    assert trial(run, "SUCCEEDED").result() == newer


HERE = {"commit": "abc", "date": "monday", "threads": 1, "host": "secret"}


def test_a_result_was_made_where_the_recipe_beside_it_says(run: Path) -> None:
    (run / "recipe.json").write_text(json.dumps(HERE))
    names = ("commit", "date", "threads", "torch")
    assert trial(run, "SUCCEEDED").origin(names) == {}
    RESULT.write(run)
    found = trial(run, "SUCCEEDED").origin(names)
    assert found == {"commit": "abc", "date": "monday", "threads": "1"}


def test_of_a_result_that_was_gone_on_with_every_place_is_said_once(run: Path) -> None:
    RESULT.write(run)
    again = [HERE | {"commit": "def"}, HERE | {"date": "tuesday"}]
    (run / "recipe.json").write_text(json.dumps(HERE | {"resumed": again}))
    assert trial(run, "SUCCEEDED").origin(("commit", "date", "threads")) == {
        "commit": "abc; def", "date": "monday; tuesday", "threads": "1"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"resumed": 3}', '{"resumed": [3]}'])
def test_a_recipe_that_cannot_be_read_loses_no_result(run: Path, text: str) -> None:
    RESULT.write(run)
    (run / "recipe.json").write_text(text)
    assert trial(run, "SUCCEEDED").result() == RESULT
    assert trial(run, "SUCCEEDED").origin(("commit",)) == {}
    assert trial(run, "SUCCEEDED").recipe() == {}


def test_a_recipe_is_told_by_dotted_names_without_what_every_trial_says_of_itself(
    run: Path,
) -> None:
    recipe = {
        "name": "vehicles", "strategy": "tcm", "seed": 3, "threads": None,
        "space": {"width": 0.5, "depths": [1, 3], "subtract": True}, "search": {"arch": {"x": 1}},
    }  # fmt: skip
    (run / "recipe.json").write_text(json.dumps({"recipe": recipe, "commit": "abc"}))
    assert trial(run, "RUNNING").recipe() == {
        "threads": "none", "space.width": 0.5, "space.depths": "1:3", "space.subtract": True,
        "search.arch.x": 1,
    }  # fmt: skip
