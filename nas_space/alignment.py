"""The spatial alignment module (SAM): pictures of many sources shall be looked at alike.

Source: MSINet (CVPR 2023), section 3.4. It belongs to the training: a network holds nothing of it.
"""

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from nas_space.layers import initialise

# B pictures of a batch, C channels, h x w positions of a map, P = h w,
# A anchors that have pairs

AlignmentMode = Literal["none", "pos", "neg", "pos_neg"]
"""Which pairs are aligned: pictures of one identity, of others, or both."""

Orientation = Literal["own", "other"]
"""On whose positions a pair's map lies: the anchor's (the paper), or the other picture's (its
authors' code)."""

_BLOCK_CELLS = 1 << 24
"""Products kept at once: 64 MiB of them."""


class SpatialAlignment(nn.Module):
    r"""Penalty on maps that differ, of what a picture shares with others.

    With :math:`x_i` the map of picture i, one vector per position,

    .. math:: a(i, j)_p = \max_q \langle x_i[p], x_j[q] \rangle, \qquad
              \hat a(i)_p = \max_q \langle Q x_i[p], K x_i[q] \rangle

    say where i looks like j, and where it looks like itself in a learned way (Q and K are 1x1
    convolutions with bias, of an eighth of the channels). With S the cosine, an anchor's penalty is

    .. math:: L(i) = \underset{p}{\mathrm{mean}}\,[1 - S(\hat a(i), a(i, p))]
                   + \underset{n_1 \ne n_2}{\mathrm{mean}}\,[1 - S(a(i, n_1), a(i, n_2))]

    over the pictures p of its own identity but itself and the pictures n of others. Returned is the
    mean of either term over the anchors that have such pictures, so that a batch may hold any
    number of pictures of an identity.

    As published by the authors' code (decision 34): ``orientation="other"`` and
    ``self_pairs=True``, where the anchor is its own positive and :math:`n_1 = n_2` is a pair.

    Args:
        channels: C, of the maps.
        mode: terms of the penalty, other than ``"none"``.
        orientation: on whose positions a pair's map lies.
        self_pairs: whether pictures are paired with themselves.

    Raises:
        ValueError: if the mode is none, or there are fewer than 8 channels.
    """

    def __init__(
        self,
        channels: int,
        *,
        mode: AlignmentMode = "pos_neg",
        orientation: Orientation = "own",
        self_pairs: bool = False,
    ) -> None:
        super().__init__()
        if mode == "none":
            raise ValueError(
                "A spatial alignment of mode 'none' was asked for: train without one, or take pos,"
                " neg or pos_neg."
            )
        if channels < 8:
            raise ValueError(f"Maps of {channels} channels cannot be aligned: 8 are needed.")
        self.mode, self.orientation, self.self_pairs = mode, orientation, self_pairs
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        initialise(self)

    def forward(
        self, maps: Float[Tensor, "B C h w"], identity: Int[Tensor, " B"]
    ) -> Float[Tensor, ""]:
        """The penalty of a batch, in [0, 4]; 0 for a batch without pairs."""
        a = shared_activation(maps)
        if self.orientation == "other":
            a = a.transpose(0, 1)  # where j looks like i
        u = F.normalize(a, dim=2)
        alike = identity[:, None] == identity
        loss = maps.new_zeros(())
        if "pos" in self.mode:
            itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
            positive = alike if self.self_pairs else alike & ~itself
            loss = loss + _pull(F.normalize(self.own_activation(maps), dim=1), u, positive)
        if "neg" in self.mode:
            loss = loss + _agreement(u, ~alike, self_pairs=self.self_pairs)
        return loss

    def own_activation(self, maps: Float[Tensor, "B C h w"]) -> Float[Tensor, "B P"]:
        """``â``: where each picture looks like itself, in the learned way."""
        q, k = self.query(maps).flatten(2), self.key(maps).flatten(2)
        energy: Tensor = q.transpose(1, 2) @ k
        return energy.amax(dim=2)


def shared_activation(maps: Float[Tensor, "B C h w"]) -> Float[Tensor, "B B P"]:
    """``a[i, j, p]``, the largest product of position p of picture i with any position of j.

    Differentiable once. Of the products of all positions with all, ``(B P)^2`` numbers and a
    gigabyte at 64 pictures of 16 x 16 positions, some rows are held at a time and none is kept.
    """
    x = maps.flatten(2).transpose(1, 2).contiguous()
    a: Tensor = _SharedActivation.apply(x)  # type: ignore[no-untyped-call]
    return a


class _SharedActivation(torch.autograd.Function):
    """Keeps where each maximum was, and makes the products again going back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        B, P, C = x.shape
        a, place = x.new_empty(B, B, P), torch.empty(B, B, P, dtype=torch.int32, device=x.device)
        for rows in _blocks(B, P):
            products = x[rows].reshape(-1, C) @ x.reshape(-1, C).T
            largest = products.view(-1, P, B, P).max(dim=3)
            a[rows], place[rows] = (
                largest.values.transpose(1, 2),
                largest.indices.transpose(1, 2).int(),
            )
        ctx.save_for_backward(x, place)
        return a

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, place = ctx.saved_tensors
        B, P, C = x.shape
        back = torch.zeros_like(x)
        for rows in _blocks(B, P):
            g = gradient.new_zeros(len(place[rows]), P, B, P)
            g.scatter_(
                3,
                place[rows].transpose(1, 2)[..., None].long(),
                gradient[rows].transpose(1, 2)[..., None],
            )
            flat = g.view(-1, B * P)
            back[rows] += (flat @ x.reshape(-1, C)).view(-1, P, C)
            back += (flat.T @ x[rows].reshape(-1, C)).view(B, P, C)
        return back


def _blocks(B: int, P: int) -> list[slice]:
    size = max(1, _BLOCK_CELLS // (P * B * P))
    return [slice(start, start + size) for start in range(0, B, size)]


def _pull(
    own: Float[Tensor, "B P"], u: Float[Tensor, "B B P"], positive: Bool[Tensor, "B B"]
) -> Float[Tensor, ""]:
    """Mean over anchors of the mean over their positives of ``1 - S(own, u)``."""
    pairs = positive.sum(dim=1)
    some = pairs > 0
    penalty = ((1 - torch.einsum("ip,ijp->ij", own, u)) * positive).sum(dim=1)
    return _mean(penalty[some] / pairs[some])


def _agreement(
    u: Float[Tensor, "B B P"], negative: Bool[Tensor, "B B"], *, self_pairs: bool
) -> Float[Tensor, ""]:
    r"""Mean over anchors of the mean over pairs of their negatives of ``1 - S(u, u')``.

    Cosines of all pairs add up to :math:`|\sum_n u_n|^2`, so that no pair is looked at.
    """
    n = negative.sum(dim=1)
    total = torch.einsum("ij,ijp->ip", negative.to(u.dtype), u).square().sum(dim=1)
    pairs = n * n
    if not self_pairs:
        total = total - (u.square().sum(dim=2) * negative).sum(dim=1)
        pairs = pairs - n
    some = pairs > 0
    return _mean(1 - total[some] / pairs[some])


def _mean(penalty: Float[Tensor, " A"]) -> Float[Tensor, ""]:
    """Of the anchors that have pairs; 0 without any."""
    return penalty.sum() / max(1, len(penalty))
