"""Heads of an embedding network, and what every such network offers."""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

# B pictures, D numbers of a feature, H x W pixels of the image, C channels and h x w positions of
# the last map


class HeadOutput(NamedTuple):
    """One head's features of a batch."""

    pooled: Float[Tensor, "B D"]
    """``v``: the triplet loss and the in-domain inference use it."""
    normalised: Float[Tensor, "B D"]
    """``n = bn(fc(v))``: the identity classifier uses it."""


class Description(NamedTuple):
    """What one forward pass says of a batch."""

    heads: tuple[HeadOutput, ...]
    """Of each head, for the losses."""
    last: Float[Tensor, "B C h w"]
    """The map behind the last stage, for the spatial alignment and for pictures of it."""


class Head(nn.Module):
    """``v -> n = bn(fc(v))``; the bias of the normalisation stays 0 (BNNeck)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, channels, bias=False)
        self.bn = nn.BatchNorm1d(channels)
        self.bn.bias.requires_grad_(False)

    def forward(self, pooled: Float[Tensor, "B D"]) -> HeadOutput:
        """Features before and after the neck."""
        return HeadOutput(pooled, self.bn(self.fc(pooled)))


class Neck(nn.Module):
    """``v -> n = bn(v)``; the bias of the normalisation stays 0.

    Source: BNNeck of Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person
    Re-identification" (CVPR Workshops 2019), section 3.5.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)
        self.bn.bias.requires_grad_(False)

    def forward(self, pooled: Float[Tensor, "B D"]) -> HeadOutput:
        """Features before and behind the neck."""
        return HeadOutput(pooled, self.bn(pooled))


Feature = Literal["pooled", "normalised"]
FEATURES: tuple[Feature, ...] = get_args(Feature)
"""Which feature an image is described by: ``concat(v, f_v)`` or ``concat(n, n_f)``."""


class EmbeddingNetwork(nn.Module, ABC):
    """A network with one or more heads, whose features describe an image.

    Args:
        feature: which features ``forward`` returns; may be set later as well.
    """

    def __init__(self, feature: Feature = "pooled") -> None:
        super().__init__()
        self.feature: Feature = feature

    @property
    @abstractmethod
    def channels(self) -> int:
        """Channels C of the last map."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length D of the embedding."""

    @abstractmethod
    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        """The outputs of every head and the last map, of one pass."""

    def heads(self, images: Float[Tensor, "B 3 H W"]) -> tuple[HeadOutput, ...]:
        """Outputs of each head, for the losses."""
        return self.describe(images).heads

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Embedding of unit length: the features of all heads, one behind the other."""
        outputs = self.heads(images)
        parts = [out.pooled if self.feature == "pooled" else out.normalised for out in outputs]
        return F.normalize(torch.cat(parts, dim=1), dim=1)
