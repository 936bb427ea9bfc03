"""A training run trains a known network, tests it on its target, and keeps what it needs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluators.epoch_report import TrainingEpoch
from experiments.config import override
from experiments.diary import Diary, Reporter
from experiments.progress import Progress
from experiments.recipe import Recipe
from experiments.run import run
from experiments.table import Result
from experiments.training_run import run_training
from nas_space.genotype import FIXED, Genotype
from nas_space.msinet import MSINet
from nas_space.networks import load_network, read_network
from reid_data.catalog import load_dataset

PUBLISHED = FIXED["msinet_msmt17"]


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    """Few layers: what is looked at here is the way of a run, whatever the network."""
    return override(tiny, {"retrain.epochs": 4, "space.depths": (1, 1)})


def trained(recipe: Recipe, folder: Path, **options: Any) -> Result:
    return run_training(recipe, PUBLISHED, folder, Reporter(), **options)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def stopped_after(epochs: int, recipe: Recipe, folder: Path, **options: Any) -> None:
    """A run that breaks off right behind the line of an epoch, before its checkpoint."""

    class StoppedError(BaseException):
        pass

    def until(diary: Diary, epoch: TrainingEpoch) -> None:
        told(diary, epoch)
        if epoch.epoch == epochs + 1:
            raise StoppedError

    told = Diary.retrained
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Diary, "retrained", until)
        with pytest.raises(StoppedError):
            trained(recipe, folder, **options)


def assert_same(found: Path, expected: Path) -> None:
    for name in ("best.pt", "last.pt"):
        first, second = (read_network(folder / name) for folder in (found, expected))
        assert first.info == second.info
        assert all(torch.equal(first.weights[n], second.weights[n]) for n in second.weights)
    assert lines_of(found) == lines_of(expected)
    results = [asdict(Result.read(folder / "metrics.json")) for folder in (found, expected)]
    assert results[0] | {"minutes": 0} == results[1] | {"minutes": 0}


def test_it_ends_with_the_network_a_search_run_of_that_genotype_ends_with(
    recipe: Recipe, tmp_path: Path
) -> None:
    result = trained(recipe, tmp_path / "train")
    searched = override(recipe, {"strategy": "msinet_msmt17"})
    expected = run(searched, tmp_path / "search", Reporter())
    assert asdict(result) | {"minutes": 0} == asdict(expected) | {"minutes": 0}
    first, second = (read_network(tmp_path / f / "last.pt") for f in ("train", "search"))
    assert first.blueprint == second.blueprint
    assert all(torch.equal(first.weights[n], second.weights[n]) for n in second.weights)


def test_its_folder_is_that_of_any_run(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = trained(recipe, folder)
    files = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    assert files == {
        *("recipe.json", "progress.json", "epochs.jsonl", "genotype.json", "network.svg"),
        *("best.pt", "last.pt", "test.json", "metrics.json", "tensorboard"),
    }
    assert Genotype.load(str(folder / "genotype.json")) == PUBLISHED
    assert Progress.read(folder / "progress.json").stage == "done"
    assert [line["stage"] for line in lines_of(folder)] == ["retrain"] * 4
    described = json.loads((folder / "recipe.json").read_text())
    assert described["given"]["genotype"] == dict(PUBLISHED.slots)
    info = read_network(folder / "last.pt").info
    named = {"trained_on", "recipe", "digest", "epochs", "seed", "normalisation", "commit"}
    assert named | {"alignment"} <= set(info)
    assert info["metrics"]["mAP"] == result.mAP
    assert (info["epoch"], result.strategy) == (4, "msinet_msmt17")
    texts = [file.read_text() for file in folder.glob("*.json*")]
    assert not any(str(tmp_path) in text for text in [*texts, json.dumps(info)])


def test_the_best_epoch_is_that_of_the_lowest_loss_and_the_last_one_is_tested(
    recipe: Recipe, tmp_path: Path
) -> None:
    wild = override(recipe, {"retrain.weights.learning_rate": 0.5, "retrain.epochs": 6})
    trained(wild, tmp_path / "run")
    losses = [line["loss"] for line in lines_of(tmp_path / "run")]
    best = losses.index(min(losses)) + 1
    assert read_network(tmp_path / "run" / "best.pt").info["epoch"] == best
    assert json.loads((tmp_path / "run" / "test.json").read_text())["network"] == "last"


def test_identities_put_aside_are_not_trained_on_and_choose_the_network_that_is_tested(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Ten identities, 0.3 of them aside: seven are told apart. Scored after epochs 2 and 4."""
    held = override(recipe, {"retrain.held_out": 0.3, "retrain.score_every": 2})
    result = trained(held, tmp_path / "run")
    lines = lines_of(tmp_path / "run")
    assert [sorted(line["scores"]) for line in lines] == [[], ["mAP", "rank1"]] * 2
    scores = {line["epoch"]: line["scores"]["mAP"] for line in lines if line["scores"]}
    best = read_network(tmp_path / "run" / "best.pt").info
    assert best["epoch"] == max(scores, key=lambda epoch: (scores[epoch], -epoch))
    assert best["metrics"]["mAP"] == result.mAP
    assert json.loads((tmp_path / "run" / "test.json").read_text())["network"] == "best"
    assert Progress.read(tmp_path / "run" / "progress.json").retrieval == scores[4]


