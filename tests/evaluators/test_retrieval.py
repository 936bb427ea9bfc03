"""Retrieval scores are those of the definition, whatever the order, the block or the ties.

The definition is written below for one query at a time, with plain lists. It ranks by the very same
cosines: features are drawn from 24 vectors (the corners of the 24-cell, and 0) whose lengths and
products are exact in float32, so that ties are exact and frequent.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators import retrieval
from evaluators.retrieval import (
    MARKET_RULES,
    Features,
    Retrieval,
    retrieve,
    retrieve_blocks,
    retrieve_within,
)
from evaluators.similarity import unit
from reid_data.records import Protocol

AXES = [
    tuple(sign * (axis == place) for place in range(4)) for axis in range(4) for sign in (1, -1)
]
CORNERS = list(product((1, -1), repeat=4))
DIRECTIONS = [*AXES, *CORNERS, (0, 0, 0, 0)]

Picture = tuple[tuple[int, ...], int, int]
"""Vector, identity, camera."""

few = st.sampled_from([*AXES[:2], *CORNERS[:2]])  # of four directions: hardly anything but ties
many = st.sampled_from(DIRECTIONS)
identities = st.integers(-1, 3)
cameras = st.integers(0, 2)
parts = st.one_of(
    *(st.lists(st.tuples(v, identities, cameras), min_size=1, max_size=12) for v in (few, many))
)


def features(pictures: Sequence[Picture]) -> Features:
    vectors, identity, camera = zip(*pictures, strict=True)
    return Features(
        torch.tensor(vectors, dtype=torch.float32), torch.tensor(identity), torch.tensor(camera)
    )


def cosine(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    length = (sum(x * x for x in a) * sum(x * x for x in b)) ** 0.5
    return sum(x * y for x, y in zip(a, b, strict=True)) / (length or 1)


def ranks_by_definition(query: Picture, gallery: Sequence[Picture], camera_rule: bool) -> list[int]:
    """Sort what is not left out, the irrelevant first among equals; where are the relevant?"""
    vector, identity, camera = query
    ranking = sorted(
        (-cosine(vector, v), i == identity)
        for v, i, c in gallery
        if not (camera_rule and i == identity and c == camera)
    )
    return [rank for rank, (_, relevant) in enumerate(ranking, start=1) if relevant]


Scores = tuple[list[int], list[float], list[float], list[float], list[int]]


def by_definition(
    query: Sequence[Picture], galleries: Sequence[Sequence[Picture]], camera_rule: bool
) -> Scores:
    """The five lists of a ``Retrieval``; every query has a gallery of its own."""
    scores: Scores = ([], [], [], [], [])
    for index, (asked, gallery) in enumerate(zip(query, galleries, strict=True)):
        ranks = ranks_by_definition(asked, gallery, camera_rule)
        if not ranks:
            continue
        precision = [k / rank for k, rank in enumerate(ranks, start=1)]
        before = [
            (k - 1) / (rank - 1) if rank > 1 else 1.0 for k, rank in enumerate(ranks, start=1)
        ]
        scores[0].append(index)
        scores[1].append(sum(precision) / len(ranks))
        scores[2].append((sum(precision) + sum(before)) / 2 / len(ranks))
        scores[3].append(len(ranks) / ranks[-1])
        scores[4].append(ranks[0])
    return scores


def columns(retrieval: Retrieval) -> Scores:
    query, first = retrieval.query.tolist(), retrieval.first.tolist()
    precision, trapezoid = retrieval.average_precision.tolist(), retrieval.trapezoid.tolist()
    return query, precision, trapezoid, retrieval.inverse_penalty.tolist(), first


def same(got: Retrieval, expected: Retrieval) -> None:
    check(got, columns(expected), len(expected.query) + expected.queries_skipped)


def check(got: Retrieval, expected: Scores, queries: int) -> None:
    for column, wanted in zip(columns(got), expected, strict=True):
        assert column == pytest.approx(wanted, rel=1e-12)
    assert got.queries_skipped == queries - len(expected[0])


@given(parts, parts, st.booleans(), st.one_of(st.none(), st.integers(1, 5)))
def test_scores_are_those_of_the_definition(
    query: list[Picture], gallery: list[Picture], camera_rule: bool, block: int | None
) -> None:
    asked = [index for index, (_, identity, _) in enumerate(query) if identity > 0]
    searched = [picture for picture in gallery if picture[1] != -1]
    kept = [query[index] for index in asked]
    expected = by_definition(kept, [searched] * len(kept), camera_rule)
    protocol = Protocol(camera_rule=camera_rule)
    if not expected[0]:
        with pytest.raises(ValueError, match=f"None of the {len(asked)} queries has a relevant"):
            retrieve(features(query), features(gallery), protocol, block=block)
    else:
        got = retrieve(features(query), features(gallery), protocol, block=block)
        evaluated = [asked[place] for place in expected[0]]
        check(got, (evaluated, *expected[1:]), len(asked))


@given(parts, st.booleans(), st.one_of(st.none(), st.integers(1, 5)))
def test_within_one_part_every_picture_asks_for_all_the_others(
    pictures: list[Picture], camera_rule: bool, block: int | None
) -> None:
    others = [pictures[:index] + pictures[index + 1 :] for index in range(len(pictures))]
    expected = by_definition(pictures, others, camera_rule)
    if not expected[0]:
        with pytest.raises(ValueError, match="has a relevant gallery image"):
            retrieve_within(features(pictures), camera_rule=camera_rule, block=block)
    else:
        got = retrieve_within(features(pictures), camera_rule=camera_rule, block=block)
        check(got, expected, len(pictures))


A, B, C, D = (1, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 0), (-1, 0, 0, 0)
"""Cosines with ``A``: 1, 1/2, 0, -1."""


def test_one_query_worked_by_hand() -> None:
    # identity 5, camera 0, looks along A; the gallery from near to far:
    #   A: its own camera, left out;  A: junk, left out
    #   A: relevant                           rank 1
    #   B: a distractor and B: relevant, tied: the relevant one stands behind, rank 3
    #   C: another identity, same camera      (rank 4)
    #   D: relevant                           rank 5
    gallery = [(A, 5, 0), (A, -1, 1), (A, 5, 1), (B, 5, 2), (B, 0, 1), (C, 6, 0), (D, 5, 1)]
    got = retrieve(features([(A, 5, 0)]), features(gallery))
    assert got.mAP == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)
    assert got.mAP_trapezoid == pytest.approx(
        ((1 / 1 + 1) / 2 + (2 / 3 + 1 / 2) / 2 + (3 / 5 + 2 / 4) / 2) / 3
    )
    assert got.mINP == pytest.approx(3 / 5)
    assert (got.rank1, got.rank5, got.rank10) == (1.0, 1.0, 1.0)
    assert got.first.tolist() == [1]
    assert got.queries_skipped == 0


def test_rank_k_counts_the_queries_that_are_answered_within_k() -> None:
    # three queries along A; behind 0, 1 and 5 nearer pictures of somebody else
    query = [(A, 1, 0), (A, 2, 0), (A, 3, 0)]
    gallery = [(A, 1, 1), (B, 2, 1), (D, 3, 1), *[(C, 4, 1)] * 3]
    got = retrieve(features(query), features(gallery))
    assert got.first.tolist() == [1, 2, 6]
    assert (got.rank(1), got.rank(2), got.rank5, got.rank(6)) == (1 / 3, 2 / 3, 2 / 3, 1.0)


@pytest.mark.parametrize("vector", [(3.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1e30, -1e30, 0.1)])
def test_a_collapsed_network_scores_as_if_every_relevant_picture_came_last(
    vector: tuple[float, float, float],
) -> None:
    # 4 identities, 5 pictures each in the gallery: 15 irrelevant ones stand in front, so
    # rank_k = 15 + k. 1003 identities make products long enough to be rounded by place.
    for people, each in ((4, 5), (1003, 2)):
        identity = torch.arange(people).repeat_interleave(each) + 1
        gallery = Features(
            torch.tensor(vector).expand(len(identity), 3), identity, torch.zeros_like(identity)
        )
        query = Features(
            gallery.vectors[::each], identity[::each], torch.ones_like(identity[::each])
        )
        got = retrieve(query, gallery)
        irrelevant = len(identity) - each
        assert got.mAP == pytest.approx(
            sum(k / (irrelevant + k) for k in range(1, each + 1)) / each, rel=1e-12
        )
        assert got.mINP == pytest.approx(each / len(identity), rel=1e-12)
        assert got.rank10 == 0.0


def random_features(count: int, seed: int) -> Features:
    """Of the exact directions, at lengths that are powers of two."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.tensor(DIRECTIONS, dtype=torch.float32)
    lengths = 2.0 ** torch.randint(-3, 4, (count, 1), generator=generator)
    return Features(
        directions[torch.randint(0, len(directions), (count,), generator=generator)] * lengths,
        torch.randint(-1, 9, (count,), generator=generator),
        torch.randint(0, 3, (count,), generator=generator),
    )


