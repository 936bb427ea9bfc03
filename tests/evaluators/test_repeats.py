"""A drawn gallery holds one picture of every identity, and the score is the mean over the draws."""

import hashlib
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from evaluators.metrics import METRICS, metrics_of
from evaluators.repeats import (
    Spread,
    drawn_galleries,
    evaluated,
    joined,
    pooled,
    retrieve_repeated,
    spread,
)
from evaluators.rerank import retrieve_reranked
from evaluators.retrieval import Features, Retrieval, retrieve
from reid_data.randomness import generator_of
from reid_data.records import Protocol

VEHICLEID = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset(), repeats=10)

# Identities in any order, some with one picture, at least one with two.
some_identities = st.lists(st.integers(0, 6), min_size=8, max_size=30).map(torch.tensor)
seeds = st.integers(0, 2**31)


def features_of(vectors: Float[Tensor, "N D"], identities: list[int]) -> Features:
    return Features(vectors, torch.tensor(identities), torch.full((len(identities),), -1))


def noise(identities: Tensor, *, dimensions: int = 4) -> Features:
    vectors = torch.randn(len(identities), dimensions, generator=generator_of(0))
    return features_of(vectors, identities.tolist())


@given(some_identities, seeds, st.integers(1, 5))
def test_every_gallery_has_every_identity_once(identities: Tensor, seed: int, repeats: int) -> None:
    galleries = drawn_galleries(identities, repeats=repeats, seed=seed)
    assert galleries.shape == (repeats, len(identities))
    for gallery in galleries:
        assert Counter(identities[gallery].tolist()) == Counter(set(identities.tolist()))


@given(some_identities, seeds)
def test_a_draw_is_that_of_the_definition(identities: Tensor, seed: int) -> None:
    """The slow twin: identities ascending, a number u in [0, 1) for each, its floor(u n)-th row."""
    galleries = drawn_galleries(identities, repeats=3, seed=seed)
    for repeat in range(3):
        kinds = sorted(set(identities.tolist()))
        u = torch.rand(len(kinds), generator=generator_of(seed, repeat), dtype=torch.float64)
        drawn = []
        for number, kind in zip(u.tolist(), kinds, strict=True):
            rows = [row for row, identity in enumerate(identities.tolist()) if identity == kind]
            drawn.append(rows[int(number * len(rows))])
        assert galleries[repeat].nonzero().squeeze(1).tolist() == sorted(drawn)


def test_a_draw_is_the_same_on_every_machine() -> None:
    """Written down once: a change of this line is a change of every VehicleID score."""
    identities = torch.tensor([4, 4, 4, 7, 7, 9, 9, 9, 9])
    galleries = drawn_galleries(identities, repeats=3, seed=0)
    drawn = [gallery.nonzero().squeeze(1).tolist() for gallery in galleries]
    assert drawn == [[0, 4, 8], [1, 4, 8], [0, 4, 7]]


def test_the_draws_at_the_size_of_vehicleid_are_the_same_on_every_machine() -> None:
    """A digest of 10 x 6,493 flags, of 800 identities; written down once, as the draw above."""
    identities = torch.arange(6_493) % 800
    galleries = drawn_galleries(identities, repeats=10, seed=0)
    digest = hashlib.sha256(galleries.numpy().tobytes()).hexdigest()
    assert digest == "70f95fed82d3d6dde6fc42c4e049f7c2ee7265337ad4d1ceefb40c5864e1799b"


def test_draws_differ_by_repeat_and_by_seed_and_earlier_ones_stay() -> None:
    identities = torch.arange(20).repeat_interleave(5)
    first = drawn_galleries(identities, repeats=4, seed=0)
    other = drawn_galleries(identities, repeats=4, seed=1)
    different = {tuple(gallery.tolist()) for gallery in torch.cat([first, other])}
    assert len(different) == 8
    assert torch.equal(drawn_galleries(identities, repeats=2, seed=0), first[:2])


def test_every_picture_is_drawn_about_equally_often() -> None:
    identities = torch.zeros(5, dtype=torch.long)
    times = drawn_galleries(identities, repeats=1000, seed=0).sum(0)
    # 200 expected, with a standard deviation of sqrt(1000 * 0.2 * 0.8) = 12.6.
    assert int(times.min()) > 200 - 4 * 13
    assert int(times.max()) < 200 + 4 * 13


