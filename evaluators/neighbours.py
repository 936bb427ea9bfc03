"""The nearest pictures of every picture, exact, a block of rows at a time.

Letters: N pictures, K nearest of each, D dimensions, B pictures of one block, C columns.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int, Int32
from torch import Tensor

from evaluators.similarity import Similarity
from reid_data.bars import bar

_CHUNK = 64
"""Columns that are first looked at through their largest entry alone."""

BLOCK_CELLS = 1 << 24
"""Similarities kept at once where the caller does not choose a block: 64 MiB of them."""


@dataclass(frozen=True)
class Neighbours:
    """Who is near every picture, and how far the farthest is.

    Attributes:
        nearest: row numbers; a picture's own comes first, the others from near to far. Of equally
            near ones the smaller row number comes first.
        farthest: the largest squared distance ``2 - 2 cos`` from each picture to any, in [0, 4].
        spread: by how much it exceeds the smallest one to another picture; 0 if there is none.
    """

    nearest: Int32[Tensor, "N K"]
    farthest: Float32[Tensor, " N"]
    spread: Float32[Tensor, " N"]


def find_neighbours(
    unit: Float32[Tensor, "N D"], count: int, *, block: int | None = None, progress: str | None
) -> Neighbours:
    """Multiplies all pairs once, keeps the nearest and forgets the rest.

    A picture is at distance 0 from itself, whatever the rounding of its length.

    Args:
        unit: rows of length 1, or 0.
        count: ``K``; every picture where there are no more than that.
        block: pictures at a time; it bounds the memory and changes nothing.
        progress: what to call the work in a progress bar, or None for no bar.
    """
    N, K = len(unit), min(count, len(unit))
    near = torch.empty((N, K), dtype=torch.int32, device=unit.device)
    far, spread = torch.empty((2, N), device=unit.device)
    similarity = Similarity(unit)
    size = block or max(1, BLOCK_CELLS // max(1, N))
    with bar(total=N, desc=progress, unit="picture") as done:
        for row in torch.split(torch.arange(N, device=unit.device), size):
            s = similarity.of(unit[row])
            s[torch.arange(len(row), device=row.device), row] = torch.inf
            top = _largest(s, min(max(count, 2), N))
            near[row] = top[:, :K].int()
            least = s.amin(1)
            far[row] = (2 - 2 * least).clamp(0, 4)
            most = s.gather(1, top[:, :2])[:, -1]
            spread[row] = (2 * (most - least)).nan_to_num(0)  # a single picture: inf - inf
            done.update(len(row))
    return Neighbours(near, far, spread)


def _largest(s: Float32[Tensor, "B N"], K: int) -> Int[Tensor, "B K"]:
    """Columns of each row's ``K`` largest entries, in descending order, ties by column.

    A chunk of columns whose largest entry is behind those of ``K`` other chunks holds none of
    them, so that the columns of ``K`` chunks are all that has to be sorted.
    """
    N = s.shape[1]
    whole = N - N % _CHUNK
    peak = s[:, :whole].view(len(s), whole // _CHUNK, _CHUNK).amax(2)
    if whole < N:
        peak = torch.cat([peak, s[:, whole:].amax(1, keepdim=True)], 1)
    chunk = torch.arange(peak.shape[1], device=s.device).expand_as(peak)
    chosen = _first(peak, chunk, min(K, peak.shape[1]))
    column = (chosen[:, :, None] * _CHUNK + torch.arange(_CHUNK, device=s.device)).flatten(1)
    value = s.gather(1, column.clamp(max=N - 1)).masked_fill_(column >= N, -torch.inf)
    return _first(value, column, K)


def _first(value: Float32[Tensor, "B C"], column: Int[Tensor, "B C"], K: int) -> Int[Tensor, "B K"]:
    """Columns of the ``K`` largest values; of equal ones, which topk takes as it finds, the first.

    The bits of a float, read as a whole number, order as it does if those below the sign are
    turned over where it is negative; the column decides behind them.
    """
    bits = (value + 0.0).view(torch.int32)  # -0 becomes 0
    order = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    key = (order.long() << 32) - column
    return column.gather(1, key.topk(K, dim=1).indices)
