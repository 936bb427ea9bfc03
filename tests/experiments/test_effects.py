"""A field that is refused changes nothing of a run, and one that counts is not refused."""

from pathlib import Path

import pytest

from experiments import pretrain_command, train_command
from experiments.config import field_names, override
from experiments.effects import RunKind, require_effect, without_effect
from experiments.recipe import Recipe
from experiments.recipes import recipe_named
from experiments.train import blueprint_of, course_of, network_of, objective_of
from nas_space.genotype import FIXED

BASE = override(recipe_named("quickstart"), {"device": "cpu"})
PEER = override(BASE, {"retrain.network": "osnet_x1_0"})
ALIGNED = override(BASE, {"retrain.alignment.mode": "pos_neg", "retrain.held_out": 0.1})
OTHER = {
    "strategy": "random",
    "twin.shared": 0.3,
    "memory.momentum": 0.4,
    "iteration.leak": True,
    "search.epochs": 7,
    "data.held_out": 0.3,
    "space.candidates": ("none", "exchange"),
    "space.cell_width": "in",
    "space.width": 0.5,
    "space.depths": (1, 1),
    "space.subtract": False,
    "space.local_branch": False,
    "space.residual_start": "one",
}


@pytest.mark.parametrize(
    ("recipe", "kind", "refused", "counting"),
    [
        (
            BASE,
            "training",
            {
                *("strategy", "search.epochs", "search.weights.name", "data.held_out"),
                *("retrain.unsupervised.eps", "retrain.score_every", "retrain.alignment.ratio"),
            },
            {
                *("seed", "threads", "data.name", "data.cached", "space.width", "retrain.held_out"),
                *("retrain.alignment.mode", "retrain.smoothing", "retrain.weights.gamma"),
            },
        ),
        (
            ALIGNED,
            "training",
            {"twin.shared", "retrain.unsupervised.k1"},
            {"retrain.score_every", "retrain.alignment.ratio", "retrain.alignment.self_pairs"},
        ),
        (PEER, "training", {"space.width", "space.local_branch"}, {"retrain.triplet_on"}),
        (
            BASE,
            "training without labels",
            {
                *("retrain.smoothing", "retrain.margin", "retrain.triplet", "retrain.triplet_on"),
                *("retrain.score_every", "retrain.alignment.self_pairs", "memory.momentum"),
            },
            {
                *("retrain.unsupervised.eps", "retrain.augmentation.flip", "space.depths"),
                *("retrain.alignment.mode", "retrain.held_out", "retrain.devices"),
            },
        ),
        (
            BASE,
            "pre-training",
            {
                *("retrain.augmentation.flip", "retrain.held_out", "retrain.triplet"),
                *("data.cached", "data.name", "retrain.alignment.ratio", "space.local_branch"),
            },
            {"data.height", "data.images", "retrain.smoothing", "retrain.score_every", "seed"},
        ),
    ],
)
def test_each_kind_of_run_has_fields_of_its_own(
    recipe: Recipe, kind: RunKind, refused: set[str], counting: set[str]
) -> None:
    assert refused | counting <= set(field_names(recipe))
    require_effect(["preset", *counting], recipe, kind)
    for name in refused:
        with pytest.raises(ValueError, match=rf"no effect on a {kind} of \w+: {name}; leave it"):
            require_effect([name, "seed"], recipe, kind)


@pytest.mark.parametrize("base", [BASE, PEER], ids=["msinet", "peer"])
def test_what_is_trained_depends_on_no_field_that_is_refused(base: Recipe) -> None:
    """And on all of the space's that are not: blueprint, course, what is minimised."""
    genotype = FIXED["uniform_cross_attention"] if base is BASE else None
    vain = without_effect(base, "training")

    def made(recipe: Recipe) -> str:
        network = network_of(genotype, recipe)
        objective = objective_of(network, 3, recipe)
        said = None if genotype is None else blueprint_of(genotype, recipe)  # of a peer, nothing
        return repr((said, course_of(recipe), objective))

    for name, value in OTHER.items():
        refused = any(f"{name}.".startswith(f"{group}.") for group in vain)
        same = made(override(base, {name: value})) == made(base)
        assert same == refused, name


def test_what_was_meant_is_said() -> None:
    with pytest.raises(ValueError, match=r"data\.held_out; .*retrain\.held_out puts"):
        require_effect(["data.held_out"], BASE, "training")
    with pytest.raises(ValueError, match=r"train --unsupervised is what"):
        require_effect(["retrain.unsupervised.eps"], BASE, "training")


def test_the_commands_refuse_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--recipe", "quickstart", "--network", "osnet_x1_0", "--out"]
    train, pretrain = tmp_path / "train", tmp_path / "pretrain"
    assert train_command.main([*given, str(train), "--set", "space.width=0.5"]) == 1
    assert "osnet_x1_0: space.width; leave" in capsys.readouterr().err
    options = ["--data", str(tmp_path), "--set", "retrain.held_out=0.1"]
    assert pretrain_command.main([*given, str(pretrain), *options]) == 1
    assert "retrain.held_out" in capsys.readouterr().err
    free = ["--unsupervised", "--set", "retrain.margin=0.1"]
    assert train_command.main([*given, str(tmp_path / "free"), *free]) == 1
    assert "retrain.margin" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