@pytest.mark.parametrize("epochs", [0, 1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "retrain.alignment.mode": "pos_neg",
            "retrain.held_out": 0.3,
            "retrain.accumulate": 2,
            "retrain.weights.schedule": "multistep",
        },
    ],
    ids=["plain", "aligned"],
)
def test_broken_off_behind_any_epoch_it_ends_as_if_it_had_not_been(
    recipe: Recipe, tmp_path: Path, epochs: int, changes: Mapping[str, Any]
) -> None:
    changed = override(recipe, changes)
    trained(changed, tmp_path / "whole")
    stopped_after(epochs, changed, tmp_path / "stopped")
    assert Progress.read(tmp_path / "stopped" / "progress.json").stage == "failed"
    trained(changed, tmp_path / "stopped", resume=True)
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_a_loss_that_diverges_keeps_the_networks_of_the_epochs_before(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Warm-up from next to nothing: the first epoch is harmless, the second is not."""
    wild = {
        "retrain.weights.learning_rate": 1e30,
        "retrain.weights.schedule": "multistep",
        "retrain.weights.warmup_epochs": 1,
        "retrain.weights.warmup_start": 1e-33,
    }
    with pytest.raises(ValueError, match=r"retraining epoch 2[^\n]*lower retrain\.weights"):
        trained(override(recipe, wild), tmp_path / "run")
    for name in ("best.pt", "last.pt"):
        network = load_network(tmp_path / "run" / name)
        assert read_network(tmp_path / "run" / name).info["epoch"] == 1
        assert network(torch.zeros(1, 3, 32, 16)).isfinite().all()


@pytest.mark.parametrize("mode", ["pos", "neg", "pos_neg"])
def test_nothing_of_the_alignment_is_shipped(recipe: Recipe, tmp_path: Path, mode: str) -> None:
    plain = {name for name, _ in MSINet(PUBLISHED, width=0.25, depths=(1, 1)).named_parameters()}
    aligned = override(recipe, {"retrain.alignment.mode": mode, "retrain.epochs": 2})
    result = trained(aligned, tmp_path / mode)
    for name in ("best.pt", "last.pt"):
        network = load_network(tmp_path / mode / name)
        assert {name for name, _ in network.named_parameters()} == plain
        assert read_network(tmp_path / mode / name).info["alignment"] == mode
    assert result.parameters == sum(p.numel() for p in network.parameters())


def test_the_alignment_changes_what_is_learnt_and_its_own_weights_are_learnt(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[Mapping[str, Any]] = []
    told = Diary.retrained

    def looked(diary: Diary, epoch: TrainingEpoch) -> None:
        file = diary.folder / "retrain.pt"
        if file.exists():
            states.append(torch.load(file, weights_only=True)["state_dict"])
        told(diary, epoch)

    monkeypatch.setattr(Diary, "retrained", looked)
    trained(override(recipe, {"retrain.alignment.mode": "pos_neg"}), tmp_path / "aligned")
    moved = [
        n for n in states[0] if "alignment" in n and not torch.equal(states[0][n], states[1][n])
    ]
    assert sorted(name.partition("alignment.")[2] for name in moved) == [
        *("key.bias", "key.weight", "query.bias", "query.weight")
    ]
    trained(recipe, tmp_path / "plain")
    first, second = (lines_of(tmp_path / f)[0]["loss"] for f in ("aligned", "plain"))
    assert first > second


def test_another_genotype_or_other_weights_are_another_run(recipe: Recipe, tmp_path: Path) -> None:
    recipe = override(recipe, {"retrain.epochs": 1})
    first, folder = tmp_path / "first", tmp_path / "run"
    trained(recipe, first)
    trained(recipe, folder)
    with pytest.raises(ValueError, match=r"differs in given\.genotype\.cell0_slot0"):
        run_training(recipe, FIXED["uniform_none"], folder, Reporter(), resume=True)
    with pytest.raises(ValueError, match=r"differs in given\.weights"):
        trained(recipe, folder, resume=True, weights=first / "best.pt")
    with pytest.raises(ValueError, match="holds a run already"):
        trained(recipe, folder)


def test_it_can_begin_with_the_weights_of_another_training(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At rate 0 it ends with them, but for the running statistics."""
    trained(recipe, tmp_path / "first")
    file = tmp_path / "first" / "last.pt"
    still = override(recipe, {"retrain.weights.learning_rate": 0.0, "retrain.epochs": 1})
    trained(still, tmp_path / "second", weights=file)
    begun, ended = read_network(file), load_network(tmp_path / "second" / "last.pt")
    assert all(torch.equal(p, begun.weights[n]) for n, p in ended.named_parameters())
    said = capsys.readouterr().out
    assert "missing (0): -" in said
    assert "unexpected (0): -" in said
    lists = json.loads((tmp_path / "second" / "weights.json").read_text())
    assert lists["file"] == "last.pt"
    assert lists["matched"] == sorted(begun.weights)
    assert lists["missing"] == lists["unexpected"] == lists["differences"] == []


def test_a_peer_is_trained_alike(recipe: Recipe, tmp_path: Path) -> None:
    peer = override(recipe, {"retrain.network": "osnet_x1_0", "retrain.epochs": 1})
    result = run_training(peer, None, tmp_path / "run", Reporter())
    assert (result.strategy, result.genotype) == ("osnet_x1_0", "")
    assert not (tmp_path / "run" / "genotype.json").exists()
    assert load_network(tmp_path / "run" / "best.pt").dimensions == 512
    with pytest.raises(ValueError, match="--network osnet_x1_0"):
        run(peer, tmp_path / "search", Reporter())
    given = override(peer, {"strategy": "msinet_msmt17"})
    trial = asdict(run(given, tmp_path / "trial", Reporter()))
    assert trial | {"minutes": 0} == asdict(result) | {"minutes": 0}
    assert not (tmp_path / "trial" / "search.json").exists()
    with pytest.raises(ValueError, match="a peer has none"):
        run_training(peer, PUBLISHED, tmp_path / "both", Reporter())
    assert not (tmp_path / "both").exists()


def test_it_is_tested_on_its_target_by_the_targets_rules(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load_dataset(recipe.data.name)
    rule = replace(given.protocol, camera_rule=False)
    sets = {
        "source": replace(given, name="source", query=(), gallery=()),
        "target": replace(given, name="target", train=(), protocol=rule),
    }
    monkeypatch.setattr("experiments.data.load_dataset", lambda name, part="trainval": sets[name])
    elsewhere = {"data.name": "source", "data.targets": ["target"], "retrain.epochs": 1}
    trained(override(recipe, elsewhere), tmp_path / "run")
    tested = json.loads((tmp_path / "run" / "test.json").read_text())
    assert tested["trained_on"] == "source"
    assert [(t["dataset"], t["camera_rule"]) for t in tested["targets"]] == [("target", False)]
    info = read_network(tmp_path / "run" / "last.pt").info
    assert (info["trained_on"], info["tested_on"]) == ("source", "target")


def test_a_precision_the_device_has_not_is_refused_before_anything_is_decoded(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="Precision '16' was asked for"):
        trained(override(recipe, {"retrain.precision": "16"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bf16_trains_to_about_the_same(recipe: Recipe, tmp_path: Path) -> None:
    short = override(recipe, {"retrain.epochs": 1})
    for precision in ("32", "bf16"):
        trained(override(short, {"retrain.precision": precision}), tmp_path / precision)
    exact, coarse = (lines_of(tmp_path / p)[0]["loss"] for p in ("32", "bf16"))
    assert coarse != exact
    assert coarse == pytest.approx(exact, rel=0.05)
    weights = read_network(tmp_path / "bf16" / "last.pt").weights
    assert {w.dtype for n, w in weights.items() if "num_batches" not in n} == {torch.float32}


def test_without_labels_its_epochs_say_what_groups_they_found(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    free = override(recipe, {"retrain.unsupervised.min_samples": 2, "retrain.unsupervised.k1": 6})
    result = trained(free, tmp_path / "whole", kind="unsupervised")
    assert result.strategy == "msinet_msmt17 unsupervised"
    lines = lines_of(tmp_path / "whole")
    assert all(line["groups"] >= 2 for line in lines)
    said = f"{lines[0]['groups']} groups, {lines[0]['outliers']} outliers, adjusted Rand index "
    assert said in capsys.readouterr().out
    stopped_after(2, free, tmp_path / "stopped", kind="unsupervised")
    trained(free, tmp_path / "stopped", kind="unsupervised", resume=True)
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_both_files_name_the_runs_targets(recipe: Recipe, tmp_path: Path) -> None:
    trained(override(recipe, {"data.targets": (recipe.data.name,)}), tmp_path / "run")
    for name in ("best.pt", "last.pt"):
        assert read_network(tmp_path / "run" / name).info["targets"] == [recipe.data.name]


def test_what_needs_no_picture_is_refused_before_one_is_read(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: object) -> None:
        raise AssertionError("the data was read")

    monkeypatch.setattr("experiments.training_run.looked_at", read)
    (tmp_path / "w.pt").write_text("nothing")
    with pytest.raises(ValueError, match=r"w\.pt is no "):
        trained(recipe, tmp_path / "a", weights=tmp_path / "w.pt")
    odd = override(recipe, {"retrain.network": "vit_tiny", "data.height": 20})
    with pytest.raises(ValueError, match="multiples of 16"):
        run_training(odd, None, tmp_path / "b", Reporter())


def test_pictures_of_which_no_map_is_left_are_refused_in_a_sentence(
    recipe: Recipe, tmp_path: Path
) -> None:
    tiny = override(recipe, {"data.height": 4, "data.width": 4})
    with pytest.raises(ValueError, match=r"does not take images of 4 x 4 .* give a larger --size"):
        trained(tiny, tmp_path / "run")
