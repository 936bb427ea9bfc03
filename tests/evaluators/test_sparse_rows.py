"""Rows kept by their entries are the rows of the full matrix, turned over and averaged too."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

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


def test_spans_are_counted_out() -> None:
    owner, place = spans(torch.tensor([10, 0, 7]), torch.tensor([2, 0, 3]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert place.tolist() == [10, 11, 7, 8, 9]
