"""A run that was killed and goes on ends with the numbers of one that was not.

Alphas, memories, weights, optimisers, genotype and scores are compared to the last bit, on the CPU
in float32. A run is killed as the kernel would do it, without a chance to write anything.
"""

import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.config import override
from experiments.diary import Diary, Reporter
from experiments.presets import PRESETS
from experiments.progress import Progress, Stage
from experiments.recipe import Recipe
from experiments.run import run
from experiments.table import Result

STRATEGIES = ["tcm", "darts", "gumbel_darts", "proxyless", "enas", "random_one_shot"]
RANDOM_KILLS = 2 if os.environ.get("CI") else 20
PATIENCE = 120.0


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that have imported the project already, so that one starts in no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["experiments.run"])
    return context


@pytest.fixture
def several(tiny: Recipe) -> Recipe:
    """Epochs enough to be killed in between, of a shallow network."""
    return override(tiny, {"search.epochs": 3, "retrain.epochs": 3, "space.depths": (1, 1)})


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def begin(processes: ForkServerContext, recipe: Recipe, folder: Path) -> ForkServerProcess:
    process = processes.Process(
        target=run, args=(recipe, folder, Reporter()), kwargs={"resume": True}
    )
    process.start()
    return process


def epochs_done(folder: Path, stage: str) -> int:
    file = folder / "epochs.jsonl"
    return file.read_text().count(f'"stage": "{stage}"') if file.is_file() else 0


def kill_in(stage: str, processes: ForkServerContext, recipe: Recipe, folder: Path) -> None:
    process, deadline = begin(processes, recipe, folder), time.monotonic() + PATIENCE
    while epochs_done(folder, stage) < 2:
        assert process.is_alive(), f"the run ended before it could be killed in its {stage}"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (folder / "metrics.json").exists()


