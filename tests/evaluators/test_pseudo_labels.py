"""Groups are those of DBSCAN's definition, whatever the order of the pictures and of the work.

The definition is written below as it reads, over all pairs.
"""

from math import cos, nextafter, radians, sin

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from evaluators import pseudo_labels as module
from evaluators import sparse_rows
from evaluators.neighbours import find_neighbours
from evaluators.pseudo_labels import Distance, pseudo_labels
from evaluators.reciprocal import encode
from evaluators.similarity import unit


def on_circle(*degrees: float) -> Tensor:
    return torch.tensor([[cos(radians(d)), sin(radians(d))] for d in degrees])


def all_pairs(x: Tensor, distance: Distance, k1: int, k2: int) -> np.ndarray:
    """Distances of different unit vectors in their order, every one of them."""
    if distance == "cosine":
        return np.asarray(1 - x.double() @ x.double().T)
    near = find_neighbours(x, max(k1 + 1, k2), progress=None)
    sparse = encode(x, near, k1=k1)
    v = np.zeros((len(x), len(x)))
    owner, column, value = sparse.entries(torch.arange(len(x)))
    v[owner.numpy(), column.numpy()] = value.numpy()
    v = np.stack([v[near.nearest[p, :k2].numpy()].mean(axis=0) for p in range(len(x))])
    smaller = np.minimum(v[:, None], v[None]).sum(axis=2)
    return np.asarray(1 - smaller / np.maximum(v[:, None], v[None]).sum(axis=2))


def by_definition(d: np.ndarray, copies: list[int], eps: float, min_samples: int) -> list[int]:
    """Cores that reach each other share a group; others join the first group that reaches them."""
    n = len(d)
    near = d <= eps
    np.fill_diagonal(near, val=True)
    core = [sum(copies[q] for q in range(n) if near[p, q]) >= min_samples for p in range(n)]
    label, groups = [-1] * n, 0
    for p in range(n):
        if not core[p] or label[p] >= 0:
            continue
        label[p], reached = groups, [p]
        while reached:
            a = reached.pop()
            for q in range(n):
                if near[a, q] and label[q] < 0:
                    label[q] = groups
                    reached += [q] if core[q] else []
        groups += 1
    return label


def vectors(draw: st.DrawFn) -> Tensor:
    """Few directions, so that there are copies, groups, bridges between them, and loners."""
    count, seed = draw(st.integers(1, 30)), draw(st.integers(0, 10_000))
    g = torch.Generator().manual_seed(seed)
    centre = torch.randn(draw(st.integers(1, 5)), 4, generator=g)
    spread = draw(st.sampled_from([0.0, 0.1, 0.3, 1.0]))
    x = centre[torch.randint(len(centre), (count,), generator=g)]
    x = x + spread * torch.randn(count, 4, generator=g)
    twins = torch.randint(count, (draw(st.integers(0, 6)),), generator=g)
    return torch.cat([x, x[twins]])


cases = st.composite(vectors)()
distances = st.sampled_from(["jaccard", "cosine"])


@given(x=cases, distance=distances, eps=st.floats(0.05, 0.9), least=st.integers(1, 6))
def test_groups_are_those_of_the_definition(
    x: Tensor, distance: Distance, eps: float, least: int
) -> None:
    points, point, copies = torch.unique(unit(x), dim=0, return_inverse=True, return_counts=True)
    d = all_pairs(points, distance, k1=5, k2=3)
    assume(np.abs(d - eps).min() > 1e-5)  # else rounding decides
    expected = torch.tensor(by_definition(d, copies.tolist(), eps, least))
    got = pseudo_labels(x, eps=eps, min_samples=least, distance=distance, k1=5, k2=3)
    assert got.tolist() == expected[point].tolist()


@pytest.mark.parametrize("eps", [i / 50 + 0.003 for i in range(1, 49)])
def test_groups_are_those_of_the_definition_wherever_the_border_lies(eps: float) -> None:
    g = torch.Generator().manual_seed(1)
    x = torch.unique(unit(torch.randn(40, 3, generator=g)), dim=0)
    d = all_pairs(x, "jaccard", k1=6, k2=3)
    got = pseudo_labels(x, eps=eps, min_samples=3, k1=6, k2=3)
    assert got.tolist() == by_definition(d, [1] * len(x), eps, 3)


@pytest.mark.parametrize("eps", [i / 20 + 0.003 for i in range(1, 19)])
def test_a_mean_may_be_of_more_pictures_than_a_neighbourhood_holds(eps: float) -> None:
    """Of 8, where a picture and its k1 others are 4."""
    g = torch.Generator().manual_seed(1)
    x = torch.unique(unit(torch.randn(40, 3, generator=g)), dim=0)
    d = all_pairs(x, "jaccard", k1=3, k2=8)
    got = pseudo_labels(x, eps=eps, min_samples=3, k1=3, k2=8)
    assert got.tolist() == by_definition(d, [1] * len(x), eps, 3)


def test_pictures_exactly_at_the_border_are_near() -> None:
    """Their cosine is (1 + 1 + 1 - 1) / 4 = 1/2 to the last bit, and so is their distance."""
    x = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, -1]])
    for eps, expected in ((0.5, [0, 0]), (nextafter(0.5, 1), [0, 0]), (0.4999, [-1, -1])):
        got = pseudo_labels(x, eps=eps, min_samples=2, distance="cosine")
        assert got.tolist() == expected


