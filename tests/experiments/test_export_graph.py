"""What is handed over computes the network's chosen feature, and holds nothing else."""

import copy

import pytest
import torch
from torch import nn

from experiments.export_graph import Colours, Precision, ship
from nas_space.genotype import FIXED, PUBLISHED
from nas_space.heads import EmbeddingNetwork, Feature
from nas_space.inference import IMAGENET
from nas_space.networks import Blueprint

IMAGES = torch.rand(3, 3, 64, 32, generator=torch.Generator().manual_seed(0))
COLOURS = Colours(IMAGENET["mean"], IMAGENET["std"])


def network_of(name: str = "msinet", feature: Feature = "pooled") -> EmbeddingNetwork:
    """Untrained but for its statistics; cross attentions take part."""
    genotype = None if name in ("vit_tiny", "mobilenet_v3") else FIXED[name_of(name)]
    network_name = name if genotype is None else "msinet"
    blueprint = Blueprint(network_name, genotype, height=64, width=32, channel_factor=0.25)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = blueprint.build()
    for part, parameter in network.named_parameters():
        if part.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
    network.train()(COLOURS.normalise(IMAGES))
    network.feature = feature
    return network.eval()


def name_of(name: str) -> str:
    return "msinet_msmt17" if name == "msinet" else name


@pytest.mark.parametrize("feature", ["pooled", "normalised"])
@pytest.mark.parametrize(("precision", "tolerance"), [("32", 1e-6), ("16", 5e-3)])
@pytest.mark.parametrize("name", ["msinet", "uniform_cross_attention", "vit_tiny"])
def test_it_computes_the_chosen_feature_of_pictures_with_colours_in_0_to_1(
    name: str, precision: Precision, tolerance: float, feature: Feature
) -> None:
    network = network_of(name, feature)
    expected = network(COLOURS.normalise(IMAGES))
    inside = ship(network, height=64, width=32, colours=COLOURS, precision=precision)
    outside = ship(network, height=64, width=32, colours=None, precision=precision)
    assert inside(IMAGES).dtype == torch.float32
    torch.testing.assert_close(inside(IMAGES), expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(outside(COLOURS.normalise(IMAGES)), expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(inside(IMAGES).norm(dim=1), torch.ones(3), rtol=0, atol=1e-5)


def test_the_colours_are_brought_to_mean_0_and_deviation_1() -> None:
    """Red 0.485 is the mean: 0. Blue 0.63 lies 0.224, one deviation, above its mean: 1."""
    red = Colours((0.485, 0.0, 0.406), (0.229, 1.0, 0.224)).normalise(
        torch.tensor([0.485, 0.25, 0.63])[None, :, None, None]
    )
    torch.testing.assert_close(red.flatten(), torch.tensor([0.0, 0.25, 1.0]))


def test_pooled_features_need_no_neck() -> None:
    """The published network at width 1 loses its necks' weights and every normalisation.

    2,328,035 are its parameters; the global neck has 512 x 512 + 2 x 512 of them, the local one
    256 x 256 + 2 x 256. Folding makes of a normalisation's two numbers a channel one bias.
    """
    with torch.random.fork_rng(devices=[]):
        network = Blueprint(genotype=PUBLISHED["msinet_msmt17"], height=32, width=16).build()
    necks = 512 * 512 + 2 * 512 + 256 * 256 + 2 * 256
    normalised = sum(
        part.num_features for part in network.modules() if isinstance(part, nn.BatchNorm2d)
    )
    shipped = ship(network, height=32, width=16, colours=None)
    assert numbers(shipped) == 2_328_035 - necks - normalised
    assert not any("bn" in name or "fc" in name for name in shipped.state_dict())


def test_the_normalised_feature_keeps_the_necks_as_one_layer_each() -> None:
    network = network_of("msinet", "normalised")
    pooled = ship(network_of("msinet"), height=64, width=32, colours=None)
    shipped = ship(network, height=64, width=32, colours=None)
    # at a quarter of the width: 128 x 128 and 64 x 64 weights, and their biases
    assert numbers(shipped) - numbers(pooled) == 128 * 128 + 128 + 64 * 64 + 64


def numbers(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_network_that_is_shipped_stays_as_it_was() -> None:
    network = network_of().train()
    before = copy.deepcopy(network.state_dict())
    ship(network, height=64, width=32, colours=COLOURS, precision="16")
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(tensor.dtype == after[name].dtype for name, tensor in before.items())
    assert network.training
    assert all(part.training for part in network.modules())


def test_nothing_shipped_learns() -> None:
    shipped = ship(network_of(), height=64, width=32, colours=COLOURS)
    assert not any(parameter.requires_grad for parameter in shipped.parameters())
    assert not any(part.training for part in shipped.modules())


def test_half_precision_halves_all_but_attentions_and_heads() -> None:
    network = network_of("uniform_cross_attention", "normalised")
    shipped = ship(network, height=64, width=32, colours=COLOURS, precision="16")
    whole = {name for name, value in shipped.state_dict().items() if value.dtype != torch.float16}
    assert whole
    assert all(name.endswith(("gamma", "mean", "std")) or "_head." in name for name in whole), whole
    assert any("_head." in name for name in whole)


def test_energies_beyond_half_precision_are_no_harm() -> None:
    """Maps a thousand times as large have energies a million times as large: beyond 65,504."""
    network = network_of("uniform_cross_attention")
    stem = network.get_submodule("backbone.stem.1")
    assert isinstance(stem, nn.BatchNorm2d)
    nn.init.constant_(stem.weight, 100.0)
    shipped = ship(network, height=64, width=32, colours=COLOURS, precision="16")
    assert shipped(IMAGES).isfinite().all()
