"""A run that fails or is stopped ends with one sentence, and a failure's lies in its run folder."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from experiments import search_command, trial
from experiments.config import digest, override
from experiments.points import Point
from experiments.progress import ENDS, Progress
from experiments.recipe import Recipe
from experiments.recipes import recipe_named, resolve

TINY = [
    "--recipe", "quickstart", "--set", "data.name=market_layout", "data.height=32",
    "data.width=16", "data.held_out=0.2", "data.identities=2", "data.images=2", "device=cpu",
]  # fmt: skip


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path / "nowhere"))


@pytest.mark.usefixtures("without_data")
def test_a_search_that_fails_says_why_in_its_own_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        out = tmp_path / "runs" / name
        assert search_command.main(["--recipe", "msmt17", "--out", str(out)]) == 1
        words = last_line(capsys)
        assert "nowhere" in words
        assert (out / "error.txt").read_text() == f"{words}\n"
    assert len(list(tmp_path.rglob("error.txt"))) == 2


@pytest.mark.parametrize("setting", ["seed=1", "sead=1"])
def test_a_search_that_fails_leaves_an_earlier_run_in_its_folder_as_it_was(
    setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "genotype.json").write_text("{}")
    assert search_command.main([*TINY, setting, "--out", str(tmp_path)]) == 1
    assert last_line(capsys)
    assert [file.name for file in tmp_path.iterdir()] == ["genotype.json"]


def test_an_error_of_an_earlier_attempt_does_not_survive_a_later_success(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    out = ["search.epochs=1", "retrain.epochs=1", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setenv("REID_DATA_ROOT", str(tmp_path / "nowhere"))
        assert search_command.main([*TINY, *out]) == 1
    assert (tmp_path / "run" / "error.txt").exists()
    assert search_command.main([*TINY, *out]) == 0
    assert not (tmp_path / "run" / "error.txt").exists()


@pytest.mark.usefixtures("without_data")
def test_a_refused_search_leaves_no_folder_and_no_word_in_one_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs" / "a"
    for refused in (["sead=1"], ["retrain.precision=16"]):
        assert search_command.main([*TINY, *refused, "--out", str(out)]) == 1
        assert not out.parent.exists()
    assert search_command.main([*TINY, "--out", str(out)]) == 1
    before = {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}
    assert "nowhere" in before["error.txt"].decode()
    for refused in (["seed=1"], ["sead=1"]):
        assert search_command.main([*TINY, *refused, "--resume", "--out", str(out)]) == 1
        assert last_line(capsys)
        after = {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}
        assert after == before


@pytest.mark.parametrize("unwritable", ["file", "file/run"])
def test_where_nothing_can_be_written_the_last_line_is_a_sentence_still(
    unwritable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    def fail() -> None:
        raise ValueError("The sentence.")

    file = tmp_path / unwritable / "error.txt"
    assert trial.guarded_against_tracebacks(fail, lambda: file.parent) == 1
    note, words = capsys.readouterr().err.splitlines()
    assert note.startswith(f"{file} could not be written (")
    assert words == "The sentence."
    assert search_command.main([*TINY, "--out", str(file.parent)]) == 1
    assert last_line(capsys).startswith("A file could not be used (")


def test_an_unforeseen_error_ends_with_a_sentence_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down() -> None:
        raise KeyError("slot")

    assert trial.guarded_against_tracebacks(break_down, lambda: tmp_path / "run") == 1
    words = (tmp_path / "run" / "error.txt").read_text()
    assert words.startswith("The run broke with KeyError: 'slot' (the traceback stands above)")
    assert last_line(capsys) == words.rstrip()


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("parameters", [{}, {"seed": 3}, {"sead": 3}])
def test_a_trial_that_fails_says_why_in_its_run_folder_once_it_has_one(
    parameters: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setattr("nni.get_next_parameter", lambda: parameters)
    monkeypatch.setattr("nni.get_experiment_id", lambda: "exp")
    monkeypatch.setattr("nni.get_trial_id", lambda: "t0")
    assert trial.main(["--recipe", "msmt17"]) == 1
    folder = "failed"
    if "sead" not in parameters:
        folder = f"exp-t0-{digest(override(recipe_named('msmt17'), parameters))}"
    (file,) = tmp_path.rglob("error.txt")
    assert file == tmp_path / folder / "error.txt"
    assert file.read_text() == f"{last_line(capsys)}\n"


def test_a_trial_that_nni_starts_again_goes_on_in_its_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"seed": 3, "threads": 1, "preset": "bn_features"}
    runs: list[tuple[Path, Point, Path, bool]] = []

    def run(
        _recipe: Recipe, folder: Path, _: object, *, point: Point, board: Path, resume: bool
    ) -> None:
        runs.append((folder, point, board, resume))

    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setattr("nni.get_next_parameter", lambda: settings)
    monkeypatch.setattr("nni.get_experiment_id", lambda: "exp")
    monkeypatch.setattr("nni.get_trial_id", lambda: "t0")
    monkeypatch.setattr("experiments.run.run", run)
    assert [trial.main(["--recipe", "quickstart"]) for _ in range(2)] == [0, 0]
    folder = tmp_path / f"exp-t0-{digest(resolve('quickstart', settings))}"
    point = {"threads": 1, "preset": "bn_features"}
    assert runs == [(folder, point, tmp_path / "tensorboard", True)] * 2


def test_a_trial_that_nni_stops_was_stopped_and_did_not_fail(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNI sends SIGINT, which Lightning would take for its own."""
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setattr("nni.get_next_parameter", dict)
    monkeypatch.setattr("nni.get_experiment_id", lambda: "exp")
    monkeypatch.setattr("nni.get_trial_id", lambda: "t0")
    monkeypatch.setattr("nni.report_intermediate_result", lambda _: signal.raise_signal(2))
    monkeypatch.setattr("experiments.recipes.recipe_named", lambda _: tiny)
    assert trial.main(["--recipe", "quickstart"]) == 130
    (folder,) = tmp_path.glob("exp-t0-*")
    assert Progress.read(folder / "progress.json").stage == "stopped"
    assert not (folder / "error.txt").exists()


def interrupt_when(out: Path, stage: str, number: signal.Signals) -> threading.Thread:
    """Sends this process the signal as soon as the run in ``out`` has an epoch of ``stage``."""

    def watch() -> None:
        while True:
            if (out / "progress.json").is_file():
                found = Progress.read(out / "progress.json")
                if found.stage == stage and found.epoch:
                    os.kill(os.getpid(), number)
                    return
                if found.stage in ENDS:
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("stage", ["search", "retrain"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_search_in_one_sentence_and_changes_no_handler(
    stage: str,
    number: signal.Signals,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    out = tmp_path / "runs" / "a"
    epochs = {"search": 1, "retrain": 1} | {stage: 200}
    handlers = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    watcher = interrupt_when(out, stage, number)
    long = [f"{name}.epochs={count}" for name, count in epochs.items()]
    assert search_command.main([*TINY, *long, "--out", str(out)]) == 128 + number
    watcher.join()
    assert last_line(capsys) == f"Stopped; --resume goes on with {out}."
    assert handlers == [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    assert not (out / "error.txt").exists()


def test_a_signal_before_there_is_a_folder_promises_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "experiments.recipes.recipe_named", lambda _: signal.raise_signal(signal.SIGINT)
    )
    assert search_command.main([*TINY, "--out", str(tmp_path / "a")]) == 130
    assert capsys.readouterr().err == "Stopped; nothing was done yet.\n"