def chosen(features: Features, rows: torch.Tensor) -> Features:
    return Features(features.vectors[rows], features.identities[rows], features.cameras[rows])


def joined(*parts: Features) -> Features:
    return Features(
        *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Features))
    )


def with_identity(features: Features, identity: int) -> Features:
    return Features(
        features.vectors, torch.full_like(features.identities, identity), features.cameras
    )


def test_copies_of_a_picture_tie_wherever_they_lie_in_the_gallery() -> None:
    # a matrix product rounds equal rows differently by their place; the relevant copy must
    # stand behind the irrelevant ones in every one of these places
    vectors = torch.randn(64, 67, generator=torch.Generator().manual_seed(1))
    query = Features(vectors, torch.ones(64).long(), torch.zeros(64).long())
    for size in (5, 17, 1003):
        rows = vectors[:1].expand(size, 67)
        for place in (0, size // 2, size - 1):
            identity = torch.full((size,), 2)
            identity[place] = 1
            got = retrieve(query, Features(rows, identity, torch.ones(size).long()), block=13)
            assert got.first.tolist() == [size] * 64


@pytest.mark.parametrize("seed", range(3))
def test_order_block_and_length_of_the_features_do_not_matter(seed: int) -> None:
    query, gallery = random_features(83, seed), random_features(307, seed + 100)
    expected = retrieve(query, gallery)
    generator = torch.Generator().manual_seed(seed)
    asked = torch.randperm(83, generator=generator)
    shuffled = chosen(gallery, torch.randperm(307, generator=generator))
    for block in (1, 7, 83, 1000):
        same(retrieve(query, shuffled, block=block), expected)
    longer = Features(gallery.vectors * 3, gallery.identities, gallery.cameras)
    same(retrieve(query, longer), expected)
    got = retrieve(chosen(query, asked), gallery)
    place = asked[got.query].argsort()
    assert torch.equal(asked[got.query][place], expected.query)
    assert torch.equal(got.first[place], expected.first)
    torch.testing.assert_close(got.average_precision[place], expected.average_precision)


@given(parts, parts, parts)
def test_junk_changes_nothing(
    query: list[Picture], gallery: list[Picture], more: list[Picture]
) -> None:
    junk = [(vector, -1, camera) for vector, _, camera in more]
    query, gallery = [*query, (A, 1, 0)], [*gallery, (B, 1, 1)]  # so that there is a score
    without = retrieve(features(query), features(gallery))
    assert columns(retrieve(features(query), features(gallery + junk))) == columns(without)
    got = retrieve(features(query + junk), features(gallery))
    assert columns(got) == columns(without)
    assert got.queries_skipped == without.queries_skipped


@given(parts, parts, parts)
def test_a_distractor_never_raises_a_score_and_never_asks(
    query: list[Picture], gallery: list[Picture], more: list[Picture]
) -> None:
    distractors = [(vector, 0, camera) for vector, _, camera in more]
    query, gallery = [*query, (A, 1, 0)], [*gallery, (B, 1, 1)]
    without = retrieve(features(query), features(gallery))
    got = retrieve(features(query + distractors), features(gallery + distractors))
    assert torch.equal(got.query, without.query)
    assert (got.average_precision <= without.average_precision).all()
    assert (got.trapezoid <= without.trapezoid).all()
    assert (got.inverse_penalty <= without.inverse_penalty).all()
    assert (got.first >= without.first).all()


@pytest.mark.parametrize(
    ("dtype", "length"), [(torch.half, 1), (torch.bfloat16, 1), (torch.double, 1e300)]
)
def test_any_float_type_is_accepted_and_products_are_float32(
    dtype: torch.dtype, length: float
) -> None:
    query, gallery = random_features(40, 5), random_features(90, 6)
    other = Features(query.vectors.to(dtype) * length, query.identities, query.cameras)
    with torch.autocast("cpu", torch.bfloat16):
        assert columns(retrieve(other, gallery)) == columns(retrieve(query, gallery))
        # these two cosines are equal in bfloat16 and differ in float32
        angle = torch.tensor([0.5, 0.5001])
        close = Features(
            torch.stack([angle.cos(), angle.sin()], 1), torch.tensor([1, 2]), torch.tensor([1, 1])
        )
        asked = Features(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), torch.tensor([0]))
        assert retrieve(asked, close).rank1 == 1.0


