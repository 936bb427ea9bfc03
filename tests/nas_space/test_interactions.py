"""An interaction does what its formula says, to both branches alike."""

import pytest
import torch
from torch import nn

from nas_space.interactions import INTERACTIONS, ChannelGate, CrossAttention


def pair(channels: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, channels, 5, 4, generator=generator)
    return a, b


@pytest.mark.parametrize(("channels", "parameters"), [(16, 49), (64, 580), (96, 1254), (128, 2184)])
def test_a_channel_gate_has_the_published_number_of_parameters(
    channels: int, parameters: int
) -> None:
    # C = 16: squeeze 16 * 1 + 1, excite 1 * 16 + 16, together 49
    assert sum(p.numel() for p in ChannelGate(channels).parameters()) == parameters


def test_none_keeps_and_exchange_swaps_the_branches() -> None:
    a, b = pair()
    assert INTERACTIONS["none"](16)((a, b)) == (a, b)
    assert INTERACTIONS["exchange"](16)((a, b)) == (b, a)


def test_the_gate_scales_each_channel_by_what_its_own_branch_sees() -> None:
    gate = ChannelGate(1)
    for layer in (gate.squeeze, gate.excite):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    a = torch.tensor([1.0, 3.0]).view(1, 1, 2, 1)
    b = -a
    ya, yb = gate((a, b))
    # a: mean 2, g = sigmoid(relu(2)) = 0.880797; b: mean -2, g = sigmoid(relu(-2)) = 0.5
    torch.testing.assert_close(ya.flatten(), torch.tensor([0.880797, 2.642391]))
    torch.testing.assert_close(yb.flatten(), torch.tensor([-0.5, -1.5]))


def test_cross_attention_starts_as_the_identity() -> None:
    a, b = pair()
    ya, yb = CrossAttention()((a, b))
    torch.testing.assert_close(ya, a)
    torch.testing.assert_close(yb, b)


@pytest.mark.parametrize("subtract", [True, False])
def test_cross_attention_equals_its_definition_row_by_row(subtract: bool) -> None:
    attention = CrossAttention(subtract=subtract)
    nn.init.constant_(attention.gamma, 0.7)
    a, b = pair(4)
    ya, _ = attention((a, b))
    for picture in range(len(a)):
        x, z = a[picture].reshape(4, -1), b[picture].reshape(4, -1)
        for row in range(4):
            energy = torch.stack([x[row] @ z[column] for column in range(4)])
            weights = ((energy.max() - energy) if subtract else energy).softmax(0)
            mixed = sum(weights[column] * x[column] for column in range(4))
            expected = 0.7 * mixed + x[row]
            torch.testing.assert_close(ya[picture, row].flatten(), expected, rtol=1e-4, atol=1e-4)


def test_cross_attention_treats_the_branches_alike() -> None:
    attention = CrossAttention()
    nn.init.ones_(attention.gamma)
    a, b = pair()
    ya, yb = attention((a, b))
    zb, za = attention((b, a))
    torch.testing.assert_close((ya, yb), (za, zb))
