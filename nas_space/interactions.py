"""The four interactions a slot of the MSI space chooses from, each on a pair of branches.

Source: MSINet (CVPR 2023), section 3.3. A pair holds two maps of equal shape, seen through
receptive fields of different size; an interaction says what they tell each other.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

# B pictures, C channels of either branch, H x W pixels of the map

Pair = tuple[Float[Tensor, "B C H W"], Float[Tensor, "B C H W"]]


class NoInteraction(nn.Module):
    """``(a, b) -> (a, b)``: the branches stay apart."""

    def forward(self, pair: Pair) -> Pair:
        """Return the pair unchanged."""
        return pair


class Exchange(nn.Module):
    """``(a, b) -> (b, a)``: the branches change places."""

    def forward(self, pair: Pair) -> Pair:
        """Return the pair with its maps swapped."""
        a, b = pair
        return b, a


class ChannelGate(nn.Module):
    r"""One gate, shared by both branches.

    .. math:: y = g(x) \odot x, \quad g(x) = \sigma(W_2 \max(0, W_1 \mathrm{GAP}(x)))

    ``W_1: C -> C / 16`` and ``W_2`` have a bias. Parameters for C = 16, 64, 96, 128: 49, 580,
    1,254 and 2,184.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def weigh(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """``g(x) x``, for one branch."""
        pooled = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled))))

    def forward(self, pair: Pair) -> Pair:
        """Weigh the channels of each branch by what that branch itself sees."""
        a, b = pair
        return self.weigh(a), self.weigh(b)


class CrossAttention(nn.Module):
    r"""Each branch adds a mixture of its own channels, weighed by the other branch.

    With the maps flattened to :math:`X \in R^{C \times HW}` and no projections,

    .. math::
        E_a = X_a X_b^T, \quad
        A_a = \mathrm{softmax}(\max_{row} E_a - E_a), \quad
        Y_a = \gamma A_a X_a + X_a

    and the same for ``b`` with :math:`E_b = X_b X_a^T`. One scalar :math:`\gamma`, 0 at the
    start, serves both, so that the interaction starts as the identity.

    Args:
        subtract: take the row maximum minus the energy (the authors' code, which favours the
            channels that correlate least); otherwise the energy itself (the paper's text).
            Decision 2.
    """

    def __init__(self, *, subtract: bool = True) -> None:
        super().__init__()
        self.subtract = subtract
        self.gamma = nn.Parameter(torch.zeros(1))

    def _attend(
        self, own: Float[Tensor, "B C N"], other: Float[Tensor, "B C N"]
    ) -> Float[Tensor, "B C N"]:
        energy = own @ other.transpose(1, 2)
        if self.subtract:
            energy = energy.amax(dim=2, keepdim=True) - energy
        return self.gamma * (energy.softmax(dim=2) @ own) + own

    def forward(self, pair: Pair) -> Pair:
        """Mix the channels of each branch by their correlation with the other's."""
        a, b = pair
        flat_a, flat_b = a.flatten(2), b.flatten(2)
        return (
            self._attend(flat_a, flat_b).view_as(a),
            self._attend(flat_b, flat_a).view_as(b),
        )


INTERACTIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: NoInteraction(),
    "exchange": lambda channels: Exchange(),
    "channel_gate": ChannelGate,
    "cross_attention": lambda channels: CrossAttention(),
}
"""Candidate name -> constructor from the number of channels of a branch."""


def interaction(name: str, channels: int, *, subtract: bool = True) -> nn.Module:
    """The interaction of that name.

    Args:
        name: a key of ``INTERACTIONS``.
        channels: C.
        subtract: of a cross attention, see there; without effect on the others.

    Raises:
        ValueError: if there is no such interaction.
    """
    if name not in INTERACTIONS:
        raise ValueError(f"No interaction {name!r}: expected one of {', '.join(INTERACTIONS)}.")
    if name == "cross_attention":
        return CrossAttention(subtract=subtract)
    return INTERACTIONS[name](channels)
