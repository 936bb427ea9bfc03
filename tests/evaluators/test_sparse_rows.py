"""Rows kept by their entries are the rows of the full matrix: turned over, averaged, compared."""

from unittest.mock import patch

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluators import sparse_rows
from evaluators.sparse_rows import SparseRows, spans

seeds = st.integers(0, 2**31)
sizes = st.integers(1, 12)


def matrix(size: int, seed: int) -> Tensor:
    """Square, with empty rows and columns among the others."""
    generator = torch.Generator().manual_seed(seed)
    full = torch.rand(size, size, generator=generator)
    return full * (torch.rand(size, size, generator=generator) < 0.3)


def sparse(full: Tensor) -> SparseRows:
    entry = full.nonzero()
    return SparseRows.of([((full > 0).sum(1), entry[:, 1], full[full > 0])])


def dense(rows: SparseRows) -> Tensor:
    size = len(rows.start) - 1
    full = torch.zeros(size, size)
    owner, column, value = rows.entries(torch.arange(size))
    full[owner, column] = value
    return full


@given(sizes, seeds)
def test_the_entries_are_those_of_the_matrix(size: int, seed: int) -> None:
    full = matrix(size, seed)
    assert torch.equal(dense(sparse(full)), full)


@given(sizes, seeds)
def test_turned_over_it_is_the_transpose_of_the_rows_kept(size: int, seed: int) -> None:
    full = matrix(size, seed)
    kept = torch.rand(size, generator=torch.Generator().manual_seed(seed)) < 0.5
    assert torch.equal(dense(sparse(full).transposed(kept)), (full * kept[:, None]).T)


@given(sizes, st.integers(1, 4), seeds)
def test_a_mean_is_that_of_the_full_rows(size: int, several: int, seed: int) -> None:
    full = matrix(size, seed)
    row = torch.randint(0, size, (size, several), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(dense(sparse(full).mean(row)), full[row].mean(1))


@given(sizes, seeds, st.sampled_from([1, 5, 1 << 22]))
def test_what_rows_have_in_common_is_the_sum_of_the_smaller_ones(
    size: int, seed: int, at_once: int
) -> None:
    """Asked for in any order and more than once, of some rows, each with a place of its own."""
    generator = torch.Generator().manual_seed(seed)
    full = matrix(size, seed)
    full = full / full.sum(1, keepdim=True).clamp(min=1e-9)
    kept = torch.rand(size, generator=generator) < 0.7
    place = torch.randperm(size + 2, generator=generator)[:size]
    row = torch.randint(0, size, (size + 1,), generator=generator)
    expected = torch.zeros(len(row), size + 2)
    for b, asked in enumerate(row.tolist()):
        for other in kept.nonzero().flatten().tolist():
            expected[b, place[other]] = torch.minimum(full[asked], full[other]).sum()
    rows = sparse(full)
    with patch.object(sparse_rows, "_PAIRS", at_once):
        got = rows.common(row, rows.transposed(kept), place, size + 2)
    torch.testing.assert_close(got, expected)
    assert float(got.max()) <= 1


def test_two_rows_have_a_quarter_in_common() -> None:
    # min(0.75, 0.25) + min(0.25, 0) + min(0, 0.75) = 0.25; a row and itself have everything
    full = torch.tensor([[0.75, 0.25, 0.0], [0.25, 0.0, 0.75], [0.0, 0.0, 0.0]])
    rows = sparse(full)
    inverse = rows.transposed(torch.tensor([True, True, True]))
    got = rows.common(torch.tensor([0]), inverse, torch.arange(3), 3)
    assert got.tolist() == [[1.0, 0.25, 0.0]]


def test_spans_are_counted_out() -> None:
    owner, place = spans(torch.tensor([10, 0, 7]), torch.tensor([2, 0, 3]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert place.tolist() == [10, 11, 7, 8, 9]