def test_the_features_handed_in_are_left_as_they_were() -> None:
    query, gallery = random_features(20, 7), random_features(50, 8)
    before = query.vectors.clone(), gallery.vectors.clone()
    retrieve(query, gallery)
    assert torch.equal(query.vectors, before[0])
    assert torch.equal(gallery.vectors, before[1])


def test_within_one_part_vectors_that_are_not_finite_are_counted_and_named() -> None:
    held_out = random_features(20, 7)
    held_out.vectors[13, 0] = float("nan")
    with pytest.raises(
        ValueError, match=r"1 of the 20 held-out vectors are not finite.*in rows 13 "
    ):
        retrieve_within(held_out)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("side", ["query", "gallery"])
def test_vectors_that_are_not_finite_are_counted_and_named(wrong: float, side: str) -> None:
    sides = {"query": random_features(20, 7), "gallery": random_features(50, 8)}
    sides[side].vectors[[3, 11], 2] = wrong
    with pytest.raises(
        ValueError, match=rf"2 of the \d+ {side} vectors are not finite.*in rows 3, 11 "
    ):
        retrieve(sides["query"], sides["gallery"])


def test_sides_of_different_networks_are_refused() -> None:
    short = random_features(20, 7)
    short = Features(short.vectors[:, :3], short.identities, short.cameras)
    with pytest.raises(ValueError, match="3 dimensions and gallery vectors 4"):
        retrieve(short, random_features(20, 8))


