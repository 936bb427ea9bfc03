"""Re-ranking without a full matrix is the definition, which is full of them.

The definition is written below as it reads, in float64, for vectors whose products are exact, so
that ties are exact too and both sides see the same ones.
"""

from itertools import product
from math import cos, exp, radians, sin
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluators.reciprocal import mutual
from evaluators.rerank import Reranking, retrieve_reranked
from evaluators.retrieval import Features, Retrieval, retrieve
from evaluators.similarity import unit
from reid_data.records import Protocol


def by_definition(
    x: np.ndarray, queries: int, k1: int, k2: int, lambda_value: float
) -> tuple[np.ndarray, np.ndarray]:
    """Jaccard and final distance of the first rows to the others (Zhong et al., CVPR 2017)."""
    n = len(x)
    d = np.maximum(2 - 2 * x @ x.T, 0)  # squared once
    np.fill_diagonal(d, 0)
    largest = d.max(axis=1, keepdims=True)
    d = np.divide(d, largest, out=np.zeros_like(d), where=largest > 0)
    own = np.where(np.eye(n, dtype=bool), -1, d)  # oneself before all others
    by_vector = np.empty(n, dtype=int)
    by_vector[sorted(range(n), key=lambda i: (tuple(x[i]), i))] = np.arange(n)
    first = [next(j for j in range(n) if (x[j] == x[i]).all()) for i in range(n)]
    rank: list[list[int]] = [np.lexsort((by_vector, own[i])).tolist() for i in range(n)]

    def near(p: int, k: int) -> list[int]:
        return rank[p][: k + 1]

    def reciprocal(p: int, k: int) -> set[int]:
        return {g for g in near(p, k) if p in near(g, k)}

    v = np.zeros((n, n))
    for p in range(n):
        r = reciprocal(p, k1)
        star = set(r)
        for q in r:
            half = reciprocal(q, int(np.around(k1 / 2)))
            if 3 * len(r & half) > 2 * len(half):
                star |= half
        for g in star:
            v[p, g] = exp(-d[p, g])
        v[p] /= v[p].sum()
    v = np.stack([v[rank[first[p]][:k2]].mean(axis=0) for p in range(n)])
    jaccard = np.stack(
        [
            1 - np.minimum(v[p], v[queries:]).sum(1) / np.maximum(v[p], v[queries:]).sum(1)
            for p in range(queries)
        ]
    )
    return jaccard, (1 - lambda_value) * jaccard + lambda_value * d[:queries, queries:]


def check(x: Tensor, queries: int, k1: int, k2: int, lambda_value: float, block: int) -> None:
    jaccard, final = by_definition(x.double().numpy(), queries, k1, k2, lambda_value)
    got = Reranking(x[:queries], x[queries:], k1=k1, k2=k2, lambda_value=lambda_value, block=block)
    row = torch.arange(queries)
    overlap = got.overlap(row)
    np.testing.assert_allclose(1 - overlap, jaccard, rtol=0, atol=1e-5)
    assert (overlap >= 0).all()
    assert (overlap <= 1).all()
    distance = (2 - 2 * x[:queries] @ x.T).clamp(min=0)
    distance[row, row] = 0
    m = distance.amax(1, keepdim=True)
    distance[row, row] = torch.inf
    spread = m.squeeze(1) - distance.amin(1) > 1e-5
    similarity = got.similarity(row)
    restored = 1 - lambda_value + 2 / m[spread] * (lambda_value - similarity[spread])
    np.testing.assert_allclose(restored, final[spread.numpy()], rtol=0, atol=1e-5)
    cosine = lambda_value * (x[:queries] @ x[queries:].T)
    torch.testing.assert_close(similarity[~spread], cosine[~spread])


# Lengths and products of these are exact in float32.
HALF = 0.5
DIRECTIONS = [
    *[(float(sign), 0.0, 0.0, 0.0) for sign in (1, -1)],
    *[(0.0, float(sign), 0.0, 0.0) for sign in (1, -1)],
    *[(HALF, b, c, HALF) for b in (HALF, -HALF) for c in (HALF, -HALF)],
    (0.0, 0.0, 0.0, 0.0),
]