def test_four_pictures_of_two_vehicles_by_hand() -> None:
    """Angles 0 and 50 are vehicle 1, angles 20 and 90 vehicle 2; the nearer angle is nearer.

    Gallery {0, 20}: 50 asks, and 20 (30 away) stands before 0 (50 away), so vehicle 1 is second;
    90 asks, and 20 (70 away) stands before 0 (90 away), so vehicle 2 is first. mAP 3/4, rank-1 1/2.
    Gallery {0, 90}: 50 -> 90 (40 away) before 0 (50 away): second. 20 -> 0 before 90: second.
    mAP 1/2, rank-1 0.
    Gallery {50, 20}: 0 -> 20 before 50: second. 90 -> 50 before 20: second. mAP 1/2, rank-1 0.
    Gallery {50, 90}: 0 -> 50 before 90: first. 20 -> 50 (30) before 90 (70): second. mAP 3/4,
    rank-1 1/2.
    """
    angles = torch.deg2rad(torch.tensor([0.0, 50.0, 20.0, 90.0]))
    features = features_of(torch.stack([angles.cos(), angles.sin()], 1), [1, 1, 2, 2])
    by_hand = {(0, 2): (0.75, 0.5), (0, 3): (0.5, 0.0), (1, 2): (0.5, 0.0), (1, 3): (0.75, 0.5)}

    protocol = replace(VEHICLEID, repeats=30)
    galleries = drawn_galleries(features.identities, repeats=30, seed=0)
    expected = [by_hand[a, b] for a, b in (g.nonzero().squeeze(1).tolist() for g in galleries)]
    repeats = retrieve_repeated(features, protocol)

    assert {tuple(g.nonzero().squeeze(1).tolist()) for g in galleries} == set(by_hand)
    assert [(repeat.mAP, repeat.rank1) for repeat in repeats] == expected
    assert pooled(repeats).mAP == pytest.approx(sum(mAP for mAP, _ in expected) / 30)
    assert pooled(repeats).rank1 == pytest.approx(sum(rank1 for _, rank1 in expected) / 30)


@given(some_identities.filter(lambda i: len(set(i.tolist())) < len(i)), seeds)
def test_a_repeat_is_a_plain_retrieval_of_the_rest_in_the_drawn(
    identities: Tensor, seed: int
) -> None:
    features = noise(identities)
    protocol = replace(VEHICLEID, repeats=3, seed=seed)
    galleries = drawn_galleries(identities, repeats=3, seed=seed)
    for gallery, repeat in zip(galleries, retrieve_repeated(features, protocol), strict=True):
        rest, drawn = (
            Features(features.vectors[rows], identities[rows], features.cameras[rows])
            for rows in (~gallery, gallery)
        )
        plain = retrieve(rest, drawn, protocol)
        assert torch.equal(repeat.average_precision, plain.average_precision)
        assert repeat.query.tolist() == (~gallery).nonzero().squeeze(1).tolist()
        assert torch.equal(repeat.average_precision, 1 / repeat.first.double())
        assert repeat.queries_skipped == 0


@given(some_identities.filter(lambda i: len(set(i.tolist())) < len(i)), seeds, st.integers(1, 4))
def test_the_pooled_score_is_the_mean_over_the_repeats(
    identities: Tensor, seed: int, times: int
) -> None:
    protocol = replace(VEHICLEID, repeats=times, seed=seed)
    repeats = retrieve_repeated(noise(identities), protocol)

    def mean(values: list[float]) -> object:
        return pytest.approx(sum(values) / len(repeats))

    together = pooled(repeats)
    assert together.mAP == mean([repeat.mAP for repeat in repeats])
    assert together.mAP_trapezoid == mean([repeat.mAP_trapezoid for repeat in repeats])
    assert together.mINP == mean([repeat.mINP for repeat in repeats])
    assert together.rank(2) == mean([repeat.rank(2) for repeat in repeats])
    assert len(together.query) == times * (len(identities) - len(set(identities.tolist())))


