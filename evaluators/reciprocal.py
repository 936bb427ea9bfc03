"""k-reciprocal neighbours, and the sparse vectors they describe a picture by.

Zhong et al., CVPR 2017, "Re-ranking person re-identification with k-reciprocal encoding".

Letters: N pictures, K nearest of each, J = k + 1 of them, D dimensions, B pictures of one block,
L members of a set, padding included, P pairs.
"""

import torch
from jaxtyping import Bool, Float32, Int, Int32
from torch import Tensor

from evaluators.neighbours import Neighbours
from evaluators.sparse_rows import SparseRows
from reid_data.bars import bar

_CELLS = 1 << 16
"""Members of the sets, padding included, that are worked on at once."""


def mutual(nearest: Int32[Tensor, "N K"], k: int) -> Int32[Tensor, "N J"]:
    r"""The k-reciprocal neighbours (section 3.2), each picture its own among them.

    .. math:: R(p, k) = \{ g : g \in N(p, k) \wedge p \in N(g, k) \}

    :math:`N(p, k)` is the picture itself and its k nearest others, as in the authors' code.

    Args:
        nearest: of every picture, itself first.
        k: of the definition.

    Returns:
        The sets in no particular order, padded by ``N``.
    """
    n = nearest[:, : k + 1]
    sets = torch.empty_like(n)
    row = torch.arange(len(n), dtype=torch.int32, device=n.device)
    for p in torch.split(row, max(1, _CELLS // n.shape[1])):
        g = n[p]
        sets[p] = g.where((n[g] == p[:, None, None]).any(2), len(n))
    return sets


def encode(
    unit: Float32[Tensor, "N D"],
    neighbours: Neighbours,
    *,
    k1: int,
    progress: str | None = None,
) -> SparseRows:
    r"""Describes every picture by how near those of its expanded set are (sections 3.2 and 3.3).

    .. math:: R^*(p) = R(p, k_1) \cup \bigcup R(q, k_1 / 2) \text{ of the } q \in R(p, k_1)
              \text{ with } |R(p, k_1) \cap R(q, k_1 / 2)| > \tfrac23 |R(q, k_1 / 2)|

    .. math:: V_{p, g} \propto \exp(-d(p, g)) \text{ for } g \in R^*(p), \quad
              \sum_g V_{p, g} = 1

    As in the authors' code two thirds alone are not enough, the sum is made 1, ``k1 / 2`` is
    rounded to the nearest whole number (halves to the even one), and ``d`` is the squared distance
    divided by the largest that ``p`` has.

    Args:
        unit: rows of length 1, or 0.
        neighbours: of these rows, ``k1 + 1`` or more of each where there are so many.
        k1: of the definition.
        progress: what to call the work in a progress bar, or None for no bar.
    """
    N = len(unit)
    R = mutual(neighbours.nearest, k1).sort(1).values
    H = mutual(neighbours.nearest, round(k1 / 2))
    H = torch.cat([H, torch.full_like(H[:1], N)])  # whom the padding of R has for neighbours
    size = max(1, _CELLS // (R.shape[1] * (1 + H.shape[1])))
    pieces = []
    with bar(total=N, desc=progress, unit="picture") as done:
        for p in torch.split(torch.arange(N, device=unit.device), size):
            g, kept = _expanded(R[p], H)
            owner, column = kept.nonzero()[:, 0], g[kept]
            w = torch.exp(-_distance(unit, neighbours.farthest, p[owner], column))
            total = torch.zeros(len(p), device=w.device).index_add_(0, owner, w)
            pieces.append((kept.sum(1), column, w / total[owner]))
            done.update(len(p))
    return SparseRows.of(pieces)


def _expanded(
    R: Int32[Tensor, "B J"], H: Int32[Tensor, "M H"]
) -> tuple[Int32[Tensor, "B L"], Bool[Tensor, "B L"]]:
    """The sets ``R*`` in ascending order, and which of their entries count.

    Args:
        R: sets to be expanded, ascending.
        H: the half sets of all pictures, and at the end one of padding alone.
    """
    N = len(H) - 1
    h = H[R].flatten(1)
    place = torch.searchsorted(R, h).clamp(max=R.shape[1] - 1)
    counted = h < N
    common = counted & (R.gather(1, place) == h)
    inside, all_ = (x.view(*R.shape, -1).sum(2) for x in (common, counted))
    joins = (3 * inside > 2 * all_).repeat_interleave(H.shape[1], dim=1)
    g = torch.cat([R, h.where(joins, N)], 1).sort(1).values
    kept = g < N
    kept[:, 1:] &= g[:, 1:] != g[:, :-1]
    return g, kept


def _distance(
    unit: Float32[Tensor, "N D"],
    farthest: Float32[Tensor, " N"],
    p: Int[Tensor, " P"],
    g: Int[Tensor, " P"],
) -> Float32[Tensor, " P"]:
    """Squared distances of pairs as shares of the largest that ``p`` has, in [0, 1]."""
    d = 2 - 2 * (unit[p] * unit[g]).sum(1)
    share = d.clamp(min=0) / farthest[p].where(farthest[p] > 0, 1)
    return share.clamp(max=1).masked_fill(p == g, 0)
