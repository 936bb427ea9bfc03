"""Rows of a large square matrix of which nearly all entries are 0, as three flat tensors.

Letters: N rows and columns, E entries that are kept, B rows of one block, G places of rows they are
compared with, K rows of one mean, P entries of the rows asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int, Int32
from torch import Tensor

from reid_data.bars import bar

_CELLS = 1 << 20
"""Entries that a mean sorts at once."""

_PAIRS = 1 << 22
"""Pairs of entries of one column that are added at once."""


Piece = tuple[Int[Tensor, " _"], Int[Tensor, " _"], Float32[Tensor, " _"]]
"""A block of rows: how many entries each has, and the columns and values of all of them."""


@dataclass(frozen=True)
class SparseRows:
    """Compressed rows: the entries of row ``i`` are ``start[i]`` to ``start[i + 1]``, exclusive.

    Attributes:
        start: ``N + 1`` numbers.
        column: of each entry; ascending and unique within a row.
        value: of each entry.
    """

    start: Int[Tensor, " S"]
    column: Int32[Tensor, " E"]
    value: Float32[Tensor, " E"]

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> "SparseRows":
        """Blocks of rows, put together in their order."""
        length, column, value = zip(*pieces, strict=True)
        return cls(_start(torch.cat(length)), torch.cat(column).int(), torch.cat(value))

    @property
    def length(self) -> Int[Tensor, " N"]:
        """Entries of each row."""
        return self.start.diff()

    def entries(
        self, row: Int[Tensor, " B"]
    ) -> tuple[Int[Tensor, " P"], Int32[Tensor, " P"], Float32[Tensor, " P"]]:
        """All entries of some rows: the place in ``row`` each belongs to, its column and value."""
        owner, place = spans(self.start[row], self.length[row])
        return owner, self.column[place], self.value[place]

    def transposed(self, kept: Bool[Tensor, " N"]) -> "SparseRows":
        """The columns as rows: an inverted index of those rows that are kept."""
        row = torch.arange(len(kept), dtype=torch.int32, device=kept.device)
        row = row.repeat_interleave(self.length)
        wanted = kept[row]
        column, order = self.column[wanted].sort(stable=True)
        length = column.bincount(minlength=len(kept))
        return SparseRows(_start(length), row[wanted][order], self.value[wanted][order])

    def common(
        self, row: Int[Tensor, " B"], inverse: "SparseRows", place: Int[Tensor, " N"], size: int
    ) -> Float32[Tensor, "B G"]:
        r"""What rows have in common with others, for values that sum to 1 in a row: in [0, 1].

        .. math:: C_{b, \mathrm{place}(i)} = \sum_z \min(V_{\mathrm{row}(b), z}, V_{i, z})

        Only the columns in which both are positive are visited.

        Args:
            row: of the rows compared.
            inverse: ``transposed``, of the rows they are compared with.
            place: column of the result for each row that is compared with, in ``0..G-1``.
            size: G, columns of the result; one that no row has a place in stays 0.
        """
        common = torch.zeros(len(row) * size, device=self.value.device)
        owner, column, value = self.entries(row)
        start, length = inverse.start[column], inverse.length[column]
        pieces = (length.cumsum(0) // _PAIRS).bincount().tolist()
        parts = (torch.split(x, pieces) for x in (owner, value, start, length))
        for o, v, s, n in zip(*parts, strict=True):
            entry, other = spans(s, n)
            cell = o[entry] * size + place[inverse.column[other]]
            common.index_add_(0, cell, v[entry].minimum(inverse.value[other]))
        return common.view(len(row), size).clamp_(max=1)

    def mean(self, row: Int[Tensor, "N K"], *, progress: str | None = None) -> "SparseRows":
        """Row ``i`` is the mean of the rows ``row[i]``."""
        N, K = row.shape
        size = max(1, _CELLS // max(1, K * int(self.length.max())))
        pieces = []
        with bar(total=N, desc=progress, unit="picture") as done:
            for block in torch.split(row, size):
                pieces.append(self._mean(block))
                done.update(len(block))
        return SparseRows.of(pieces)

    def _mean(self, row: Int[Tensor, "B K"]) -> Piece:
        (B, K), N = row.shape, len(self.start) - 1
        owner, column, value = self.entries(row.flatten())
        cell, order = ((owner // K) * N + column).sort(stable=True)
        cell, entry = torch.unique_consecutive(cell, return_inverse=True)
        total = value.new_zeros(len(cell)).index_add_(0, entry, value[order])
        return (cell // N).bincount(minlength=B), cell % N, total / K


def spans(
    start: Int[Tensor, " B"], length: Int[Tensor, " B"]
) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
    """The numbers ``start[b], start[b] + 1, ...``, ``length[b]`` of them, and their ``b``."""
    b = torch.arange(len(start), device=start.device).repeat_interleave(length)
    before = length.cumsum(0) - length
    return b, torch.arange(len(b), device=start.device) + (start - before)[b]


def _start(length: Int[Tensor, " N"]) -> Int[Tensor, " S"]:
    return torch.cat([length.new_zeros(1), length.cumsum(0)])
