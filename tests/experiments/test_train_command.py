"""``reid-nas train`` takes a network and fields of a recipe, and answers in a sentence."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import train_command
from experiments.recipe import Recipe
from experiments.run_command import size
from nas_space.genotype import FIXED
from nas_space.networks import read_network

SMALL = [
    *("data.name=market_layout", "data.identities=2", "data.images=2", "retrain.epochs=1"),
    *("data.height=32", "data.width=16", "device=cpu"),
]
Command = Callable[..., int]


@pytest.fixture
def train(tiny: Recipe, tmp_path: Path) -> Command:
    """Runs the command with the settings of a small run."""

    def run(*options: str, out: str = "run") -> int:
        folder = str(tmp_path / out)
        given = ["--recipe", "quickstart", "--out", folder, *options]
        return train_command.main([*given, "--set", *SMALL])

    return run


def recipe_of(folder: Path) -> Any:
    return json.loads((folder / "recipe.json").read_text())["recipe"]


def test_a_published_genotype_is_trained_by_its_name(
    train: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--genotype", "msinet_msmt17") == 0
    assert read_network(tmp_path / "run" / "last.pt").blueprint.genotype == FIXED["msinet_msmt17"]
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("train 1/1: loss ")
    assert said[1].startswith("Tested last.pt (epoch 1, the last) on market_layout by the ")
    assert said[3].startswith("msinet_msmt17  ")
    assert said[-1].endswith(f"{tmp_path}/run/last.pt --data market_layout")


def test_a_found_genotype_is_trained_from_its_file(train: Command, tmp_path: Path) -> None:
    file = tmp_path / "genotype.json"
    file.write_text(FIXED["uniform_exchange"].to_json())
    assert train("--genotype", str(file)) == 0
    assert (
        read_network(tmp_path / "run" / "last.pt").blueprint.genotype == FIXED["uniform_exchange"]
    )


def test_options_set_the_fields_of_the_recipe_and_set_wins(train: Command, tmp_path: Path) -> None:
    options = ["--sam-mode", "pos", "--epochs", "7", "--size", "48x24", "--source", "nowhere"]
    assert train("--genotype", "msinet_msmt17", *options, "--target", "market_layout") == 0
    recipe = recipe_of(tmp_path / "run")
    assert recipe["retrain"]["alignment"]["mode"] == "pos"
    assert (recipe["retrain"]["epochs"], recipe["data"]["height"]) == (1, 32)
    assert (recipe["data"]["name"], recipe["data"]["targets"]) == (
        "market_layout",
        ["market_layout"],
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--target", "market_layout:b", "market_layout"),
        ("--target", "market_layout:b", "--target", "market_layout"),
    ],
)
def test_targets_are_named_behind_one_option_or_several(
    train: Command,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "data")
    (tmp_path / "data" / "b").symlink_to(tiny_folder)
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path / "data"))
    assert train(*options, "--genotype", "uniform_none") == 0
    tested = json.loads((tmp_path / "run" / "test.json").read_text())["targets"]
    names = ["market_layout:b", "market_layout"]
    assert [target["dataset"] for target in tested] == names
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["settings"]["data.targets"] == ":".join(names)
    assert result["settings"]["retrain.epochs"] == 1
    assert {"strategy", "seed"}.isdisjoint(result["settings"])


def test_options_count_where_nothing_is_set_beside_them(tiny: Recipe, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    arguments = ["--recipe", "quickstart", "--out", out, "--genotype", "uniform_none"]
    options = ["--source", "market_layout", "--epochs", "2", "--size", "48x24"]
    fields = ["data.identities=2", "data.images=2", "device=cpu"]
    assert train_command.main([*arguments, *options, "--set", *fields]) == 0
    recipe = recipe_of(tmp_path / "run")
    assert (recipe["data"]["height"], recipe["data"]["width"]) == (48, 24)
    assert recipe["retrain"]["epochs"] == 2
    blueprint = read_network(tmp_path / "run" / "last.pt").blueprint
    assert (blueprint.height, blueprint.width) == (48, 24)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--genotype", "uniform_none", "--weights", "nowhere.pt"], r"no file nowhere\.pt"),
        (["--genotype", "uniform_none", "--epochs", "0"], r"'retrain\.epochs' is 0"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(
    tiny: Recipe, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train_command.main(["--recipe", "quickstart", "--out", str(out), *options]) == 1
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    assert re.search(said, words)
    assert not out.exists()


def test_a_run_that_is_over_tells_its_result_again(train: Command, tmp_path: Path) -> None:
    assert train("--genotype", "uniform_none") == 0
    assert train("--genotype", "uniform_none") == 1
    assert not (tmp_path / "run" / "error.txt").exists()
    assert train("--genotype", "uniform_none", "--resume") == 0


def test_a_size_is_height_by_width() -> None:
    assert size("256x128") == (256, 128)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--genotype", "uniform_none", "--network", "resnet50"],
        ["--genotype", "msinet"],
        ["--network", "resnet5"],
        ["--genotype", "uniform_none", "--size", "12"],
    ],
)
def test_words_that_make_no_command_are_refused(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train_command.main(["--recipe", "quickstart", "--out", str(tmp_path / "run"), *words])
    assert ended.value.code == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("options", "said"), [(["--unsupervised"], 1), ([], 0)])
def test_a_training_without_labels_and_weights_is_told_what_it_lacks(
    options: list[str], said: int, train: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    train("--genotype", "uniform_none", *options)
    assert capsys.readouterr().err.count("No --weights: groups of what an untrained") == said