@given(
    st.lists(st.sampled_from(DIRECTIONS), min_size=2, max_size=24),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 5),
)
def test_distances_are_those_of_the_definition_where_hardly_anything_but_ties_is(
    vectors: list[tuple[float, ...]],
    queries: int,
    k1: int,
    k2: int,
    lambda_value: float,
    block: int,
) -> None:
    check(torch.tensor(vectors), min(queries, len(vectors) - 1), k1, k2, lambda_value, block)


def clusters(pictures: int, identities: int, seed: int, *, noise: float = 1.4) -> Tensor:
    """Nearly of unit length, on a grid on which all products are exact in float32."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(identities, 48, generator=generator)
    who = torch.arange(pictures) % identities
    x = centre[who] + noise * torch.randn(pictures, 48, generator=generator)
    return (torch.nn.functional.normalize(x) * 1024).round() / 1024


@pytest.mark.parametrize(("k1", "k2", "lambda_value"), [(20, 6, 0.3), (7, 1, 0.0), (3, 8, 0.5)])
def test_distances_are_those_of_the_definition_at_2000_pictures(
    k1: int, k2: int, lambda_value: float
) -> None:
    check(clusters(2000, 150, seed=k1), 100, k1, k2, lambda_value, block=600)


@pytest.mark.data
def test_distances_of_real_features_are_those_of_the_definition(real_data: Path) -> None:
    with np.load(real_data / "pku_sketch" / "pkusketch_50q_100g_512d.npz") as file:
        x = np.concatenate([file["query_f"], file["gallery_f"]])
    check(unit(torch.from_numpy(x)), 50, 20, 6, 0.3, block=64)


@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 2**31))
def test_being_reciprocal_neighbours_is_mutual_and_holds_for_oneself(
    pictures: int, k: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(pictures, pictures, generator=generator).fill_diagonal_(2)
    nearest = order.argsort(descending=True)[:, : k + 1].int()
    sets = [set(members.tolist()) - {pictures} for members in mutual(nearest, k)]
    for p, members in enumerate(sets):
        assert p in members
        assert all(p in sets[g] for g in members)


def on_circle(*degrees: float) -> Tensor:
    return torch.tensor([[cos(radians(a)), sin(radians(a))] for a in degrees])


def test_a_neighbour_of_a_neighbour_overtakes_a_stranger_worked_by_hand() -> None:
    # On a circle: the query q at 0, a at 10 and b at 21 of its identity; on its other side
    # strangers x, y, z at -15, -18, -22, which have each other. k1 = 2, k2 = 1.
    #   N(q, 2) = q a x    N(a, 2) = a q b    N(b, 2) = b a q    N(x, 2) = x y z
    #   R(q, 2) = q a      R(a, 2) = a q b    R(b, 2) = b a      R(x, 2) = x y z
    #   N(q, 1) = q a      N(a, 1) = a q      N(b, 1) = b a
    #   R(q, 1) = q a      R(a, 1) = a q      R(b, 1) = b
    # R*(q) = q a, from itself and R(a, 1); R*(b) = b a, as R(a, 1) = a q shares only 1 of 2.
    # q and b have a in common, q and the strangers nobody.
    def d(angle: float) -> float:
        return 2 - 2 * cos(radians(angle))

    w_qa, w_ba = exp(-d(10) / d(22)), exp(-d(11) / d(43))  # z is the farthest of both
    v_qa, v_ba = w_qa / (1 + w_qa), w_ba / (1 + w_ba)
    # all of V sums to 1, so that the larger ones sum to 2 less what the smaller ones sum to
    jaccard_qb = 1 - min(v_qa, v_ba) / (2 - min(v_qa, v_ba))
    final_b = 0.7 * jaccard_qb + 0.3 * d(21) / d(22)
    final_x = 0.7 * 1 + 0.3 * d(15) / d(22)
    assert (round(final_b, 3), round(final_x, 3)) == (0.772, 0.840)

    x = on_circle(0, 10, 21, -15, -18, -22)
    got = Reranking(x[:1], x[1:], k1=2, k2=1, lambda_value=0.3)
    restored = 0.7 + 2 / d(22) * (0.3 - got.similarity(torch.tensor([0]))[0])
    assert restored[1].item() == pytest.approx(final_b, abs=1e-5)
    assert restored[2].item() == pytest.approx(final_x, abs=1e-5)

    query = Features(x[:1], torch.tensor([1]), torch.tensor([0]))
    gallery = Features(x[1:], torch.tensor([1, 1, 2, 2, 3]), torch.ones(5).long())
    # plain: a x y b z; re-ranked: a b x y z
    assert retrieve(query, gallery).mAP == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert retrieve_reranked(query, gallery, k1=2, k2=1).mAP == pytest.approx(1)


def part(pictures: int, seed: int, *, cameras: int = 3) -> Features:
    """Of the same 30 people for any seed; no two vectors alike."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(30, 32, generator=torch.Generator().manual_seed(0))
    who = torch.randint(0, 30, (pictures,), generator=generator)
    return Features(
        centre[who] + 1.6 * torch.randn(pictures, 32, generator=generator),
        who + 1,
        torch.randint(0, cameras, (pictures,), generator=generator),
    )