@pytest.fixture
def shapes_unchecked() -> Iterator[None]:
    """As for users, to whom the annotations are words."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("shapes_unchecked")
def test_every_vector_needs_an_identity_and_a_camera() -> None:
    whole = random_features(5, 9)
    with pytest.raises(ValueError, match="5 vectors, 4 identities and 5 cameras"):
        Features(whole.vectors, whole.identities[:4], whole.cameras)


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize("dtype", [torch.long, torch.uint8, torch.bool])
def test_vectors_that_are_not_floating_point_are_refused(dtype: torch.dtype) -> None:
    whole = random_features(5, 9)
    with pytest.raises(ValueError, match=f"The vectors are of type {dtype} and a floating point"):
        Features(whole.vectors.to(dtype), whole.identities, whole.cameras)


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize("dtype", [torch.float, torch.bool, torch.uint8])
def test_identities_and_cameras_that_are_no_signed_integers_are_refused(dtype: torch.dtype) -> None:
    whole = random_features(5, 9)
    with pytest.raises(ValueError, match=f"The identities are of type {dtype}"):
        Features(whole.vectors, whole.identities.to(dtype), whole.cameras)
    with pytest.raises(ValueError, match=f"The cameras are of type {dtype}"):
        Features(whole.vectors, whole.identities, whole.cameras.to(dtype))


def real_features(count: int, seed: int, dimensions: int = 67) -> Features:
    """Of no exact direction; an identity's pictures are nearer to each other than to others."""
    generator = torch.Generator().manual_seed(seed)
    identity = torch.randint(-1, 30, (count,), generator=generator)
    centres = torch.randn(31, dimensions, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(count, dimensions, generator=generator)
    return Features(
        centres[identity + 1] + 2 * noise,
        identity,
        torch.randint(0, 3, (count,), generator=generator),
    )


@pytest.mark.parametrize("seed", range(3))
def test_real_vectors_have_the_same_scores_in_any_order_and_block(seed: int) -> None:
    query, gallery = real_features(150, seed), real_features(700, seed + 100)
    expected = retrieve(query, gallery)
    generator = torch.Generator().manual_seed(seed)
    shuffled = chosen(gallery, torch.randperm(700, generator=generator))
    for block in (1, 2, 16, 33, 1000):
        same(retrieve(query, shuffled, block=block), expected)
    asked = torch.randperm(150, generator=generator)
    got = retrieve(chosen(query, asked), shuffled)
    place = asked[got.query].argsort()
    assert torch.equal(asked[got.query][place], expected.query)
    assert torch.equal(got.average_precision[place], expected.average_precision)
    assert torch.equal(got.trapezoid[place], expected.trapezoid)
    assert torch.equal(got.inverse_penalty[place], expected.inverse_penalty)


@pytest.mark.parametrize("seed", range(3))
def test_junk_among_real_vectors_changes_nothing_wherever_it_lies(seed: int) -> None:
    query, gallery = real_features(90, seed), real_features(300, seed + 100)
    junk = with_identity(chosen(query, torch.arange(90)), -1)  # the nearest there can be
    mixed = joined(gallery, junk)
    order = torch.randperm(390, generator=torch.Generator().manual_seed(seed))
    assert columns(retrieve(query, chosen(mixed, order))) == columns(retrieve(query, gallery))
    got = retrieve(joined(query, junk), gallery)
    assert columns(got) == columns(retrieve(query, gallery))
    assert got.queries_skipped == retrieve(query, gallery).queries_skipped


def precision_where_relevant_ones_are_less_similar(
    query: Features, gallery: Features, by: float
) -> torch.Tensor:
    """Average precision, of a query after the other, in float64."""
    cosine = (unit(query.vectors).double() @ unit(gallery.vectors).double().T).tolist()
    identities, cameras = gallery.identities.tolist(), gallery.cameras.tolist()
    scores = []
    for row, i, k in zip(cosine, query.identities.tolist(), query.cameras.tolist(), strict=True):
        relevant, irrelevant = [], []
        for value, other, camera in zip(row, identities, cameras, strict=True):
            if other == i and camera != k:
                relevant.append(value - by)
            elif other not in (i, -1):
                irrelevant.append(value)
        relevant.sort(reverse=True)
        ranks = [
            k + sum(value >= least for value in irrelevant)
            for k, least in enumerate(relevant, start=1)
        ]
        if i > 0 and ranks:
            scores.append(sum(k / rank for k, rank in enumerate(ranks, 1)) / len(ranks))
    return torch.tensor(scores, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
def test_float16_scores_as_if_no_cosine_had_moved_by_more_than_a_thousandth(seed: int) -> None:
    # either cosine of a pair may move by 2 ** -10, so that two may come nearer by 2 ** -9
    query, gallery = real_features(60, seed), real_features(300, seed + 100)
    half = Features(gallery.vectors.half(), gallery.identities, gallery.cameras)
    asked = Features(query.vectors.half(), query.identities, query.cameras)
    got = retrieve(asked, half).average_precision
    least, exact, most = (
        precision_where_relevant_ones_are_less_similar(query, gallery, by)
        for by in (2**-9, 0, -(2**-9))
    )
    assert (got >= least - 1e-12).all()
    assert (got <= most + 1e-12).all()
    torch.testing.assert_close(retrieve(query, gallery).average_precision, exact)


@pytest.mark.gpu
def test_a_cuda_device_gives_the_same_scores() -> None:
    query, gallery = random_features(83, 1), random_features(307, 2)
    there = [
        Features(f.vectors.cuda(), f.identities.cuda(), f.cameras.cuda()) for f in (query, gallery)
    ]
    for block in (None, 7):
        got = retrieve(there[0], there[1], block=block)
        assert got.query.is_cuda
        same(got, retrieve(query, gallery))
        same(retrieve(query, there[1], block=block), got)  # the gallery's device does the work


def blocks_of(
    query: Features, gallery: Features, seen: list[list[int]]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The cosines, of which only the order is left; notes which rows it was asked for."""
    cosine = unit(query.vectors) @ unit(gallery.vectors).T

    def similarity(rows: torch.Tensor) -> torch.Tensor:
        seen.append(rows.tolist())
        return (cosine[rows] - 3) ** 3

    return similarity


@given(parts, parts, st.booleans(), st.integers(1, 5))
def test_any_similarity_is_scored_by_its_order_and_asked_in_blocks(
    query: list[Picture], gallery: list[Picture], camera_rule: bool, block: int
) -> None:
    sides = features([*query, (A, 1, 0)]), features([*gallery, (B, 1, 1)])
    protocol, seen = Protocol(camera_rule=camera_rule), list[list[int]]()
    got = retrieve_blocks(*sides, protocol, blocks_of(*sides, seen), block=block)
    assert columns(got) == columns(retrieve(*sides, protocol))
    assert [row for rows in seen for row in rows] == got.query.tolist()
    assert max(len(rows) for rows in seen) <= block


def test_a_block_nobody_chose_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery = random_features(83, 1), random_features(100, 2)
    monkeypatch.setattr(retrieval, "BLOCK_CELLS", 750)
    seen: list[list[int]] = []
    got = retrieve_blocks(query, gallery, MARKET_RULES, blocks_of(query, gallery, seen))
    assert max(len(rows) for rows in seen) == 750 // 100
    monkeypatch.setattr(retrieval, "BLOCK_CELLS", 1)
    same(retrieve(query, gallery), got)


def test_a_bar_counts_every_query_that_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = random_features(100, 2)
    nowhere = with_identity(random_features(5, 3), 99)  # looks for nothing, and counts as done
    query = joined(random_features(83, 1), nowhere)
    bars: list[tuple[str | None, int, list[int]]] = []

    class Bar:
        def __init__(self, *, total: int, desc: str | None, unit: str) -> None:
            bars.append((desc, total, []))

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *failure: object) -> None:
            pass

        def update(self, done: int) -> None:
            bars[-1][2].append(done)

    monkeypatch.setattr(retrieval, "bar", Bar)
    retrieve(query, gallery, block=10, progress="scoring")
    retrieve_within(query)
    may_ask = int((query.identities > 0).sum())
    assert [(desc, total, sum(done)) for desc, total, done in bars] == [
        ("scoring", may_ask, may_ask),
        (None, 88, 88),
    ]


@pytest.mark.data
def test_features_of_a_published_model_have_their_known_scores(real_data: Path) -> None:
    # they come with unit length, so that making them unit length leaves them as they are
    with np.load(real_data / "pku_sketch" / "pkusketch_50q_100g_512d.npz") as file:
        query, gallery = (
            Features(*(torch.from_numpy(file[f"{part}_{what}"]) for what in ("f", "label", "cam")))
            for part in ("query", "gallery")
        )
    got = retrieve(query, gallery)
    assert (got.rank1, got.rank5, got.rank10) == (0.14, 0.36, 0.48)
    assert got.mAP_trapezoid == pytest.approx(0.1779997, abs=5e-8)
    assert got.mAP == pytest.approx(0.2171366, abs=5e-8)
    assert got.mINP == pytest.approx(0.1875606, abs=5e-8)


def test_queries_that_never_ask_are_counted_and_named_where_none_is_left() -> None:
    v, camera = torch.eye(3), torch.tensor([0, 0, 0])
    gallery = Features(v, torch.tensor([0, 5, 7]), camera + 1)
    got = retrieve(Features(v, torch.tensor([0, 5, -1]), camera), gallery)
    assert (got.queries_left_out, got.queries_skipped, len(got.query)) == (2, 0, 1)
    message = (
        r"None of the 0 queries .* \(3 more are junk or distractors, of identity -1, 0\).*none"
    )
    with pytest.raises(ValueError, match=message):
        retrieve(Features(v, torch.tensor([0, 0, 0]), camera), gallery)


def test_the_camera_rule_is_named_only_where_there_is_one() -> None:
    query, gallery = (Features(torch.eye(1), torch.tensor([i]), torch.tensor([0])) for i in (1, 2))
    with pytest.raises(ValueError, match="camera_rule=False, or --protocol none"):
        retrieve(query, gallery)
    with pytest.raises(ValueError, match=r"share identities\.$"):
        retrieve(query, gallery, Protocol(camera_rule=False))


def test_blocks_and_sides_of_nothing_are_refused() -> None:
    v, i = torch.eye(2), torch.tensor([1, 2])
    some = Features(v, i, i)
    for block in (0, -1):
        with pytest.raises(ValueError, match=f"A block of {block} queries"):
            retrieve(some, some, block=block)
    with pytest.raises(ValueError, match="2 gallery vectors of 0 dimensions"):
        retrieve(Features(v[:, :0], i, i), Features(v[:, :0], i, i))
    with pytest.raises(ValueError, match="0 gallery vectors of 2 dimensions"):
        retrieve(some, Features(v[:0], i[:0], i[:0]))


def test_a_junk_number_need_not_fit_the_type_of_the_identities() -> None:
    i = torch.tensor([44, 1], dtype=torch.int8)  # 300 - 256 = 44
    query, gallery = (Features(torch.eye(2), i, torch.full((2,), c)) for c in (0, 1))
    found = retrieve(query, gallery, Protocol(junk=frozenset({300})))
    assert found.queries_left_out == 0