def test_groups_worked_out_by_hand() -> None:
    """Near means within 15 degrees, for eps = 1 - cos 15 = 0.0341; three make a core.

    At 10 degrees there are 0, 10 and 20: a core; 0 and 20 have two each and join its group. 90 and
    100 have two each and no core: outliers. 200, 201 and 202 are all cores of the other group.
    In lexicographic order of (cos, sin) 200 comes first (-0.94), so that its group is number 0.
    """
    x = on_circle(0, 10, 20, 90, 100, 200, 201, 202)
    got = pseudo_labels(x, eps=0.0341, min_samples=3, distance="cosine")
    assert got.tolist() == [1, 1, 1, -1, -1, 0, 0, 0]


def test_a_picture_between_two_groups_joins_the_first_and_does_not_join_them() -> None:
    """0 to 9 and 31 to 40 are groups of four; 20 is 11 degrees from either, within 12, no core."""
    x = on_circle(0, 3, 6, 9, 20, 31, 34, 37, 40)
    got = pseudo_labels(x, eps=1 - cos(radians(12)), min_samples=4, distance="cosine").tolist()
    assert got == [1, 1, 1, 1, 0, 0, 0, 0, 0]  # cos 40 < cos 0


@given(groups=st.integers(2, 5), k1=st.integers(3, 8), seed=st.integers(0, 100), distance=distances)
def test_groups_far_apart_are_found(groups: int, k1: int, seed: int, distance: Distance) -> None:
    """As many pictures of each as a neighbourhood holds, around directions at right angles."""
    g = torch.Generator().manual_seed(seed)
    identity = torch.arange(groups).repeat_interleave(k1 + 1)
    x = torch.eye(groups)[identity] + 0.02 * torch.randn(len(identity), groups, generator=g)
    got = pseudo_labels(x, eps=0.5, min_samples=4, distance=distance, k1=k1, k2=3)
    number = [sorted(set(got[identity == i].tolist())) for i in range(groups)]
    assert sorted(number) == [[i] for i in range(groups)]


def test_fewer_pictures_than_a_core_needs_are_outliers() -> None:
    x = torch.eye(3).repeat_interleave(torch.tensor([4, 3, 1]), dim=0)
    got = pseudo_labels(x, eps=0.5, min_samples=4, distance="cosine")
    assert got.tolist() == [0, 0, 0, 0, -1, -1, -1, -1]


@pytest.mark.parametrize("distance", ["jaccard", "cosine"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_pictures_that_are_all_equal_are_one_group_if_they_are_enough(
    distance: Distance, value: float
) -> None:
    x = torch.full((6, 3), value)
    assert pseudo_labels(x, min_samples=6, distance=distance).tolist() == [0] * 6
    assert pseudo_labels(x, min_samples=7, distance=distance).tolist() == [-1] * 6


@given(x=cases, distance=distances, seed=st.integers(0, 100))
def test_the_order_of_pictures_changes_neither_groups_nor_numbers(
    x: Tensor, distance: Distance, seed: int
) -> None:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    kwargs = {"eps": 0.4, "min_samples": 3, "k1": 5, "k2": 3}
    got = pseudo_labels(x, distance=distance, **kwargs)  # type: ignore[arg-type]
    again = pseudo_labels(x[order], distance=distance, **kwargs)  # type: ignore[arg-type]
    assert again.tolist() == got[order].tolist()


@given(x=cases, distance=distances)
def test_copies_share_a_label_and_lengths_do_not_count(x: Tensor, distance: Distance) -> None:
    got = pseudo_labels(x, eps=0.4, distance=distance, k1=5, k2=3)
    twice = pseudo_labels(torch.cat([x, 4 * x]), eps=0.4, distance=distance, k1=5, k2=3)
    assert twice[: len(x)].tolist() == twice[len(x) :].tolist()
    assert bool((twice[: len(x)][got >= 0] >= 0).all())  # twice as many are near


@pytest.mark.parametrize("distance", ["jaccard", "cosine"])
def test_the_size_of_blocks_changes_nothing(
    distance: Distance, monkeypatch: pytest.MonkeyPatch
) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.eye(6)[torch.arange(60) % 6] + 0.25 * torch.randn(60, 6, generator=g)
    settings = {"eps": 0.2, "k1": 6, "k2": 3}
    whole = pseudo_labels(x, distance=distance, **settings)  # type: ignore[arg-type]
    assert 2 < len(set(whole.tolist())) < 30
    monkeypatch.setattr(module, "BLOCK_CELLS", 130)
    monkeypatch.setattr(sparse_rows, "_PAIRS", 7)
    again = pseudo_labels(x, distance=distance, **settings)  # type: ignore[arg-type]
    assert torch.equal(again, whole)


def test_more_near_pairs_than_memory_is_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    x = on_circle(*range(20))
    monkeypatch.setattr(module, "_MOST_PAIRS", 400)
    assert pseudo_labels(x, eps=0.9, distance="cosine").tolist() == [0] * 20
    monkeypatch.setattr(module, "_MOST_PAIRS", 399)
    with pytest.raises(ValueError, match=r"More than 399 pairs of the 20 .* lower eps"):
        pseudo_labels(x, eps=0.9, distance="cosine")


@pytest.mark.parametrize(
    "settings",
    [{"eps": 0.0}, {"eps": 1.0}, {"min_samples": 0}, {"k1": 0}, {"k2": 0}, {"distance": "none"}],
)
def test_settings_out_of_their_range_are_refused_in_a_sentence(settings: dict[str, float]) -> None:
    usual = {"eps": 0.6, "min_samples": 4, "k1": 30, "k2": 6, "distance": "jaccard"}
    with pytest.raises(ValueError, match=r"^Pictures were to be grouped .*\.$"):
        module.check_settings(**(usual | settings))  # type: ignore[arg-type]


def test_what_holds_no_pictures_or_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one vector"):
        pseudo_labels(torch.empty(0, 3))
    with pytest.raises(ValueError, match="not finite"):
        pseudo_labels(torch.tensor([[1.0, torch.nan]]))
