"""How the searched pictures are divided between the twins (MSINet, CVPR 2023, section 3.2).

Every function is pure, and sorts before it shuffles: the order in which files were listed is
without effect.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

import torch

from reid_data.randomness import generator_of
from reid_data.records import Sighting

_SMALLEST_HELD_OUT = 2
_LARGEST_DENOMINATOR = 1_000_000


@dataclass(frozen=True)
class TwinShares:
    """Shares of the searched identities; what they leave is seen by the val twin only.

    Attributes:
        train_only: seen by the train twin only.
        shared: seen by both, by different pictures.

    Raises:
        ValueError: If a share is negative, or a twin would be left without identities.
    """

    train_only: float = 0.2
    shared: float = 0.4

    def __post_init__(self) -> None:
        both = (self.train_only, self.shared)
        if not all(0 <= share <= 1 for share in both) or sum(map(_exact, both)) > 1:
            raise ValueError(
                f"Twin shares train_only = {self.train_only} and shared = {self.shared} were"
                " found: both must be at least 0 and their sum at most 1."
            )
        if self.train_only == 1 or sum(both) == 0:
            raise ValueError(
                f"Twin shares train_only = {self.train_only} and shared = {self.shared} leave one"
                " twin without identities: take train_only below 1 and their sum above 0."
            )

    def counts(self, identities: int) -> tuple[int, int, int]:
        """Identities of the train twin only, of both, and of the val twin only.

        ``n = floor(train_only N)``. Where ``shared`` is a whole multiple of ``train_only``, as by
        default, that many times ``n`` are shared (the paper's ``n = N // 5`` and ``2 n``),
        else ``floor(shared N)``. The remainder is the val twin's. Shares are exact decimal
        numbers here: a fifth of 5 is 1 whatever the rounding of 0.2.

        Raises:
            ValueError: If a share above 0 comes to no identity at all.
        """
        train_only, shared = _exact(self.train_only), _exact(self.shared)
        n = int(train_only * identities)
        multiple = shared / train_only if train_only else Fraction(1, 2)
        both = n * int(multiple) if multiple.denominator == 1 else int(shared * identities)
        rest = identities - n - both
        empty = (train_only > 0 and n == 0, shared > 0 and both == 0, rest == both == 0)
        if any(empty):
            raise ValueError(
                f"{identities} identities are too few for the twin shares train_only ="
                f" {self.train_only} and shared = {self.shared}, of which a part would be empty:"
                " give more identities or larger shares."
            )
        return n, both, rest


class Split(NamedTuple):
    """The two sides of a search, each sorted; no picture is on both."""

    train: tuple[Sighting, ...]
    val: tuple[Sighting, ...]


def hold_out(
    sightings: Iterable[Sighting], share: float, *, seed: int
) -> tuple[tuple[Sighting, ...], tuple[Sighting, ...]]:
    """Put identities aside that guide a search without taking part in it.

    Args:
        sightings: the training part of a data set.
        share: of the identities, in ``[0, 1)``; ``floor(share N)`` are held out.
        seed: of the choice.

    Returns:
        The pictures that remain, and those held out; each sorted, with no identity in common.

    Raises:
        ValueError: If the share is outside its range, or holds out a single identity or, above 0,
            none: retrieval among one identity is always right.
    """
    if not 0 <= share < 1:
        raise ValueError(
            f"A held-out share of {share} was found: it must be at least 0 and below 1."
        )
    groups = _shuffled_identities(sightings, generator_of(seed))
    count = int(_exact(share) * len(groups))
    if share > 0 and count < _SMALLEST_HELD_OUT:
        raise ValueError(
            f"A held-out share of {share} of {len(groups)} identities is {count}, and retrieval"
            f" needs {_SMALLEST_HELD_OUT}: raise the share, or set it to 0 to hold out none."
        )
    return _joined(groups[count:]), _joined(groups[:count])


def twin_split(sightings: Iterable[Sighting], shares: TwinShares, *, seed: int) -> Split:
    """Divide identities into train twin only, shared, and val twin only.

    Of a shared identity's pictures, in a seeded order, the first half (rounded down) go to the
    train twin and the others to the val twin; a shared identity with one picture is therefore
    seen by the val twin only.

    Args:
        sightings: the pictures to search on, held-out identities already taken off.
        shares: see :meth:`TwinShares.counts` for the rounding.
        seed: of the order of identities and of pictures.

    Raises:
        ValueError: If there are too few identities for the shares.
    """
    generator = generator_of(seed)
    groups = _shuffled_identities(sightings, generator)
    train_only, shared, _ = shares.counts(len(groups))
    end = train_only + shared
    halves = [_halved(group, generator) for group in groups[train_only:end]]
    return Split(
        train=_joined([*groups[:train_only], *(first for first, _ in halves)]),
        val=_joined([*groups[end:], *(second for _, second in halves)]),
    )


def closed_set_split(sightings: Iterable[Sighting], *, seed: int) -> Split:
    """Put every identity on both sides and divide its pictures, as searches of classifiers do.

    Of each identity's pictures, in a seeded order, the first half (rounded down) go to the train
    side and the others to the val side: an identity with one picture is on the val side only.

    Args:
        sightings: the pictures to search on, held-out identities already taken off.
        seed: of the order of pictures.

    Raises:
        ValueError: If no identity has two pictures.
    """
    generator = generator_of(seed)
    groups = _shuffled_identities(sightings, generator)
    halves = [_halved(group, generator) for group in groups]
    split = Split(
        train=_joined([first for first, _ in halves]), val=_joined([second for _, second in halves])
    )
    if not split.train:
        raise ValueError(
            f"None of the {len(groups)} identities has two pictures, so that none can be on both"
            " sides of a closed-set split: give more pictures of each identity."
        )
    return split


def labels_of(split: Split) -> dict[int, int]:
    """One numbering ``0..I-1`` of all identities of both sides, in sorted order."""
    identities = sorted({sighting.identity for side in split for sighting in side})
    return {identity: label for label, identity in enumerate(identities)}


def _exact(share: float) -> Fraction:
    """The decimal number that was meant, not the nearest binary one."""
    return Fraction(share).limit_denominator(_LARGEST_DENOMINATOR)


def _shuffled_identities(
    sightings: Iterable[Sighting], generator: torch.Generator
) -> list[tuple[Sighting, ...]]:
    """The sorted pictures of each identity, the identities in a random order."""
    by_identity = groupby(sorted(sightings), key=lambda sighting: sighting.identity)
    groups = [tuple(group) for _, group in by_identity]
    return [groups[i] for i in torch.randperm(len(groups), generator=generator).tolist()]


def _halved(
    group: Sequence[Sighting], generator: torch.Generator
) -> tuple[list[Sighting], list[Sighting]]:
    """The pictures of an identity in a random order, cut after the first half, rounded down."""
    order = torch.randperm(len(group), generator=generator).tolist()
    shuffled = [group[i] for i in order]
    half = len(group) // 2
    return shuffled[:half], shuffled[half:]


def _joined(groups: Iterable[Iterable[Sighting]]) -> tuple[Sighting, ...]:
    return tuple(sorted(sighting for group in groups for sighting in group))
