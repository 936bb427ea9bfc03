"""Which fields of a recipe have no effect on a kind of run, so that nobody sets them in vain."""

from collections.abc import Iterable
from typing import Literal

from experiments.recipe import Recipe
from nas_space.networks import MSINET

RunKind = Literal["training", "training without labels", "pre-training"]

_OF_THE_SEARCH = (
    *("strategy", "twin", "memory", "iteration", "search", "data.held_out"),
    *("space.candidates", "space.cell_width"),
)
_ALIGNED = tuple(f"retrain.alignment.{name}" for name in ("ratio", "orientation", "self_pairs"))
_BY_IDENTITY = ("retrain.triplet", "retrain.triplet_on", "retrain.margin", *_ALIGNED)

_IN_VAIN: dict[RunKind, tuple[str, ...]] = {
    "training": ("retrain.unsupervised",),
    "training without labels": ("retrain.smoothing", "retrain.score_every", *_BY_IDENTITY),
    "pre-training": (
        *("data.name", "data.part", "data.targets", "data.cached", "space.local_branch"),
        *("retrain.augmentation", "retrain.held_out", "retrain.unsupervised", *_BY_IDENTITY),
    ),
}
_MEANT = {
    "data.held_out": "retrain.held_out puts identities aside in a training",
    "retrain.unsupervised": "train --unsupervised is what they belong to",
}


def require_effect(names: Iterable[str], recipe: Recipe, kind: RunKind) -> None:
    """Nothing happens where all fields that were set by hand have an effect.

    Modes and numbers that a kind of run needs to have one value are no fields in vain: they may be
    set to it.

    Args:
        names: dotted names of the fields; others are passed over.
        recipe: that they made.
        kind: of run.

    Raises:
        ValueError: if some have none; it names them.
    """
    vain = without_effect(recipe, kind)
    found = sorted(name for name in names if any(_within(name, group) for group in vain))
    if found:
        meant = "".join(
            f" ({said})" for group, said in _MEANT.items() if any(_within(n, group) for n in found)
        )
        raise ValueError(
            f"What was set has no effect on a {kind} of {recipe.retrain.network}:"
            f" {', '.join(found)}; leave it out{meant}."
        )


def without_effect(recipe: Recipe, kind: RunKind) -> tuple[str, ...]:
    """Dotted names of such fields, and of groups of them."""
    settings = recipe.retrain
    vain = [*_OF_THE_SEARCH, *_IN_VAIN[kind]]
    if settings.network != MSINET:
        vain.append("space")
    if kind == "training" and not settings.held_out:
        vain.append("retrain.score_every")
    if kind == "training" and settings.alignment.mode == "none":
        vain += _ALIGNED
    return tuple(vain)


def _within(name: str, group: str) -> bool:
    return name == group or name.startswith(f"{group}.")
