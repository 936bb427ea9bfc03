"""The peers are the published networks without their classifier, and a neck."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import mobilenet_v3_large

from nas_space.cost import measure_cost
from nas_space.heads import EmbeddingNetwork
from nas_space.osnet import OSBlock
from nas_space.peers import PEERS, Convolutional, VisionTransformer

# Published numbers of parameters with 1,000 classes, less those of the classifier.
RESNET50 = 25_557_032 - (2048 * 1000 + 1000)
RESNET101 = 44_549_160 - (2048 * 1000 + 1000)
# MobileNetV3-Large's classifier has a hidden layer of 1,280.
MOBILENET_V3 = 5_483_032 - (960 * 1280 + 1280) - (1280 * 1000 + 1000)
# DeiT-Ti sees 224 x 224 pixels as 14 x 14 patches, and 256 x 128 as 16 x 8.
VIT_TINY = 5_717_416 - (192 * 1000 + 1000) - (14 * 14 - 16 * 8) * 192
# OSNet x1.0 prints 2,193,616, and counts each block's gate once for each of its four streams:
# 580, 1,254 and 2,184 numbers, in two blocks each.
OSNET = 2_193_616 - 3 * 2 * (580 + 1_254 + 2_184)

BACKBONES = {
    "resnet50": (RESNET50, 2048, (16, 8)),
    "resnet101": (RESNET101, 2048, (16, 8)),
    "osnet_x1_0": (OSNET, 512, (16, 8)),
    "mobilenet_v3": (MOBILENET_V3, 960, (8, 4)),
    "vit_tiny": (VIT_TINY, 192, (16, 8)),
}


def built(name: str, *, height: int = 256, width: int = 128) -> EmbeddingNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PEERS[name](height=height, width=width).eval()


@pytest.mark.parametrize("name", sorted(PEERS))
def test_it_has_the_published_number_of_parameters_and_a_neck(name: str) -> None:
    published, dimensions, _ = BACKBONES[name]
    with torch.device("meta"):
        network = PEERS[name](height=256, width=128)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == published + 2 * dimensions


@pytest.mark.parametrize("name", sorted(PEERS))
def test_its_one_head_and_its_last_map_have_the_sizes_they_say(name: str) -> None:
    _, dimensions, grid = BACKBONES[name]
    network = built(name)
    with torch.no_grad():
        (head,), last = network.describe(torch.zeros(1, 3, 256, 128))
        embedding = network(torch.zeros(1, 3, 256, 128))
    assert head.pooled.shape == head.normalised.shape == embedding.shape == (1, dimensions)
    assert last.shape == (1, network.channels, *grid)
    assert network.dimensions == dimensions


@pytest.mark.parametrize("name", sorted(PEERS))
def test_its_running_statistics_follow_a_short_training(name: str) -> None:
    """A tenth of the way per batch: after 200 batches 1e-9 of the first ones is left."""
    with torch.device("meta"):
        modules = PEERS[name](height=256, width=128).modules()
    kept = {module.momentum for module in modules if isinstance(module, _BatchNorm)}
    assert kept == {0.1}


def test_osnet_has_the_published_multiply_adds() -> None:
    assert round(measure_cost(built("osnet_x1_0"), height=256, width=128).macs / 1e6, 1) == 978.9


def test_a_block_of_osnet_adds_up_its_four_gated_streams() -> None:
    block = OSBlock(8, 16).eval()
    x = torch.randn(2, 8, 5, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        entered, total = block.enter(x), torch.zeros(2, 4, 5, 4)
        for depth, stream in enumerate(block.streams.children(), start=1):
            assert len(list(stream.children())) == depth
            seen = stream(entered)
            hidden = torch.relu(block.gate.squeeze(seen.mean(dim=(2, 3), keepdim=True)))
            total += torch.sigmoid(block.gate.excite(hidden)) * seen
        expected = torch.relu(block.leave(total) + block.shortcut(x))
        torch.testing.assert_close(block(x), expected)


def test_a_transformers_positions_at_its_own_size_are_those_it_learned() -> None:
    network = VisionTransformer(height=64, width=32)
    assert network.positions((4, 2)) is network.encoder.pos_embedding


def test_a_transformers_positions_are_resized_as_a_map_of_height_by_width() -> None:
    network = VisionTransformer(height=64, width=32).eval()
    learned = network.encoder.pos_embedding
    with torch.no_grad():
        learned[:, 1:] = torch.arange(8.0)[None, :, None]  # patch by patch, row after row
        resized = network.positions((8, 2))
        assert torch.equal(resized[:, 0], learned[:, 0])
        column = torch.tensor([0.0, 2, 4, 6])[None, None, :, None]  # the left one
        expected = F.interpolate(column, size=(8, 1), mode="bicubic", align_corners=False)
        torch.testing.assert_close(resized[0, 1::2, 0], expected.flatten())
        assert network(torch.zeros(1, 3, 128, 32)).shape == (1, 192)


def test_a_transformer_sees_where_a_patch_is_in_the_picture() -> None:
    """Its map differs most at a marked patch, and its feature with the place of that."""
    network = built("vit_tiny", height=64, width=32)
    even, marked, elsewhere = torch.zeros(3, 1, 3, 64, 32).unbind()
    marked[..., 32:48, 16:] = 3  # row 2, column 1 of the patches
    elsewhere[..., :16, :16] = 3
    with torch.no_grad():
        (head,), last = network.describe(marked)
        difference = (last - network.describe(even).last).norm(dim=1)[0]
        moved = network.heads(elsewhere)[0].pooled - head.pooled
    assert difference.flatten().argmax() == 2 * 2 + 1
    assert moved.abs().max() > 1e-3


@pytest.mark.parametrize(("height", "width"), [(60, 32), (64, 40)])
def test_a_side_that_is_no_multiple_of_a_patch_is_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        VisionTransformer(height=height, width=width)
    with pytest.raises(ValueError, match="multiples of 16"):
        VisionTransformer(height=64, width=32)(torch.zeros(1, 3, height, width))


def test_the_last_stage_of_a_resnet_keeps_the_size_of_its_map() -> None:
    network = built("resnet50", height=64, width=32)
    with torch.no_grad():
        assert network.describe(torch.zeros(1, 3, 64, 32)).last.shape == (1, 2048, 4, 2)


@pytest.mark.parametrize("name", sorted(PEERS))
def test_the_feature_that_is_asked_for_is_the_networks(name: str) -> None:
    with torch.device("meta"):
        plain = PEERS[name](height=256, width=128)
        behind = PEERS[name](height=256, width=128, feature="normalised")
    assert (plain.feature, behind.feature) == ("pooled", "normalised")


@pytest.mark.parametrize("name", ["mobilenet_v3", "resnet50", "resnet101"])
def test_a_convolutional_peers_feature_is_the_mean_of_its_last_map(name: str) -> None:
    """Normalised by the batch, as an untrained network's maps else fade away."""
    network = built(name, height=64, width=32).train()
    assert isinstance(network, Convolutional)
    network.requires_grad_(requires_grad=False)
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.eval()
    x = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (head,), last = network.describe(x)
        (again,) = network.heads(x)
    assert last[0, 0].numel() > 1
    mean = last.flatten(2).sum(dim=2) / last[0, 0].numel()
    assert (mean[0] - mean[1]).abs().max() > 0.01
    assert (mean - last.amax(dim=(2, 3))).abs().max() > 0.01
    torch.testing.assert_close(head.pooled, mean)
    torch.testing.assert_close(again.pooled, mean)


def test_a_mobilenet_normalises_with_torchvisions_epsilon() -> None:
    with torch.device("meta"):
        ours, theirs = PEERS["mobilenet_v3"](height=256, width=128), mobilenet_v3_large()
    found, published = (
        [part.eps for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
        for network in (ours, theirs)
    )
    assert found == published
    assert set(published) == {1e-3}


def test_a_transformers_positions_are_drawn_with_deviation_0_02() -> None:
    """Of 129 * 192 = 24,768 numbers the deviation is known to 0.02 / sqrt(2 * 24,768) = 9e-5."""
    network = built("vit_tiny")
    assert isinstance(network, VisionTransformer)
    drawn = network.encoder.pos_embedding.detach()
    assert drawn.numel() == 129 * 192
    assert float(drawn.std()) == pytest.approx(0.02, abs=5e-4)
    assert float(drawn.mean()) == pytest.approx(0, abs=1e-3)