def rows(features: Features, chosen: Tensor) -> Features:
    return Features(features.vectors[chosen], features.identities[chosen], features.cameras[chosen])


def joined(one: Features, other: Features) -> Features:
    return Features(
        torch.cat([one.vectors, other.vectors]),
        torch.cat([one.identities, other.identities]),
        torch.cat([one.cameras, other.cameras]),
    )


def renamed(features: Features, identity: int) -> Features:
    return Features(
        features.vectors, torch.full_like(features.identities, identity), features.cameras
    )


def same(got: Retrieval, expected: Retrieval) -> None:
    assert torch.equal(got.query, expected.query)
    assert torch.equal(got.first, expected.first)
    assert torch.equal(got.average_precision, expected.average_precision)
    assert torch.equal(got.trapezoid, expected.trapezoid)
    assert torch.equal(got.inverse_penalty, expected.inverse_penalty)
    assert got.queries_skipped == expected.queries_skipped


QUERY, GALLERY = part(60, 1), part(300, 2)


def test_re_ranking_improves_clusters_and_changes_more_than_nothing() -> None:
    plain, got = retrieve(QUERY, GALLERY), retrieve_reranked(QUERY, GALLERY)
    assert got.mAP > plain.mAP + 0.05
    assert got.mINP > plain.mINP


@pytest.mark.parametrize("k1", [1, 20])
def test_with_lambda_1_the_scores_are_those_of_plain_retrieval(k1: int) -> None:
    same(retrieve_reranked(QUERY, GALLERY, k1=k1, lambda_value=1), retrieve(QUERY, GALLERY))


def test_neither_the_order_of_the_pictures_nor_the_block_nor_the_lengths_matter() -> None:
    expected = retrieve_reranked(QUERY, GALLERY)
    generator = torch.Generator().manual_seed(0)
    asked, searched = (torch.randperm(n, generator=generator) for n in (60, 300))
    for block in (1, 7, 1000):
        same(retrieve_reranked(QUERY, rows(GALLERY, searched), block=block), expected)
    longer = Features(GALLERY.vectors * 4, GALLERY.identities, GALLERY.cameras)
    same(retrieve_reranked(QUERY, longer), expected)
    got = retrieve_reranked(rows(QUERY, asked), GALLERY)
    place = asked[got.query].argsort()
    assert torch.equal(got.first[place], expected.first)
    assert torch.equal(got.average_precision[place], expected.average_precision)


