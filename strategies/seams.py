"""What strategies, evaluators and trials know of each other, and the loader that joins two sides.

Strategies and evaluators are siblings and never import each other: the evaluator is seen here
through protocols, and sees a strategy as the ``Search`` it is handed.
"""

import warnings
from collections.abc import Iterator
from typing import Any, Protocol, TypedDict, runtime_checkable

import nni
from jaxtyping import Float
from nni.nas.evaluator.pytorch.lightning import Lightning
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor

from reid_data.batch import Batch
from reid_data.datamodule import Sides
from reid_data.twin_split import TwinShares

Probabilities = dict[str, dict[str, float]]
"""Slot label -> candidate -> probability."""

GenotypeBySlot = dict[str, str]
"""Slot label -> candidate."""


_KNOWN_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.11
    r"You passed in a `val_dataloader` but have no `validation_step`",  # an empty one, for NNI
)


@runtime_checkable
class Search(Protocol):
    """What can be asked of a strategy, during its run and after it."""

    def probabilities(self) -> Probabilities:
        """How likely each candidate of each slot is now."""

    def genotype(self) -> GenotypeBySlot:
        """The architecture the search would end with now."""

    def settle(self) -> None:
        """Puts the supernet into the state in which it is scored."""


@runtime_checkable
class SearchedModule(Protocol):
    """A training module a search can be wrapped around."""

    def embed(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Features of normalised images."""

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The evaluator's own loss; changes nothing."""


class TwoSides(TypedDict):
    """One iteration of a search."""

    train: Batch
    val: Batch


@runtime_checkable
class Epochs(Protocol):
    """Batches of one side, whose order depends on the epoch's number alone."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""


class PairedLoader:
    """Batches of both sides, a pair per iteration.

    An epoch ends with the train side (``longer=False``), or with the longer side. A side that ends
    earlier begins again with another epoch of its own, so that what an epoch holds depends on its
    number alone.

    Args:
        train: moves the weights.
        val: moves the architecture.
        longer: go on until the longer side ends.
    """

    def __init__(self, train: Epochs, val: Epochs, *, longer: bool) -> None:
        self._train, self._val, self._epoch = train, val, 0
        self._length = max(len(train), len(val)) if longer else len(train)

    def __len__(self) -> int:
        """Pairs of an epoch."""
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[TwoSides]:
        """The pairs of the epoch that is current when the first one is asked for."""
        train, val = self._endless(self._train), self._endless(self._val)
        for _ in range(len(self)):
            yield {"train": next(train), "val": next(val)}

    def train_batches(self, epoch: int) -> Iterator[Batch]:
        """One pass over the train side alone."""
        self._train.set_epoch(epoch)
        return iter(self._train)

    def _endless(self, side: Epochs) -> Iterator[Batch]:
        passes = -(-len(self) // len(side))
        for again in range(passes):
            side.set_epoch(self._epoch * passes + again)
            yield from side


def sides_of(evaluator: Any, split: str, shares: TwinShares, search: Search) -> Sides:
    """Tells an evaluator which split it searches on, and who searches.

    Args:
        evaluator: with ``prepare_search(split, shares, search) -> Sides``.
        split: of the searched pictures.
        shares: of the twins.
        search: asked by the evaluator after each epoch.

    Raises:
        TypeError: the evaluator does not hold the pictures of a search.
    """
    if not callable(getattr(evaluator, "prepare_search", None)):
        raise TypeError(
            f"The evaluator is a {type(evaluator).__name__}, and a strategy of this project needs"
            " one that divides the searched pictures: use ReidEvaluator, or give yours a method"
            " prepare_search(split, shares, search) that returns Sides."
        )
    sides: Sides = evaluator.prepare_search(split, shares, search)
    return sides


@nni.trace
class SearchingEvaluator(Lightning):  # type: ignore[misc]
    """An evaluator while a search runs in it; silent where Lightning warns of what is meant."""

    def evaluate(self, model: Any) -> Any:
        """Trains the supernet."""
        with warnings.catch_warnings():
            for message in _KNOWN_WARNINGS:
                warnings.filterwarnings("ignore", message)
            return super().evaluate(model)


def searching(
    evaluator: Any, module: BaseOneShotLightningModule, loader: PairedLoader
) -> SearchingEvaluator:
    """The evaluator with a search wrapped around its module, and both sides as training data."""
    return SearchingEvaluator(
        module,
        evaluator.trainer,
        train_dataloaders=loader,
        val_dataloaders=[],
        fit_kwargs=evaluator.fit_kwargs,
    )
