"""Positions of the relevant pictures in a ranking that is never sorted.

The k-th of a query's relevant pictures stands behind k - 1 relevant ones and every irrelevant one
that is at least as similar: only the relevant are sorted, and the irrelevant are counted between
them. Letters: B queries of one block, G gallery pictures, P places for relevant ones of a query,
S irrelevant pictures that matter.
"""

import torch
from jaxtyping import Bool, Float32, Float64, Int, Int64
from torch import Tensor

SPARSE_SHARE = 0.5
"""Up to this share of cells that matter they are picked out; beyond, all cells are searched.

Both count the same. Measured on a CPU, where they are equally fast at about this share.
"""


def ranks(
    similarity: Float32[Tensor, "B G"],
    same: Int[Tensor, "B P"],
    relevant: Bool[Tensor, "B P"],
    *,
    sparse_share: float = SPARSE_SHARE,
) -> Int[Tensor, "B P"]:
    """Positions of the relevant pictures, in ascending order; what follows them is padding.

    An irrelevant picture matters only if it is at least as similar as the least similar of the
    relevant ones. With features that retrieve well few do: one comparison finds them, and only
    they are searched for their place.

    Args:
        similarity: finite, or -inf for a gallery picture that is left out; is overwritten.
        same: pictures that are not irrelevant; the same one may stand there twice.
        relevant: which of ``same`` count; at least one per query, and none twice.
        sparse_share: where to change from the sparse to the dense way.
    """
    s = similarity.gather(1, same).masked_fill_(~relevant, -torch.inf).sort(1).values
    similarity.scatter_(1, same, -torch.inf)  # now only irrelevant pictures are left in it
    least = s.gather(1, (~relevant).sum(1, keepdim=True))
    matter = similarity >= least
    if int(matter.count_nonzero()) <= sparse_share * matter.numel():
        bins = _sparse_bins(similarity, s, matter)
    else:
        bins = _dense_bins(similarity, s)
    B, P = same.shape
    pictures = bins.bincount(minlength=B * (P + 1)).view(B, P + 1)
    ahead = pictures.flip(1).cumsum(1)[:, :P]
    return ahead + torch.arange(1, P + 1, device=s.device)


def _dense_bins(
    similarity: Float32[Tensor, "B G"], s: Float32[Tensor, "B P"]
) -> Int[Tensor, " cells"]:
    """``b (P + 1) + l`` of every cell that is at least as similar as ``l`` relevant pictures."""
    B, P = s.shape
    bins = torch.searchsorted(s, similarity, right=True, out_int32=True)
    bins += torch.arange(0, B * (P + 1), P + 1, device=s.device, dtype=torch.int32)[:, None]
    return bins.flatten()


def _sparse_bins(
    similarity: Float32[Tensor, "B G"], s: Float32[Tensor, "B P"], matter: Bool[Tensor, "B G"]
) -> Int[Tensor, " S"]:
    """The same of the cells that matter, in one search through the relevant of all queries."""
    cell = matter.flatten().nonzero().squeeze(1)
    b = cell // matter.shape[1]
    rows = torch.arange(len(s), device=s.device)[:, None].expand_as(s)
    place = torch.searchsorted(
        _ordered(rows.flatten(), s.flatten()),
        _ordered(b, similarity.flatten()[cell]),
        right=True,
    )  # b P + l
    return place + b


def _ordered(row: Int64[Tensor, " K"], value: Float32[Tensor, " K"]) -> Int64[Tensor, " K"]:
    """Integers in the order of the row and, within a row, of the value."""
    # the bits of positive numbers are in their order, those of negative ones against it;
    # + 0.0 makes one of the two zeros
    bits = (value + 0.0).view(torch.int32)
    return (row << 32) + (bits ^ ((bits >> 31) & 0x7FFFFFFF))


def per_query(
    rank: Int[Tensor, "B P"], n: Int[Tensor, " B"]
) -> tuple[Float64[Tensor, " B"], Float64[Tensor, " B"], Float64[Tensor, " B"], Int[Tensor, " B"]]:
    """Average precision, its trapezoid, inverse penalty and first rank, as ``Retrieval`` has them.

    Args:
        rank: ascending positions of each query's relevant pictures, and padding behind them.
        n: relevant pictures of each query, at least 1.

    The sums are running ones, from the first picture on: how much padding follows, which is for the
    block to say, changes no bit of them.
    """
    k = torch.arange(1, rank.shape[1] + 1, device=rank.device)
    p = k.double() / rank
    before = torch.where(rank == 1, 1.0, (k - 1).double() / (rank - 1).clamp(min=1))
    counted = k <= n[:, None]
    average_precision = _total(p * counted) / n
    trapezoid = _total((p + before) / 2 * counted) / n
    last = rank.gather(1, n[:, None] - 1).squeeze(1)
    return average_precision, trapezoid, n.double() / last, rank[:, 0]


def _total(value: Float64[Tensor, "B P"]) -> Float64[Tensor, " B"]:
    return value.cumsum(1)[:, -1]