def test_equally_near_pictures_are_told_apart_by_their_vectors_and_not_by_their_order() -> None:
    # 200 different vectors on a coarse grid: neighbourhoods end within ties
    generator = torch.Generator().manual_seed(3)
    x = torch.unique(torch.randint(-1, 2, (600, 7), generator=generator).float(), dim=0)
    x = x[torch.randperm(len(x), generator=generator)][:200]
    gallery = Features(x[30:], torch.arange(170) % 12, torch.ones(170).long())
    query = Features(x[:30], torch.arange(30) % 12, torch.zeros(30).long())
    expected = retrieve_reranked(query, gallery, k1=6, k2=3)
    shuffled = rows(gallery, torch.randperm(170, generator=generator))
    same(retrieve_reranked(query, shuffled, k1=6, k2=3), expected)


def test_junk_and_queries_that_are_never_asked_are_nobodys_neighbours() -> None:
    expected = retrieve_reranked(QUERY, GALLERY)
    junk, nobody = renamed(part(40, 5), -1), renamed(part(40, 6), 0)
    same(retrieve_reranked(QUERY, joined(junk, GALLERY)), expected)
    same(retrieve_reranked(joined(QUERY, junk), GALLERY), expected)
    same(retrieve_reranked(joined(QUERY, nobody), GALLERY), expected)
    got = retrieve_reranked(joined(nobody, QUERY), joined(GALLERY, junk))
    assert torch.equal(got.query, expected.query + 40)
    assert torch.equal(got.average_precision, expected.average_precision)


def test_distractors_of_the_gallery_are_neighbours() -> None:
    protocol = Protocol(distractors=frozenset({0}))
    more = joined(GALLERY, renamed(part(100, 7), 0))
    expected = retrieve_reranked(QUERY, joined(GALLERY, renamed(part(100, 7), 999)), protocol)
    same(retrieve_reranked(QUERY, more, protocol), expected)


@pytest.mark.parametrize("dimensions", [3, 64, 67, 512])
def test_a_collapsed_network_scores_as_if_every_relevant_picture_came_last(
    dimensions: int,
) -> None:
    # some identities, 5 pictures of each: rank_k = irrelevant + k. A neighbourhood would be
    # whoever comes first, which with 4 identities is nearly everybody
    generator = torch.Generator().manual_seed(0)
    for people, vector in product(
        (4, 40), (torch.zeros(dimensions), *torch.randn(3, dimensions, generator=generator))
    ):
        identity = torch.arange(people).repeat_interleave(5) + 1
        gallery = Features(vector.expand(5 * people, -1), identity, torch.zeros(5 * people).long())
        query = Features(vector.expand(people, -1), identity[::5], torch.ones(people).long())
        got = retrieve_reranked(query, gallery)
        irrelevant = 5 * (people - 1)
        expected = sum(k / (irrelevant + k) for k in range(1, 6)) / 5
        assert got.mAP == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 6))
