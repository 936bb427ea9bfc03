"""What NNI's strategies propose is trained as any genotype and tested on every target."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from socket import socket
from typing import Any

import nni
import psutil
import pytest
import torch

from evaluators.cross_domain import UntestedError, final_metrics
from experiments.config import override
from experiments.cross_domain import evaluator_of, genotype_of
from experiments.diary import Reporter
from experiments.progress import Progress
from experiments.recipe import Recipe
from experiments.recipes import point_of, resolve
from experiments.run import run
from experiments.table import SCORES, Result
from experiments.training_run import run_training
from nas_space.genotype import FIXED, Genotype
from nas_space.msinet_space import MSINetSpace
from nas_space.networks import read_network
from reid_data.catalog import load_dataset
from reid_data.records import ReidDataset

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = FIXED["msinet_msmt17"]
Sets = dict[str, ReidDataset]


@pytest.fixture
def sets(tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> Sets:
    """One folder under several names: with its own rules, without one, drawn, without a match."""
    given = load_dataset(tiny.data.name)
    pooled = tuple(s for s in (*given.query, *given.gallery) if s.identity > 0)
    rules = given.protocol
    query = given.query[:1]
    nobody = tuple(s for s in given.gallery if s.identity != query[0].identity)
    found = [
        replace(given, name="home"),
        replace(given, name="free", protocol=replace(rules, camera_rule=False)),
        replace(
            given,
            name="drawn_3",
            query=pooled,
            gallery=(),
            protocol=replace(rules, camera_rule=False, repeats=3),
        ),
        replace(
            given, name="drawn:4", query=pooled, gallery=(), protocol=replace(rules, repeats=4)
        ),
        replace(given, name="hopeless", query=query, gallery=nobody),
    ]
    named = {one.name: one for one in found}
    monkeypatch.setattr("experiments.data.load_dataset", lambda name, part="trainval": named[name])
    return named


def to(recipe: Recipe, *targets: str, **fields: Any) -> Recipe:
    own = {"strategy": "msinet_msmt17", "data.name": "home", "data.targets": list(targets)}
    return override(recipe, own | {k.replace("__", "."): v for k, v in fields.items()})


def weights_of(folder: Path) -> str:
    weights = read_network(folder / "last.pt").weights
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((folder / "test.json").read_text())
    return {target["dataset"]: target for target in content["targets"]}


@pytest.mark.usefixtures("sets")
def test_each_target_is_scored_as_alone_and_the_result_has_the_plain_means(
    tiny: Recipe, tmp_path: Path
) -> None:
    names = ["free", "home", "drawn_3"]
    together = run(to(tiny, *names), tmp_path / "together", Reporter())
    assert list(together.targets) == names
    for name in names:
        alone = run(to(tiny, name), tmp_path / name, Reporter())
        assert alone.targets == {name: together.targets[name]}
        assert alone.mAP == alone.targets[name]["mAP"]
        whole = contents(tmp_path / "together")[name]
        # with several, each file of drawn galleries has a name of its own
        assert contents(tmp_path / name)[name] == whole | (
            {"splits": "splits.json"} if "splits" in whole else {}
        )
    for score in SCORES:
        mean = sum(together.targets[name][score] for name in names) / 3
        assert getattr(together, score) == mean
    assert together.targets["free"] != together.targets["home"]
    assert Result.read(tmp_path / "together" / "metrics.json") == together


@pytest.mark.usefixtures("sets")
def test_the_training_knows_nothing_of_the_targets(tiny: Recipe, tmp_path: Path) -> None:
    found = set()
    for targets in ((), ("free",), ("home", "drawn_3")):
        folder = tmp_path / f"run{len(targets)}"
        run(to(tiny, *targets), folder, Reporter())
        found.add(weights_of(folder))
    assert len(found) == 1
    other = to(tiny, seed=1)
    run(other, tmp_path / "other", Reporter())
    assert weights_of(tmp_path / "other") not in found


@pytest.mark.usefixtures("sets")
def test_the_feature_that_is_scored_stands_in_the_result_and_changes_it(
    tiny: Recipe, tmp_path: Path
) -> None:
    """The training is the same: only what is scored differs, not what the triplet loss sees."""
    results = {}
    for feature in ("pooled", "normalised"):
        recipe = to(tiny, "free", retrain__feature=feature)
        results[feature] = run(recipe, tmp_path / feature, Reporter())
        content = json.loads((tmp_path / feature / "test.json").read_text())
        assert content["feature"] == results[feature].feature == feature
    assert weights_of(tmp_path / "pooled") == weights_of(tmp_path / "normalised")
    assert results["pooled"].targets != results["normalised"].targets


@pytest.mark.usefixtures("sets")
def test_the_files_say_of_every_target_what_came_of_it(tiny: Recipe, tmp_path: Path) -> None:
    told: list[Any] = []
    folder = tmp_path / "run"
    result = run(to(tiny, "drawn_3", "free", "drawn:4"), folder, Reporter(final=told.append))
    content = json.loads((folder / "test.json").read_text())
    assert content["trained_on"] == "home"
    assert [target["camera_rule"] for target in content["targets"]] == [False, False, True]
    assert [target.get("repeats") for target in content["targets"]] == [3, None, 4]
    files = [target.get("splits") for target in content["targets"]]
    assert files == ["splits_1_drawn_3.json", None, "splits_3_drawn_4.json"]
    for file, repeats in ((files[0], 3), (files[2], 4)):
        assert json.loads((folder / str(file)).read_text())["repeats"] == repeats
    info = read_network(folder / "last.pt").info
    assert info["tested_on"] == "drawn_3"
    assert info["metrics"]["mAP"] == result.targets["drawn_3"]["mAP"]
    assert {name: test["mAP"] for name, test in info["tests"].items()} == {
        name: scores["mAP"] for name, scores in result.targets.items()
    }
    (metrics,) = told
    assert (metrics["default"], metrics["seed"]) == (result.mAP, 0)
    for name, scores in result.targets.items():
        assert metrics[f"{name}/rank1"] == scores["rank1"]


@pytest.mark.usefixtures("sets")
def test_of_one_target_files_are_what_they_were(tiny: Recipe, tmp_path: Path) -> None:
    told: list[Any] = []
    result = run(to(tiny, "drawn_3"), tmp_path / "run", Reporter(final=told.append))
    assert (tmp_path / "run" / "splits.json").exists()
    info = read_network(tmp_path / "run" / "last.pt").info
    assert (info["tested_on"], "tests" in info) == ("drawn_3", False)
    assert not any("/" in name for name in told[0])
    assert list(result.targets) == ["drawn_3"]


@pytest.mark.parametrize("targets", [("hopeless", "free"), ("free", "hopeless")])
def test_one_target_that_fails_costs_neither_the_training_nor_the_other_scores(
    tiny: Recipe, sets: Sets, tmp_path: Path, targets: tuple[str, str]
) -> None:
    folder, told = tmp_path / "run", list[Any]()
    recipe = to(tiny, *targets)
    with pytest.raises(UntestedError, match=r"^There is no score on 'hopeless'") as failed:
        run(recipe, folder, Reporter(final=told.append))
    assert "'free' mAP" in str(failed.value)
    kept = contents(folder)
    assert list(kept) == ["free"]
    assert read_network(folder / "last.pt").info["tested_on"] == "free"
    assert Progress.read(folder / "progress.json").stage == "failed"
    assert not (folder / "metrics.json").exists()
    assert told == []
    trained = weights_of(folder)
    sets["hopeless"] = replace(sets["home"], name="hopeless")  # the data is repaired
    result = run(recipe, folder, Reporter(final=told.append), resume=True)
    assert weights_of(folder) == trained
    assert contents(folder)["free"] == kept["free"]
    assert list(result.targets) == list(targets)
    assert len((folder / "epochs.jsonl").read_text().splitlines()) == 1
    assert len(told) == 1


def test_a_broken_picture_of_any_target_is_named_before_the_training(
    tiny: Recipe, sets: Sets, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    last = sets["free"]
    gallery = (*last.gallery, replace(last.gallery[0], path=broken))
    sets["free"] = replace(last, gallery=gallery)
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        run(to(tiny, "home", "free"), tmp_path / "run", Reporter())
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.usefixtures("sets")
def test_what_made_the_recipe_is_in_the_result_and_decides_nothing(
    tiny: Recipe, tmp_path: Path
) -> None:
    settings = {"strategy": "msinet_msmt17", "seed": 0, "retrain.epochs": 1, "preset": "paper"}
    point = point_of(tiny, settings)
    with_it = run(to(tiny, "free"), tmp_path / "a", Reporter(), point=point)
    without = run(to(tiny, "free"), tmp_path / "b", Reporter())
    assert (with_it.settings, without.settings) == ({"retrain.epochs": 1, "preset": "paper"}, {})
    blank = {"minutes": 0, "settings": {}}
    assert asdict(with_it) | blank == asdict(without) | blank
    assert run(to(tiny, "free"), tmp_path / "a", Reporter(), resume=True) == with_it
    recipes = [json.loads((tmp_path / f / "recipe.json").read_text())["recipe"] for f in "ab"]
    assert recipes[0] == recipes[1]


def proposed(genotype: Genotype) -> MSINetSpace:
    space: Any = MSINetSpace(width=0.0625)
    frozen: MSINetSpace = space.freeze(dict(genotype.slots))
    return frozen


@pytest.mark.parametrize("name", sorted(FIXED))
def test_the_choices_of_a_proposed_network_are_its_genotype(name: str) -> None:
    assert genotype_of(proposed(FIXED[name])) == FIXED[name]


def test_what_no_strategy_of_the_space_proposes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^A Linear was proposed"):
        genotype_of(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"^Slot cell0_slot0 .* holds a LayerChoice"):
        genotype_of(MSINetSpace(width=0.0625))


@pytest.mark.usefixtures("sets")
@pytest.mark.parametrize("held_out", [0.0, 0.3])
def test_a_proposal_is_scored_as_a_run_scores_its_genotype(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_out: float
) -> None:
    """Also where the network of the best epoch is tested, and not the last."""
    told: list[Any] = []
    monkeypatch.setattr("nni.report_final_result", told.append)
    wild = {"retrain__epochs": 3}
    recipe = to(tiny, "free", "drawn_3", retrain__held_out=held_out, **wild)
    expected = run_training(recipe, PUBLISHED, tmp_path / "run", Reporter())
    written = nni.load(nni.dump(evaluator_of(recipe)))  # what another process gets
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    tests = written.evaluate(proposed(PUBLISHED))
    assert {name: {k: t.means[k] for k in SCORES} for name, t in tests.items()} == expected.targets
    (metrics,) = told
    assert metrics == final_metrics({name: t.means for name, t in tests.items()})
    assert metrics["default"] == expected.mAP
    assert weights_of(tmp_path) == weights_of(tmp_path / "run")


def test_nothing_is_pickled_for_a_trial(tiny: Recipe) -> None:
    words = nni.dump(evaluator_of(to(tiny, "free")))
    assert "__nni_obj__" not in words
    assert "bytes:" not in words


SCRIPT = """
import json, sys
from nni.experiment import launcher
from nni.nas.experiment import NasExperiment
from nni.nas.strategy import RegularizedEvolution
from experiments.cross_domain import evaluator_of
from experiments.guard import guard
from experiments.recipes import resolve
from nas_space.msinet_space import MSINetSpace

