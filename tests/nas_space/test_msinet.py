"""The network of a genotype is the published one, to the parameter and the multiply-add."""

import pytest
import torch

from nas_space.cost import measure_cost
from nas_space.genotype import MSI_SLOTS, PUBLISHED, Genotype
from nas_space.interactions import INTERACTIONS
from nas_space.msinet import Maps, MSINet

PUBLISHED_MSI = PUBLISHED["msinet_msmt17"]


def test_the_published_network_has_the_published_cost() -> None:
    cost = measure_cost(MSINet(PUBLISHED_MSI), height=256, width=128)
    assert cost.parameters == 2_328_035
    assert round(cost.macs / 1e9, 2) == 1.13


def test_a_square_input_costs_twice_the_multiply_adds() -> None:
    cost = measure_cost(MSINet(PUBLISHED_MSI), height=256, width=256)
    assert round(cost.macs / 1e9, 2) == 2.26


def test_the_multiply_adds_of_a_layer_are_those_worked_out_by_hand() -> None:
    # 3x3 convolution 3 -> 8 on 6 x 4 pixels, padding 1: 6 * 4 * 8 * 3 * 9 = 5,184
    layer = torch.nn.Conv2d(3, 8, 3, padding=1)
    assert measure_cost(layer, height=6, width=4).macs == 5_184


def test_measuring_leaves_a_network_in_the_mode_it_had() -> None:
    network = MSINet(PUBLISHED_MSI, width=0.25).train()
    measure_cost(network, height=32, width=32)
    assert network.training


def test_the_maps_have_the_published_sizes() -> None:
    network = MSINet(PUBLISHED_MSI).eval()
    with torch.no_grad():
        middle, last = network.backbone(torch.zeros(1, 3, 256, 128))
    assert middle.shape == (1, 384, 16, 8)
    assert last.shape == (1, 512, 16, 8)


@pytest.mark.parametrize("feature", ["pooled", "normalised"])
def test_an_embedding_is_768_numbers_of_unit_length(feature: str) -> None:
    network = MSINet(PUBLISHED_MSI, feature=feature).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        embedding = network(torch.randn(2, 3, 64, 32))
    assert embedding.shape == (2, network.dimensions) == (2, 768)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_the_local_head_sees_the_upper_and_the_lower_half_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = MSINet(PUBLISHED_MSI, width=0.25).eval()
    upper, lower = torch.rand(2, network.backbone.middle_channels, 1, 1).unbind()
    middle = torch.cat([upper.expand(-1, 2, 2), lower.expand(-1, 2, 2)], dim=1)[None]
    maps = Maps(middle, torch.zeros(1, network.backbone.channels, 4, 2))
    monkeypatch.setattr(network.backbone, "forward", lambda images: maps)
    with torch.no_grad():
        local = network.heads(torch.zeros(1, 3, 64, 32))[1].pooled[0]
        halves = [network.reduce(half[None]).flatten() for half in (upper, lower)]
    torch.testing.assert_close(local, torch.cat(halves))


@pytest.mark.parametrize("width", [0.25, 0.5, 2.0])
def test_every_candidate_fits_every_slot_at_any_width(width: float) -> None:
    for candidate in INTERACTIONS:
        genotype = Genotype("msi", dict.fromkeys(MSI_SLOTS, candidate))
        network = MSINet(genotype, width=width).eval()
        with torch.no_grad():
            assert network(torch.zeros(1, 3, 32, 32)).shape == (1, network.dimensions)


def test_a_width_that_leaves_no_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="4 are needed"):
        MSINet(PUBLISHED_MSI, width=0.01)


def test_the_necks_keep_their_bias() -> None:
    network = MSINet(PUBLISHED_MSI, width=0.25)
    assert not network.global_head.bn.bias.requires_grad
    assert not network.local_head.bn.bias.requires_grad


def test_with_residuals_at_zero_every_cell_begins_as_its_shortcut() -> None:
    network = MSINet(PUBLISHED_MSI, width=0.25, residual_start="zero")
    cell = network.backbone.cells[1]
    x = torch.randn(2, 64, 8, 4)
    torch.testing.assert_close(cell(x), torch.relu(x))
    assert not torch.equal(MSINet(PUBLISHED_MSI, width=0.25).backbone.cells[1](x), torch.relu(x))
