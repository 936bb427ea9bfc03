"""A folded network computes the same; what is not surely the same is not folded."""

from collections.abc import Callable

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from experiments.export_folding import fold_normalisations
from nas_space.genotype import PUBLISHED
from nas_space.networks import Blueprint

IMAGES = torch.rand(2, 3, 32, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def lived(network: nn.Module) -> nn.Module:
    """With weights and statistics that are not those of the start, in evaluation mode."""
    g = torch.Generator().manual_seed(1)
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data + 0.5 * torch.rand(tensor.shape, generator=g)
    return network.eval().double()


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, BATCH_NORMS) for part in network.modules())


def test_one_pixel_by_hand() -> None:
    """``5 (2 x - 3) / sqrt(3.5 + 0.5) + 1 = 5 x - 6.5``: weight 5, bias -6.5."""
    conv, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.5)
    for tensor, value in (
        (conv.weight, 2.0),
        (norm.running_mean, 3.0),
        (norm.running_var, 3.5),
        (norm.weight, 5.0),
        (norm.bias, 1.0),
    ):
        assert tensor is not None
        nn.init.constant_(tensor, value)
    network = nn.Sequential(conv, norm).eval()
    assert fold_normalisations(network, torch.zeros(1, 1, 1, 1)) == 1
    folded = network[0]
    assert isinstance(folded, nn.Conv2d)
    assert folded.bias is not None
    assert (folded.weight.item(), folded.bias.item()) == (5.0, -6.5)
    assert network(torch.full((1, 1, 1, 1), 4.0)).item() == 13.5


@pytest.mark.parametrize(
    ("name", "left"),
    [("msinet", 0), ("osnet_x1_0", 1), ("mobilenet_v3", 1), ("resnet50", 1), ("vit_tiny", 1)],
)
def test_a_whole_network_is_folded_and_stays_the_same(name: str, left: int) -> None:
    """Of a peer one is left: its neck, with no layer before it."""
    genotype = PUBLISHED["msinet_msmt17"] if name == "msinet" else None
    blueprint = Blueprint(name, genotype, height=32, width=16, channel_factor=0.25)
    network = blueprint.build()
    network.feature = "normalised"
    lived(network)
    before, count = network(IMAGES), norms(network)
    assert fold_normalisations(network, IMAGES[:1]) == count - left
    assert norms(network) == left
    torch.testing.assert_close(network(IMAGES), before, rtol=1e-9, atol=1e-10)


class Seen(nn.Module):
    """A layer and a normalisation, wired by a function."""

    def __init__(
        self,
        wiring: Callable[[nn.Module, nn.Module, Tensor], Tensor],
        norm: nn.Module | None = None,
        layer: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.layer, self.norm = layer or nn.Conv2d(3, 3, 1), norm or nn.BatchNorm2d(3)
        self.wiring = wiring

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "..."]:
        return self.wiring(self.layer, self.norm, x)


def plain(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    return norm(layer(x))  # type: ignore[no-any-return]


def seen_twice(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    y = layer(x)
    return y + norm(y)  # type: ignore[no-any-return]


def changed_between(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    y = layer(x)
    torch.relu_(y)
    return norm(y)  # type: ignore[no-any-return]


def layer_twice(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    return norm(layer(x)) + layer(2 * x)  # type: ignore[no-any-return]


def norm_twice(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    return norm(layer(x)) + norm(x)  # type: ignore[no-any-return]


def norm_first(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    return layer(norm(x))  # type: ignore[no-any-return]


def norm_unused(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    return layer(x)  # type: ignore[no-any-return]


def over_rows(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    return norm(layer(x[:, 0]))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("network", "folded"),
    [
        (Seen(plain), 1),
        (Seen(plain, nn.BatchNorm2d(3, affine=False)), 1),
        (Seen(plain, nn.InstanceNorm2d(3, affine=True, track_running_stats=True)), 0),
        (Seen(plain, nn.BatchNorm2d(3, track_running_stats=False)), 0),
        (Seen(plain, nn.GroupNorm(1, 3)), 0),
        (Seen(seen_twice), 0),
        (Seen(changed_between), 0),
        (Seen(layer_twice), 0),
        (Seen(norm_twice), 0),
        (Seen(norm_first), 0),
        (Seen(norm_unused), 0),
        # 16 numbers of a row -> 32 numbers, and 32 rows: the normalised axis is the rows'
        (Seen(over_rows, nn.BatchNorm1d(32), nn.Linear(16, 32)), 0),
    ],
)
def test_only_what_one_layer_gives_to_one_normalisation_is_folded(
    network: nn.Module, folded: int
) -> None:
    lived(network)
    before = network(IMAGES)
    assert fold_normalisations(network, IMAGES[:1]) == folded
    torch.testing.assert_close(network(IMAGES), before, rtol=1e-9, atol=1e-10)


def test_a_normalisation_that_still_learns_is_not_folded() -> None:
    network = lived(Seen(plain))
    network.get_submodule("norm").train()
    assert fold_normalisations(network, IMAGES) == 0
