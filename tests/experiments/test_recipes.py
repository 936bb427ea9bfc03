"""Every recipe is named as it is listed, and every experiment file can produce it."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.config import field_names, override, to_dict
from experiments.recipes import RECIPES, recipe_named

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yml"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_name_it_is_listed_under(name: str) -> None:
    assert recipe_named(name).name == name


@pytest.mark.parametrize("name", RECIPES)
def test_every_field_of_a_recipe_can_be_set_from_a_search_space(name: str) -> None:
    recipe = recipe_named(name)
    plain: Any = to_dict(recipe)
    for field in field_names(recipe):
        value = plain
        for part in field.split("."):
            value = value[part]
        assert override(recipe, {field: value}) == recipe


def test_an_unknown_recipe_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"No recipe 'quikstart'.*quickstart"):
        recipe_named("quikstart")


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_every_point_of_an_experiments_search_space_is_a_recipe(file: Path) -> None:
    experiment = yaml.safe_load(file.read_text(encoding="utf-8"))
    command = experiment["trialCommand"].split()
    assert command[:3] == ["python", "-m", "experiments.trial"]
    recipe = recipe_named(command[command.index("--recipe") + 1])
    space = experiment["searchSpace"]
    points = list(itertools.product(*(axis["_value"] for axis in space.values())))
    assert len(points) == experiment["maxTrialNumber"]
    for point in points:
        override(recipe, dict(zip(space, point, strict=True)))


def test_the_papers_budgets_are_the_papers() -> None:
    for name in ("market1501", "msmt17"):
        recipe = recipe_named(name)
        assert (recipe.search.epochs, recipe.retrain.epochs) == (350, 350)
        assert (recipe.data.height, recipe.data.width) == (256, 128)
        assert (recipe.data.identities, recipe.data.images) == (16, 4)
        assert (recipe.search.weights.learning_rate, recipe.retrain.weights.learning_rate) == (
            0.025,
            0.065,
        )
        assert (recipe.search.arch.learning_rate, recipe.search.arch.betas) == (0.002, (0.5, 0.999))
        assert (recipe.memory.temperature, recipe.memory.momentum) == (0.05, 0.2)
