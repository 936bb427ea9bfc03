"""What strategies, evaluators and trials know of each other, and the loader that joins two sides.

Strategies and evaluators are siblings and never import each other: the evaluator is seen here
through protocols, and sees a strategy as the ``Search`` it is handed.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypedDict, runtime_checkable

import nni
from jaxtyping import Float
from nni.nas.evaluator.pytorch.lightning import Lightning
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor

from reid_data.batch import Batch
from reid_data.datamodule import Sides
from reid_data.twin_split import TwinShares
from strategies.foreign import foreign_sides

Probabilities = dict[str, dict[Any, float]]
"""Slot label -> candidate -> probability."""

GenotypeBySlot = dict[str, Any]
"""Slot label -> candidate: a name, but in foreign spaces whatever NNI knows it by."""


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


@runtime_checkable
class ModuleWithLoss(Protocol):
    """A training module that has a loss of its own."""

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

    An evaluator of this project divides its own pictures; of any other one the loaders are the
    sides (``strategies.foreign``).

    Args:
        evaluator: with ``prepare_search(split, shares, search) -> Sides``, or with a module that
            embeds and two loaders.
        split: of the searched pictures; without effect on a foreign evaluator.
        shares: of the twins; likewise.
        search: asked by the evaluator after each epoch; a foreign one asks nothing.

    Raises:
        TypeError: the evaluator is neither.
        ValueError: what it holds cannot be searched on.
    """
    if not callable(getattr(evaluator, "prepare_search", None)):
        return foreign_sides(evaluator)
    sides: Sides = evaluator.prepare_search(split, shares, search)
    return sides


def own_loss(module: object) -> Callable[[Batch], Float[Tensor, ""]]:
    """The loss of an evaluator's module.

    Raises:
        TypeError: it has none.
    """
    if not isinstance(module, ModuleWithLoss):
        raise TypeError(
            f"The evaluator's module, a {type(module).__name__}, has no loss, which criterion"
            " 'evaluator' takes on both sides: give it a method loss(batch), or take criterion"
            " 'contrastive'."
        )
    return module.loss


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
