"""A network as it is handed over: nothing in it but what its feature needs."""

import copy
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from experiments.export_folding import fold_normalisations
from nas_space.heads import EmbeddingNetwork, Feature, Head, HeadOutput, Neck
from nas_space.interactions import CrossAttention, Pair

# B pictures, C channels, D numbers of a feature, H x W pixels

Precision = Literal["32", "16"]
"""Bits of the weights and of the maps."""

Maps = Float[Tensor, "..."] | Pair
"""What a part of a network sees: maps of one branch or of two, or tokens."""


class Colours(NamedTuple):
    """What red, green and blue in [0, 1] are brought to before the network sees them."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def normalise(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Without the mean, in units of the deviation."""
        return (images - _column(self.mean)) / _column(self.std)


class Shipped(nn.Module):
    """The network in evaluation mode, and before it the normalisation of the colours if asked for.

    Args:
        network: as ``ship`` makes it.
        colours: to be normalised here, or None where the caller does it.
        precision: of the network; images and features are float32 always.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: EmbeddingNetwork, colours: Colours | None, precision: Precision
    ) -> None:
        super().__init__()
        self.network, self.inside, self.half_precision = (
            network,
            colours is not None,
            precision == "16",
        )
        if colours is not None:
            self.register_buffer("mean", _column(colours.mean))
            self.register_buffer("std", _column(colours.std))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Features of unit length."""
        if self.inside:
            images = (images - self.mean) / self.std
        features: Tensor = self.network(images.half() if self.half_precision else images)
        return features


class ChosenFeature(nn.Module):
    """A head of which one feature is left, in float32.

    Args:
        head: that makes ``n`` of ``v``, or None if ``v`` is the feature.
    """

    def __init__(self, head: nn.Module | None) -> None:
        super().__init__()
        self.head = head

    def forward(self, pooled: Float[Tensor, "B D"]) -> HeadOutput:
        """The feature in both places."""
        v = pooled.float()
        feature = v if self.head is None else self.head(v).normalised
        return HeadOutput(feature, feature)


class InSinglePrecision(nn.Module):
    """A part in float32 between maps in float16.

    The energies of a cross attention are sums over all positions and go beyond 65,504, float16's
    largest number; so may the squares in a layer normalisation.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, maps: Maps) -> Maps:
        """What the part gives, in the maps' own type."""
        if isinstance(maps, Tensor):
            tensor: Tensor = self.part(maps.float())
            return tensor.to(maps.dtype)
        a, b = self.part((maps[0].float(), maps[1].float()))
        return a.to(maps[0].dtype), b.to(maps[1].dtype)


_KEPT_WHOLE = (ChosenFeature, InSinglePrecision)


def ship(
    network: EmbeddingNetwork,
    *,
    height: int,
    width: int,
    colours: Colours | None,
    precision: Precision = "32",
) -> Shipped:
    """A copy of a network, fit to be written into a file.

    Without the parts of a head that its feature does not need; batch normalisations folded, with
    their products in float64; no gradients.

    Args:
        network: its ``feature`` is the one that is handed over.
        height: H, pixels.
        width: W, pixels.
        colours: to be normalised inside, or None.
        precision: of weights and maps. The heads' linear layers, cross attentions and layer
            normalisations stay in float32.
    """
    copied = copy.deepcopy(network).cpu().eval().double()
    fold_normalisations(copied, torch.zeros(1, 3, height, width, dtype=torch.float64))
    copied.float()
    _strip_heads(copied, copied.feature)
    if precision == "16":
        _halve(copied)
    return Shipped(copied, colours, precision).eval().requires_grad_(False)


def _strip_heads(network: EmbeddingNetwork, feature: Feature) -> None:
    for name, part in _named(network, (Head, Neck)):
        network.set_submodule(name, ChosenFeature(None if feature == "pooled" else part))


def _halve(network: nn.Module) -> None:
    for name, part in _named(network, (CrossAttention, nn.LayerNorm)):
        network.set_submodule(name, InSinglePrecision(part))
    whole = [part for part in network.modules() if isinstance(part, _KEPT_WHOLE)]
    kept = {id(tensor) for part in whole for tensor in part.state_dict(keep_vars=True).values()}
    for part in network.modules():
        for tensors in (part._parameters, part._buffers):
            for tensor in tensors.values():
                if tensor is not None and tensor.is_floating_point() and id(tensor) not in kept:
                    tensor.data = tensor.data.half()


def _named(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> list[tuple[str, nn.Module]]:
    return [(name, part) for name, part in network.named_modules() if isinstance(part, kinds)]


def _column(values: Sequence[float]) -> Float[Tensor, "3 1 1"]:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]
