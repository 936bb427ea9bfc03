"""The nearest are those of a full sort: oneself, then by similarity, equal ones by row number."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluators.neighbours import find_neighbours

# Lengths and products of these are exact, so that ties are exact, and frequent.
AXES = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]]
CORNERS = [[0.5, 0.5, 0.5, 0.5], [-0.5, 0.5, 0.5, 0.5]]
DIRECTIONS = torch.tensor([*AXES, *CORNERS, [0.0, 0.0, 0.0, 0.0]])


def sorted_out(unit: Tensor, count: int) -> list[list[int]]:
    s = (unit @ unit.T).tolist()
    rows = range(len(s))
    return [sorted(rows, key=lambda j: (j != i, -s[i][j], j))[:count] for i in rows]


@given(
    st.integers(1, 200).flatmap(
        lambda size: st.lists(st.integers(0, 5), min_size=size, max_size=size)
    ),
    st.integers(1, 30),
    st.one_of(st.none(), st.integers(1, 7)),
)
def test_the_nearest_are_those_of_a_full_sort(
    kinds: list[int], count: int, block: int | None
) -> None:
    unit = DIRECTIONS[torch.tensor(kinds)]
    got = find_neighbours(unit, count, block=block, progress=None)
    assert got.nearest.tolist() == sorted_out(unit, count)
    distance = (2 - 2 * unit @ unit.T).fill_diagonal_(0)
    assert got.farthest.tolist() == distance.amax(1).tolist()
    others = distance.fill_diagonal_(torch.inf).amin(1).minimum(got.farthest)
    assert got.spread.tolist() == (got.farthest - others).tolist()


@pytest.mark.parametrize("size", [63, 64, 65, 640, 1000])
@pytest.mark.parametrize("dimensions", [3, 40])
def test_pictures_at_the_ends_of_chunks_are_found(size: int, dimensions: int) -> None:
    x = torch.randn(size, dimensions, generator=torch.Generator().manual_seed(size))
    x = (torch.nn.functional.normalize(x) * 512).round() / 512  # products are exact
    got = find_neighbours(x, 21, progress=None)
    assert got.nearest.tolist() == sorted_out(x, 21)


def test_a_picture_is_its_own_nearest_even_without_a_direction() -> None:
    got = find_neighbours(torch.zeros(70, 4), 3, progress=None)
    assert got.nearest[:, 0].tolist() == list(range(70))
    assert got.nearest[69].tolist() == [69, 0, 1]
    assert got.farthest.tolist() == [2.0] * 70
