"""The twins divide identities in the stated shares, whatever order the files came in."""

from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_data.records import Sighting
from reid_data.twin_split import (
    Split,
    TwinShares,
    closed_set_split,
    hold_out,
    labels_of,
    twin_split,
)


def pictures_of(counts: dict[int, int]) -> list[Sighting]:
    """So many pictures of each identity, by two cameras in turn."""
    return [
        Sighting(identity, n % 2, Path(f"{identity:05d}_{n}.jpg"))
        for identity, count in counts.items()
        for n in range(count)
    ]


def identities(sightings: tuple[Sighting, ...]) -> set[int]:
    return {sighting.identity for sighting in sightings}


# Identity -> number of its pictures, one among them; enough identities for fifths.
counted = st.dictionaries(st.integers(1, 10**4), st.integers(1, 5), min_size=5, max_size=25)
seeds = st.integers(0, 2**31)


@pytest.mark.parametrize(
    ("name", "total", "train_only", "shared", "val_only"),
    [
        ("Market-1501", 751, 150, 300, 301),
        ("MSMT17", 1041, 208, 416, 417),
        ("VeRi-776", 576, 115, 230, 231),
        ("VehicleID", 13164, 2632, 5264, 5268),
    ],
)
def test_the_default_shares_are_the_papers_fifths(
    name: str, total: int, train_only: int, shared: int, val_only: int
) -> None:
    del name
    split = twin_split(pictures_of(dict.fromkeys(range(1, total + 1), 2)), TwinShares(), seed=0)
    train, val = identities(split.train), identities(split.val)

    assert TwinShares().counts(total) == (train_only, shared, val_only)
    assert (len(train - val), len(train & val), len(val - train)) == (train_only, shared, val_only)


def test_seven_identities_by_hand() -> None:
    # n = 7 // 5 = 1 for the train twin only, 2 n = 2 shared, 7 - 3 = 4 for the val twin only.
    assert TwinShares(0.2, 0.4).counts(7) == (1, 2, 4)
    # 0.4 is no whole multiple of 0.3: floor(2.1) = 2, floor(2.8) = 2, and 3 remain.
    assert TwinShares(0.3, 0.4).counts(7) == (2, 2, 3)
    # Nothing for the train twin only: floor(0.5 * 7) = 3 shared, 4 remain.
    assert TwinShares(0.0, 0.5).counts(7) == (0, 3, 4)
    # No overlap at all.
    assert TwinShares(0.5, 0.0).counts(7) == (3, 0, 4)


@given(st.integers(1, 10**6))
def test_a_fifth_is_a_fifth_whatever_the_rounding_of_a_decimal_number(n: int) -> None:
    assert TwinShares(0.2, 0.4).counts(5 * n) == (n, 2 * n, 2 * n)
    assert TwinShares(0.1, 0.3).counts(10 * n) == (n, 3 * n, 6 * n)
    assert TwinShares(0.3, 0.7).counts(10 * n) == (3 * n, 7 * n, 0)
    # 0.29 * 100 is 28.999999999999996 in binary.
    assert TwinShares(0.29, 0.5).counts(100 * n) == (29 * n, 50 * n, 21 * n)


@given(counted, seeds, st.randoms())
def test_the_order_of_files_is_without_effect(
    counts: dict[int, int], seed: int, random: Random
) -> None:
    sightings = pictures_of(counts)
    mixed = random.sample(sightings, len(sightings))
    assert twin_split(mixed, TwinShares(), seed=seed) == twin_split(
        sightings, TwinShares(), seed=seed
    )
    assert hold_out(mixed, 0.4, seed=seed) == hold_out(sightings, 0.4, seed=seed)


@given(counted, seeds)
def test_no_picture_is_lost_or_on_both_sides(counts: dict[int, int], seed: int) -> None:
    sightings = pictures_of(counts)
    split = twin_split(sightings, TwinShares(), seed=seed)
    assert sorted(split.train + split.val) == sorted(sightings)
    assert list(split.train) == sorted(split.train)
    assert list(split.val) == sorted(split.val)


