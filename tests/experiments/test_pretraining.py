"""Pre-training learns classes of pictures in folders, and a training begins with what it learnt."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluators.epoch_report import TrainingEpoch
from experiments import pretrain_command
from experiments.config import override
from experiments.diary import Diary, Reporter
from experiments.first_weights import begin_with
from experiments.pretraining import pretrain
from experiments.recipe import Recipe
from experiments.train import blueprint_of, network_of
from nas_space.genotype import FIXED
from nas_space.networks import load_network, read_network
from nas_space.speed import channels_last

PUBLISHED = FIXED["msinet_msmt17"]
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three colours with noise: eight pictures of each to learn, two to be scored by."""
    root: Path = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 2)):
        for name, colour in COLOURS.items():
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                seen = (np.array(colour) + rng.normal(0, 20, (40, 20, 3))).clip(0, 255)
                file = root / part / name / f"{i}.png"
                Image.fromarray(seen.astype(np.uint8)).save(file)
    return root


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    return override(tiny, {"retrain.epochs": 4})


def test_it_learns_colours_and_keeps_the_best_network(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    longer = override(recipe, {"retrain.epochs": 8, "retrain.weights.learning_rate": 0.02})
    result = pretrain(longer, PUBLISHED, pictures, tmp_path / "run", Reporter())
    assert result["top1"] > 0.6
    assert result["top5"] == 1.0  # of three classes
    saved = read_network(tmp_path / "run" / "best.pt")
    assert (saved.info["held_out"]["top1"], saved.info["epoch"]) == (
        result["top1"],
        result["epoch"],
    )
    assert saved.info["trained_on"] == pictures.name
    assert not saved.blueprint.local_branch
    assert not any("classifier" in name for name in saved.weights)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == result
    assert not any(str(tmp_path) in file.read_text() for file in (tmp_path / "run").glob("*.json*"))


def test_broken_off_it_ends_as_if_it_had_not_been_and_is_not_done_twice(
    recipe: Recipe, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(BaseException):
        pass

    def until(diary: Diary, epoch: TrainingEpoch) -> None:
        told(diary, epoch)
        if epoch.epoch == 3:
            raise StoppedError

    told, results = Diary.retrained, []
    with monkeypatch.context() as patch:
        patch.setattr(Diary, "retrained", until)
        with pytest.raises(StoppedError):
            pretrain(recipe, PUBLISHED, pictures, tmp_path / "stopped", Reporter())
    for folder in ("whole", "stopped", "stopped"):
        done = pretrain(recipe, PUBLISHED, pictures, tmp_path / folder, Reporter(), resume=True)
        results.append(done | {"minutes": 0})
    assert results[0] == results[1] == results[2]
    first, second = (read_network(tmp_path / f / "last.pt").weights for f in ("whole", "stopped"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_broken_picture_is_found_before_the_first_epoch_and_blocks_nothing(
    recipe: Recipe, pictures: Path, tmp_path: Path, part: str
) -> None:
    root, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pictures, root)
    (root / part / "red" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=rf"^1 of 30 pictures .*{part}/red/0\.png"):
        pretrain(recipe, PUBLISHED, root, run, Reporter())
    assert (run / "epochs.jsonl").read_text() == ""
    (root / part / "red" / "0.png").unlink()
    assert pretrain(recipe, PUBLISHED, root, run, Reporter())["epoch"] >= 1


def test_without_val_the_lowest_loss_is_the_best(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "train").symlink_to(pictures / "train")
    result = pretrain(recipe, PUBLISHED, root, tmp_path / "run", Reporter())
    lines = [json.loads(x) for x in (tmp_path / "run" / "epochs.jsonl").read_text().splitlines()]
    assert result["loss"] == min(line["loss"] for line in lines)
    assert "top1" not in result


def test_a_training_begins_with_its_backbone_and_lacks_the_local_head_alone(
    recipe: Recipe, pictures: Path, tmp_path: Path
) -> None:
    pretrain(recipe, PUBLISHED, pictures, tmp_path / "run", Reporter())
    file = tmp_path / "run" / "best.pt"
    network, learnt = network_of(PUBLISHED, recipe), load_network(file)
    matched = begin_with(network, blueprint_of(PUBLISHED, recipe), file).matched
    assert matched.unexpected == ()
    assert {name.partition(".")[0] for name in matched.missing} == {"reduce", "local_head"}
    assert set(matched.matched) == set(learnt.state_dict())
    images = torch.randn(2, 3, 32, 16)
    with torch.no_grad():
        first, second = (net.eval().heads(images)[0] for net in (channels_last(network), learnt))
    assert torch.equal(first.normalised, second.normalised)


def test_the_command_prints_what_it_reached(
    tiny: Recipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    fields = ["data.identities=2", "data.images=2", "device=cpu", "retrain.alignment.mode=neg"]
    words = ["--data", str(pictures), "--recipe", "quickstart", "--network", "mobilenet_v3"]
    options = ["--epochs", "1", "--size", "32x32", "--out", out, "--workers", "0"]
    assert pretrain_command.main([*words, *options, "--set", *fields]) == 0
    said = capsys.readouterr().out
    assert re.search(r"(?m)^train 1/1: loss .*$\n^network     mobilenet_v3$", said)
    assert re.search(r"(?m)^top-1       \d+\.\d\d % of the pictures of val$", said)
    assert f"--network mobilenet_v3 --weights {out}/best.pt" in said.splitlines()[-1]
    assert read_network(tmp_path / "run" / "best.pt").info["alignment"] == "none"
    assert (
        pretrain_command.main([*words, "--out", str(tmp_path / "b"), "--data", str(tmp_path)]) == 1
    )
    assert "no folder of classes" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