def test_two_repeats_have_their_mean_and_the_deviation_of_a_population() -> None:
    """Ranks 1, 2 and ranks 2, 4: mAP 3/4 and 3/8; half their distance, 3/16, is the deviation.

    Rank-1 is 1/2 and 0: mean 1/4, deviation 1/4. Trapezoid: rank r gives (1/r + 0) / 2, and rank 1
    gives 1: (1 + 1/4) / 2 = 5/8 and (1/4 + 1/8) / 2 = 3/16; mean 13/32, deviation 7/32.
    """

    def of(*first: int) -> Retrieval:
        rank = torch.tensor(first)
        p = 1 / rank.double()
        return Retrieval(torch.arange(len(rank)), p, torch.where(rank == 1, 1, p / 2), p, rank, 0)

    got = spread([of(1, 2), of(2, 4)])
    assert tuple(got) == METRICS
    assert got == {
        "mAP": Spread(9 / 16, 3 / 16),
        "mAP_trapezoid": Spread(13 / 32, 7 / 32),
        "mINP": Spread(9 / 16, 3 / 16),
        "rank1": Spread(1 / 4, 1 / 4),
        "rank5": Spread(1.0, 0.0),
        "rank10": Spread(1.0, 0.0),
    }
    assert spread([of(2, 4)])["mAP"] == Spread(3 / 8, 0.0)


@given(some_identities.filter(lambda i: len(set(i.tolist())) < len(i)), seeds, st.integers(1, 4))
def test_the_mean_of_the_spread_is_the_pooled_score(
    identities: Tensor, seed: int, times: int
) -> None:
    protocol = replace(VEHICLEID, repeats=times, seed=seed)
    repeats = retrieve_repeated(noise(identities), protocol)
    means = {name: over.mean for name, over in spread(repeats).items()}
    assert means == pytest.approx(metrics_of(pooled(repeats)), rel=1e-12)


def test_galleries_handed_in_are_used_instead_of_drawn_ones() -> None:
    features = noise(torch.arange(6).repeat_interleave(4))
    drawn = drawn_galleries(features.identities, repeats=2, seed=5)
    got = retrieve_repeated(features, VEHICLEID, galleries=drawn)
    expected = retrieve_repeated(features, replace(VEHICLEID, repeats=2, seed=5))
    assert [repeat.mAP for repeat in got] == [repeat.mAP for repeat in expected]


def test_each_repeat_is_re_ranked_by_itself() -> None:
    features = noise(torch.arange(6).repeat_interleave(4))
    galleries = drawn_galleries(features.identities, repeats=10, seed=0)
    reranked = retrieve_repeated(features, VEHICLEID, score=partial(retrieve_reranked, k1=5))
    for gallery, repeat in zip(galleries, reranked, strict=True):
        rest, drawn = (
            Features(features.vectors[rows], features.identities[rows], features.cameras[rows])
            for rows in (~gallery, gallery)
        )
        alone = retrieve_reranked(rest, drawn, VEHICLEID, k1=5)
        assert torch.equal(repeat.average_precision, alone.average_precision)


def test_a_protocol_decides_between_one_score_and_one_per_repeat() -> None:
    query, gallery = (noise(torch.arange(6).repeat_interleave(each)) for each in (1, 3))
    (single,) = evaluated(query, gallery, replace(VEHICLEID, repeats=0))
    assert single.mAP == retrieve(query, gallery, replace(VEHICLEID, repeats=0)).mAP
    both = joined(query, gallery)
    assert both.identities.tolist() == [*query.identities.tolist(), *gallery.identities.tolist()]
    got = evaluated(query, gallery, VEHICLEID)
    assert [repeat.mAP for repeat in got] == [
        repeat.mAP for repeat in retrieve_repeated(both, VEHICLEID)
    ]


def test_a_perfect_network_scores_1_and_a_collapsed_one_stands_last() -> None:
    identities = torch.arange(4).repeat_interleave(3)
    perfect = features_of(torch.eye(4)[identities], identities.tolist())
    collapsed = features_of(torch.ones(12, 2), identities.tolist())
    assert pooled(retrieve_repeated(perfect, VEHICLEID)).mAP == 1
    # Behind the 3 other gallery pictures, all equally near: rank 4.
    assert pooled(retrieve_repeated(collapsed, VEHICLEID)).mAP == 0.25


def test_a_protocol_without_repeats_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"has 0 repeats: 1 or more .* use retrieve for a data set"
    ):
        retrieve_repeated(noise(torch.tensor([1, 1])), Protocol())


def test_identities_of_one_picture_each_leave_no_query() -> None:
    with pytest.raises(ValueError, match="None of the 0 queries has a relevant gallery image"):
        retrieve_repeated(noise(torch.tensor([1, 2, 3])), VEHICLEID)


def test_nothing_has_no_mean() -> None:
    none: tuple[Retrieval, ...] = ()
    for mean in (pooled, spread):
        with pytest.raises(ValueError, match="no repeat to take the mean of"):
            mean(none)
