"""Two sides become one loader whose epochs depend on their number alone."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from reid_data.twin_split import TwinShares
from strategies.seams import PairedLoader, sides_of
from strategies.tcm import TCM


class Counting:
    """A side of a few batches, each named by epoch and position."""

    def __init__(self, length: int) -> None:
        self.length, self.epoch = length, 0

    def __len__(self) -> int:
        return self.length

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        return ((epoch, i) for i in range(self.length))


def pairs(train: int, val: int, epoch: int, *, longer: bool) -> list[Any]:
    loader = PairedLoader(cast(Any, Counting(train)), cast(Any, Counting(val)), longer=longer)
    loader.set_epoch(epoch)
    found = [(pair["train"], pair["val"]) for pair in loader]
    assert len(found) == len(loader)
    return found


def test_an_epoch_is_one_pass_over_train_with_val_beginning_again() -> None:
    assert pairs(3, 2, 5, longer=False) == [
        ((5, 0), (10, 0)),
        ((5, 1), (10, 1)),
        ((5, 2), (11, 0)),
    ]


def test_an_epoch_ends_with_train_however_long_val_is() -> None:
    assert pairs(1, 4, 2, longer=False) == [((2, 0), (2, 0))]


def test_or_it_goes_on_until_the_longer_side_ends() -> None:
    assert pairs(1, 3, 1, longer=True) == [((3, 0), (1, 0)), ((4, 0), (1, 1)), ((5, 0), (1, 2))]


def test_no_epoch_of_a_side_is_met_twice() -> None:
    met = [val for epoch in range(4) for _, val in pairs(5, 2, epoch, longer=False)]
    assert len(set(met)) == len(met)


def test_the_epoch_may_be_set_after_the_pass_was_begun() -> None:
    """Lightning makes the iterator before it says that the epoch starts."""
    loader = PairedLoader(cast(Any, Counting(1)), cast(Any, Counting(1)), longer=False)
    begun = iter(loader)
    loader.set_epoch(7)
    assert next(begun)["train"] == cast(Any, (7, 0))


def test_an_evaluator_that_holds_no_pictures_is_refused() -> None:
    with pytest.raises(TypeError, match="use ReidEvaluator"):
        sides_of(object(), "twin", TwinShares(), TCM())