def tensors(state: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(state, torch.Tensor):
        yield name, state
    elif isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        for key, value in items:
            yield from tensors(value, f"{name}/{key}")


def assert_same(killed: Path, whole: Path) -> None:
    for name in ("search.pt", "best.pt", "last.pt"):
        states = [torch.load(folder / name, weights_only=True) for folder in (killed, whole)]
        states = [state.get("weights", state) for state in states]
        found, expected = (dict(tensors(state)) for state in states)
        assert found.keys() == expected.keys()
        different = [key for key in expected if not torch.equal(found[key], expected[key])]
        assert not different, f"{name} differs in {different}"
    assert (killed / "genotype.json").read_bytes() == (whole / "genotype.json").read_bytes()
    assert timeless(killed) == timeless(whole)


def timeless(folder: Path) -> Any:
    lines = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds")
    return asdict(Result.read(folder / "metrics.json")) | {"minutes": 0}, lines


@pytest.mark.parametrize(
    "changes",
    [
        *({"strategy": strategy} for strategy in STRATEGIES),
        {**PRESETS["authors_code"], "retrain.weights.schedule": "multistep"},
    ],
    ids=[*STRATEGIES, "authors_code"],
)
def test_killed_in_mid_search_and_in_mid_retraining_it_ends_as_if_it_had_not_been(
    several: Recipe, tmp_path: Path, processes: ForkServerContext, changes: dict[str, Any]
) -> None:
    recipe = override(several, changes)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(recipe, whole, Reporter())
    kill_in("search", processes, recipe, killed)
    kill_in("retrain", processes, recipe, killed)
    run(recipe, killed, Reporter(), resume=True)
    assert_same(killed, whole)
    described = json.loads((killed / "recipe.json").read_text())
    assert len(described["resumed"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_killed_at_random_points_it_ends_as_if_it_had_not_been(
    several: Recipe, tmp_path: Path, processes: ForkServerContext, strategy: str
) -> None:
    recipe, chance = override(several, {"strategy": strategy}), random.Random(strategy)
    whole = tmp_path / "whole"
    began = time.monotonic()
    process = begin(processes, recipe, whole)
    process.join(PATIENCE)
    length = time.monotonic() - began
    kills = runs = 0
    while kills < RANDOM_KILLS:
        runs += 1
        killed = tmp_path / f"killed {runs}"
        process = begin(processes, recipe, killed)
        while kills < RANDOM_KILLS:
            process.join(chance.uniform(0, length))
            if not process.is_alive():
                break
            process.kill()
            process.join()
            kills += 1
            process = begin(processes, recipe, killed)
        process.join(PATIENCE)
        assert process.exitcode == 0
        assert_same(killed, whole)


def test_a_finished_run_is_not_run_again(tiny: Recipe, tmp_path: Path) -> None:
    recipe, folder = override(tiny, {"strategy": "random"}), tmp_path / "run"
    first = run(recipe, folder, Reporter())
    before = contents(folder)
    told: list[Any] = []
    again = run(recipe, folder, Reporter(final=told.append), resume=True)
    assert again == first
    assert contents(folder) == before
    assert [metrics["default"] for metrics in told] == [first.mAP]


def test_a_run_of_another_recipe_is_left_as_it_is(tiny: Recipe, tmp_path: Path) -> None:
    recipe, folder = override(tiny, {"strategy": "random"}), tmp_path / "run"
    other = override(recipe, {"seed": 5, "retrain.weights.learning_rate": 0.01})
    run(recipe, folder, Reporter())
    before = contents(folder)
    with pytest.raises(ValueError, match=r"differs in retrain\.weights\.learning_rate, seed:"):
        run(other, folder, Reporter(), resume=True)
    assert contents(folder) == before


def test_epochs_behind_the_checkpoint_are_not_told_again(tiny: Recipe, tmp_path: Path) -> None:
    """The third epoch's checkpoint is missing: two are behind it, and the third runs again."""

    class StoppedError(BaseException):
        pass

    heard: list[Any] = []

    def until_third(metrics: Any) -> None:
        heard.append(metrics)
        if len(heard) == 3:
            raise StoppedError

    recipe, folder = override(tiny, {"search.epochs": 4}), tmp_path / "run"
    with pytest.raises(StoppedError):
        run(recipe, folder, Reporter(intermediate=until_third))
    again: list[Any] = []
    run(recipe, folder, Reporter(intermediate=again.append, told=again.append), resume=True)
    assert again[0] == 2
    assert again[1] == heard[2]
    assert len(again) == 3


def test_a_broken_checkpoint_is_named_and_left_as_it_is(tiny: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(tiny, folder, Reporter())
    (folder / "metrics.json").unlink()
    state = folder / "search.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"search\.pt of the run folder"):
        run(tiny, folder, Reporter(), resume=True)
    assert state.stat().st_size == 1000


def test_an_epoch_that_is_behind_the_checkpoint_and_not_told_of_is_missed(
    tiny: Recipe, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run(tiny, folder, Reporter())
    (folder / "metrics.json").unlink()
    lines = (folder / "epochs.jsonl").read_text().splitlines(keepends=True)
    (folder / "epochs.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(ValueError, match="lacks epochs of the search"):
        run(tiny, folder, Reporter(), resume=True)


def test_without_a_run_to_go_on_with_it_starts_one(tiny: Recipe, tmp_path: Path) -> None:
    recipe = override(tiny, {"strategy": "random"})
    run(recipe, tmp_path / "run", Reporter(), resume=True)
    assert (tmp_path / "run" / "metrics.json").is_file()
    assert "resumed" not in json.loads((tmp_path / "run" / "recipe.json").read_text())


def test_a_run_killed_between_its_result_and_its_end_is_brought_to_its_end(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(diary: Diary, stage: Stage) -> Progress:
        if stage == "done":
            raise KilledError
        return enter(diary, stage)

    enter, folder = Diary.enter, tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(Diary, "enter", killed)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KilledError):
            run(tiny, folder, Reporter())
    Progress("tcm", 0, "test").write(folder)  # as it was at the kill
    assert (folder / "retrain.pt").exists()
    result = run(tiny, folder, Reporter(), resume=True)
    assert result == Result.read(folder / "metrics.json")
    assert Progress.read(folder / "progress.json").stage == "done"
    assert not (folder / "retrain.pt").exists()


def test_a_run_that_breaks_in_its_last_steps_says_so(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("the cost cannot be measured")

    monkeypatch.setattr("experiments.run.measure_cost", broken)
    with pytest.raises(ValueError, match="cannot be measured"):
        run(tiny, tmp_path / "run", Reporter())
    assert Progress.read(tmp_path / "run" / "progress.json").stage == "failed"


def test_two_runs_do_not_share_a_folder(tiny: Recipe, tmp_path: Path) -> None:
    folder, said = tmp_path / "run", list[str]()

    def meanwhile(_metrics: Any) -> None:
        with pytest.raises(ValueError, match="still going on") as refusal:
            run(tiny, folder, Reporter(), resume=True)
        said.append(str(refusal.value))

    run(tiny, folder, Reporter(intermediate=meanwhile))
    assert len(said) == 2
    assert len((folder / "epochs.jsonl").read_text().splitlines()) == 3


def test_a_state_without_its_recipe_is_not_gone_on_with(tiny: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(tiny, folder, Reporter())
    (folder / "metrics.json").unlink()
    (folder / "recipe.json").unlink()
    with pytest.raises(ValueError, match=r"without its recipe\.json"):
        run(tiny, folder, Reporter(), resume=True)
