"""What falls to one of several processes that go through an epoch together."""

from collections.abc import Callable, Iterator
from itertools import chain, count, islice
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Share(NamedTuple):
    """Every ``of``-th batch of the epoch that one process alone would have.

    Together, the shares ``0..of-1`` are that epoch. All are equally long: where the batches do not
    go round, those who lack one take the epoch's first ones, which are then seen twice.

    Attributes:
        number: of the process, counted from 0; its first batch is that of this number.
        of: processes.
    """

    number: int = 0
    of: int = 1

    def length(self, batches: int) -> int:
        """How many of an epoch's batches are in the share."""
        return -(-batches // self.of)

    def taken(self, plans: Callable[[], Iterator[T]], batches: int) -> Iterator[T]:
        """The share's plans.

        Args:
            plans: begins to plan the epoch, batch by batch; the same every time.
            batches: of the epoch, 1 or more.
        """
        again = chain.from_iterable(plans() for _ in count())
        return islice(again, self.number, self.length(batches) * self.of, self.of)


WHOLE = Share()
"""The epoch of a process that is alone."""