guard()
launcher._check_rest_server.__defaults__ = 60, None  # tries; NNI gives a busy machine three seconds
recipe = resolve("quickstart", json.loads(sys.argv[2]))
strategy = RegularizedEvolution(population_size=2, sample_size=1)
experiment = NasExperiment(MSINetSpace(width=0.125), evaluator_of(recipe), strategy)
experiment.config.max_trial_number = 2
experiment.run(port=int(sys.argv[1]))
jobs = experiment.list_trial_jobs()
told = [[job.trialJobId, job.status, *(f.data for f in job.finalMetricData or ())] for job in jobs]
best = experiment.export_top_models(formatter="dict")[0]
experiment.stop()
print("told", json.dumps([told, best]))
"""


@contextmanager
def started(folder: Path, *words: str) -> Iterator[Callable[[], str]]:
    """The script in a home of its own; nothing of it is left running."""
    home = folder / "home"
    home.mkdir()
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    hidden = ("NODE_OPTIONS", "REID_NNI_BIND", "REID_NNI_GUARD", "NNI_OUTPUT_DIR")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(folder / "script.py"), *words],
        cwd=home,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield lambda: process.communicate(timeout=500)[0]
    finally:
        family = []
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        for member in family:
            member.kill()
        process.communicate()


def free_port() -> str:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.mark.slow
def test_an_experiment_of_nni_evolves_networks_by_what_they_reach_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trials, each a process of its own, from embedded persons to both of their domains.

    What NNI was told of each is what a run reaches with the genotype the trial left behind.
    """
    names = ["synthetic_persons", "synthetic_persons_b"]
    settings = {
        "data.targets": names,
        "data.height": 32,
        "data.width": 16,
        "space.width": 0.125,
        "retrain.epochs": 1,
        "device": "cpu",
    }
    with started(tmp_path, free_port(), json.dumps(settings)) as output:
        said = output()
    found = re.findall(r"(?m)^told (.*)$", said)
    assert found, said
    told, best = json.loads(found[0])
    assert [status for _, status, *_ in told] == ["SUCCEEDED"] * 2, said
    trials = tmp_path / "home" / "nni-experiments"
    saved, scores = {}, {}
    for trial, _, final in told:
        metrics = json.loads(final) if isinstance(final, str) else final
        means = [metrics[f"{name}/mAP"] for name in names]
        assert metrics["default"] == pytest.approx(sum(means) / 2, rel=1e-12)
        # NNI links to its latest experiment besides
        files = trials.glob(f"*/environments/local-env/trials/{trial}/last.pt")
        (file,) = {file.resolve() for file in files}
        saved[trial], scores[trial] = read_network(file), metrics
    leader = max(scores, key=lambda trial: scores[trial]["default"])
    genotype = saved[leader].blueprint.genotype
    assert genotype is not None
    assert Genotype("msi", best) == genotype
    monkeypatch.chdir(tmp_path)
    recipe = resolve("quickstart", settings)
    expected = run_training(recipe, genotype, tmp_path / "run", Reporter())
    for name in names:
        assert scores[leader][f"{name}/mAP"] == expected.targets[name]["mAP"]
    shutil.rmtree(tmp_path / "home")