@given(counted, seeds)
def test_of_a_shared_identity_half_the_pictures_rounded_down_are_for_training(
    counts: dict[int, int], seed: int
) -> None:
    split = twin_split(pictures_of(counts), TwinShares(), seed=seed)
    in_train = Counter(s.identity for s in split.train)
    in_val = Counter(s.identity for s in split.val)
    for identity in in_train.keys() & in_val.keys():
        assert in_train[identity] == counts[identity] // 2
        assert in_val[identity] == counts[identity] - counts[identity] // 2


@given(counted, seeds)
def test_no_identity_is_both_searched_and_held_out(counts: dict[int, int], seed: int) -> None:
    sightings = pictures_of(counts)
    rest, held_out = hold_out(sightings, 0.4, seed=seed)
    assert not identities(rest) & identities(held_out)
    assert len(identities(held_out)) == int(Fraction(2, 5) * len(counts))
    assert sorted(rest + held_out) == sorted(sightings)


def test_which_identities_are_held_out_depends_on_the_seed() -> None:
    sightings = pictures_of(dict.fromkeys(range(100), 2))
    chosen = {frozenset(identities(hold_out(sightings, 0.1, seed=seed)[1])) for seed in range(5)}
    assert len(chosen) == 5


def test_which_pictures_of_a_shared_identity_are_for_training_depends_on_the_seed() -> None:
    sightings = pictures_of({1: 20})
    assert len({closed_set_split(sightings, seed=seed).train for seed in range(5)}) == 5


def test_holding_out_nothing_leaves_everything() -> None:
    sightings = pictures_of({3: 2, 1: 1})
    assert hold_out(sightings, 0, seed=0) == (tuple(sorted(sightings)), ())


@given(counted, seeds)
def test_a_closed_set_has_every_identity_on_both_sides_except_single_pictures(
    counts: dict[int, int], seed: int
) -> None:
    counts = {**counts, 0: 2}
    split = closed_set_split(pictures_of(counts), seed=seed)
    assert identities(split.val) == set(counts)
    assert identities(split.train) == {identity for identity, n in counts.items() if n > 1}
    assert Counter(s.identity for s in split.train) == {
        identity: n // 2 for identity, n in counts.items() if n > 1
    }


def test_labels_count_the_identities_of_both_sides_in_sorted_order() -> None:
    a, b, c = (Sighting(identity, 0, Path(f"{identity}.jpg")) for identity in (70, 9, 35))
    assert labels_of(Split(train=(a, b), val=(a, c))) == {9: 0, 35: 1, 70: 2}


@pytest.mark.parametrize(
    ("train_only", "shared", "sentence"),
    [
        (-0.1, 0.4, "both must be at least 0"),
        (0.7, 0.4, "their sum at most 1"),
        (0.0, 0.0, "leave one twin without identities"),
        (1.0, 0.0, "leave one twin without identities"),
        (float("nan"), 0.4, "train_only = nan"),
    ],
)
def test_shares_that_leave_no_two_twins_are_refused(
    train_only: float, shared: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        TwinShares(train_only, shared)


def test_too_few_identities_are_refused() -> None:
    with pytest.raises(ValueError, match="4 identities are too few for the twin shares"):
        twin_split(pictures_of({1: 2, 2: 2, 3: 2, 4: 2}), TwinShares(), seed=0)
    with pytest.raises(ValueError, match=r"0\.1 of 19 identities is 1, and retrieval needs 2"):
        hold_out(pictures_of(dict.fromkeys(range(19), 2)), 0.1, seed=0)
    with pytest.raises(ValueError, match=r"share of 1\.0 was found"):
        hold_out(pictures_of({1: 2}), 1.0, seed=0)
    with pytest.raises(ValueError, match="None of the 2 identities has two pictures"):
        closed_set_split(pictures_of({1: 1, 2: 1}), seed=0)