def test_copies_tie_and_the_order_of_rows_changes_nothing(seed: int, k1: int, k2: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    kinds = unit(torch.randn(7, 5, generator=generator))
    asked, searched = (torch.randint(7, (n,), generator=generator) for n in (9, 30))
    got = Reranking(kinds[asked], kinds[searched], k1=k1, k2=k2)
    s = got.similarity(torch.arange(9))
    for one in range(7):
        assert (s[:, searched == one] == s[:, searched == one][:, :1]).all()
        assert (s[asked == one] == s[asked == one][:1]).all()
        overlap = got.overlap((asked == one).nonzero()[:, 0])[:, searched == one]
        torch.testing.assert_close(overlap, torch.ones_like(overlap))  # nothing is nearer
    p, q = (torch.randperm(n, generator=generator) for n in (30, 9))
    shuffled = Reranking(kinds[asked[q]], kinds[searched[p]], k1=k1, k2=k2)
    torch.testing.assert_close(
        shuffled.overlap(torch.arange(9)), got.overlap(q)[:, p], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("queries", [1, 10, 40])
def test_a_network_that_tells_one_picture_from_all_others_scores_as_a_collapsed_one(
    queries: int,
) -> None:
    generator = torch.Generator().manual_seed(0)
    v, other = torch.randn(2, 16, generator=generator)
    identity = torch.cat([torch.arange(40).repeat_interleave(5) + 1, torch.tensor([999])])
    gallery = Features(
        torch.cat([v.expand(200, -1), other[None]]), identity, torch.zeros(201).long()
    )
    query = Features(v.expand(queries, -1), identity[: 5 * queries : 5], torch.ones(queries).long())
    shuffled = rows(gallery, torch.randperm(201, generator=generator))
    # 195 copies carry other identities and tie with the 5 relevant ones: rank_k = 195 + k
    expected = sum(k / (195 + k) for k in range(1, 6)) / 5
    for some in (gallery, shuffled):
        assert retrieve_reranked(query, some).mAP == pytest.approx(expected, rel=1e-12)


def test_fewer_pictures_than_neighbours_are_all_neighbours() -> None:
    query, gallery = part(4, 1), part(9, 2)
    gallery.identities[:4] = query.identities
    rules = Protocol(camera_rule=False)
    same(
        retrieve_reranked(query, gallery, rules, k1=26, k2=13),
        retrieve_reranked(query, gallery, rules, k1=500, k2=700),
    )


def test_half_precision_moves_scores_by_little() -> None:
    expected = retrieve_reranked(QUERY, GALLERY)
    half = Features(GALLERY.vectors.half(), GALLERY.identities, GALLERY.cameras)
    got = retrieve_reranked(Features(QUERY.vectors.half(), QUERY.identities, QUERY.cameras), half)
    assert got.mAP == pytest.approx(expected.mAP, abs=0.01)


def test_the_features_handed_in_are_left_as_they_were() -> None:
    before = QUERY.vectors.clone(), GALLERY.vectors.clone()
    retrieve_reranked(QUERY, GALLERY)
    assert torch.equal(QUERY.vectors, before[0])
    assert torch.equal(GALLERY.vectors, before[1])


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"k1": 0}, "k1 = 0"),
        ({"k2": 0}, "k2 = 0"),
        ({"lambda_value": -0.1}, "lambda = -0.1"),
        ({"lambda_value": 1.1}, r"lambda = 1\.1"),
        ({"lambda_value": float("nan")}, "lambda = nan"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        retrieve_reranked(QUERY, GALLERY, **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["query", "gallery"])
def test_vectors_that_are_not_finite_are_counted_and_named(side: str) -> None:
    sides = {"query": part(20, 1), "gallery": part(50, 2)}
    sides[side].vectors[[3, 11], 2] = float("nan")
    with pytest.raises(ValueError, match=rf"2 of the \d+ {side} vectors are not finite.*rows 3"):
        retrieve_reranked(sides["query"], sides["gallery"])


def test_sides_of_different_networks_are_refused() -> None:
    short = Features(QUERY.vectors[:, :3], QUERY.identities, QUERY.cameras)
    with pytest.raises(ValueError, match="3 dimensions and gallery vectors 32"):
        retrieve_reranked(short, GALLERY)


@pytest.mark.parametrize(
    ("query", "gallery"),
    [
        (QUERY, renamed(GALLERY, 77)),
        (renamed(QUERY, 0), GALLERY),
        (QUERY, renamed(GALLERY, -1)),
        (renamed(QUERY, -1), renamed(GALLERY, -1)),
    ],
)
def test_no_relevant_picture_at_all_is_an_error_before_anything_is_compared(
    query: Features, gallery: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("evaluators.rerank.find_neighbours")
    with pytest.raises(ValueError, match=r"None of the \d+ queries has a relevant"):
        retrieve_reranked(query, gallery)


@pytest.mark.gpu
def test_a_gpu_gives_the_scores_of_a_cpu() -> None:
    expected = retrieve_reranked(QUERY, GALLERY)
    moved = Features(*(x.cuda() for x in (GALLERY.vectors, GALLERY.identities, GALLERY.cameras)))
    got = retrieve_reranked(QUERY, moved)
    assert got.mAP == pytest.approx(expected.mAP, abs=1e-3)
