"""Known networks that a found one is compared with, under the same recipe.

A backbone of the literature, and behind it the neck of "Bag of Tricks" (Luo et al., CVPR Workshops
2019). torchvision is imported when a network of it is built.
"""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nas_space.heads import Description, EmbeddingNetwork, Feature, Neck
from nas_space.osnet import OSNet

# B pictures, C channels of the last map, h x w its positions, T = 1 + h w tokens, U of another
# size of picture, H x W pixels


class Convolutional(EmbeddingNetwork):
    """A backbone of convolutions, the mean of its last map, and a neck.

    Args:
        backbone: images [B 3 H W] -> map [B C h w].
        channels: C.
        feature: which features ``forward`` returns.
    """

    def __init__(self, backbone: nn.Module, channels: int, *, feature: Feature = "pooled") -> None:
        super().__init__(feature)
        self.backbone = backbone
        self.head = Neck(channels)
        self._channels = channels

    @property
    def channels(self) -> int:
        """Channels C of the last map."""
        return self._channels

    @property
    def dimensions(self) -> int:
        """Length D of the embedding: C."""
        return self._channels

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        """The one head, and the backbone's map."""
        last = self.backbone(images)
        return Description((self.head(last.mean(dim=(2, 3))),), last)


PATCH = 16
Grid = tuple[int, int]
"""Patches of a picture, down and across."""
VIT_TINY = MappingProxyType(
    {"num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 4 * 192}
)
"""Sizes of the smallest transformer of Touvron et al., "Training data-efficient image transformers"
(ICML 2021), table 1."""


class VisionTransformer(EmbeddingNetwork):
    """torchvision's vision transformer for images that are not square, and a neck.

    Its positions are those of the size it is built for; for images of another size they are
    resized (bicubic). The class token is the feature, the other tokens are the last map.

    Args:
        height: of the images it is built for, pixels, a multiple of 16.
        width: the same.
        feature: which features ``forward`` returns.

    Raises:
        ValueError: if a side is no multiple of a patch's.
    """

    def __init__(self, *, height: int, width: int, feature: Feature = "pooled") -> None:
        from torchvision.models import VisionTransformer as SquareTransformer

        super().__init__(feature)
        self.grid = _grid(height, width)
        whole = SquareTransformer(image_size=PATCH, patch_size=PATCH, num_classes=1, **VIT_TINY)
        self.patches, self.class_token, self.encoder = (
            whole.conv_proj,
            whole.class_token,
            whole.encoder,
        )
        tokens, self._channels = 1 + self.grid[0] * self.grid[1], VIT_TINY["hidden_dim"]
        self.encoder.pos_embedding = nn.Parameter(torch.empty(1, tokens, self._channels))
        nn.init.normal_(self.encoder.pos_embedding, std=0.02)
        self.head = Neck(self._channels)

    @property
    def channels(self) -> int:
        """Channels C of the last map: 192."""
        return self._channels

    @property
    def dimensions(self) -> int:
        """Length D of the embedding: 192."""
        return self._channels

    def positions(self, grid: Grid) -> Float[Tensor, "1 T C"]:
        """What is added to the tokens of ``grid`` = h, w patches."""
        return resized_positions(self.encoder.pos_embedding, self.grid, grid)

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        """The one head, and the patches' tokens as a map.

        Raises:
            ValueError: if a side of the images is no multiple of a patch's.
        """
        grid = _grid(images.shape[2], images.shape[3])
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(images.shape[0], -1, -1), patches], dim=1)
        # torchvision's encoder is taken apart, as it adds the positions itself
        seen = self.encoder.dropout(tokens + self.positions(grid))
        seen = self.encoder.ln(self.encoder.layers(seen))
        last = seen[:, 1:].transpose(1, 2).reshape(images.shape[0], -1, *grid)
        return Description((self.head(seen[:, 0]),), last)


def resized_positions(
    positions: Float[Tensor, "1 T C"], of: Grid, to: Grid
) -> Float[Tensor, "1 U C"]:
    """A transformer's positions for pictures of another size, bicubic; the class token's stay.

    Args:
        positions: T = 1 + h w.
        of: h, w patches that ``positions`` are of.
        to: the same of U.
    """
    if of == to:
        return positions
    maps = positions[:, 1:].transpose(1, 2).reshape(1, -1, *of)
    resized = F.interpolate(maps, size=to, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def _grid(height: int, width: int) -> Grid:
    if height % PATCH or width % PATCH:
        raise ValueError(
            f"A vision transformer was given images of {height} x {width} pixels: sides that are"
            f" multiples of {PATCH} are needed, its patches' side."
        )
    return height // PATCH, width // PATCH


def _resnet(name: str, *, height: int, width: int, feature: Feature = "pooled") -> Convolutional:
    """With stride 1 in the last stage, which doubles its map ("Bag of Tricks", section 3.4)."""
    import torchvision

    whole = getattr(torchvision.models, name)(weights=None)
    first = whole.layer4[0]
    first.conv2.stride = first.downsample[0].stride = (1, 1)
    parts = [(name, part) for name, part in whole.named_children() if name not in ("avgpool", "fc")]
    return Convolutional(nn.Sequential(OrderedDict(parts)), whole.fc.in_features, feature=feature)


def _mobilenet(*, height: int, width: int, feature: Feature = "pooled") -> Convolutional:
    """MobileNetV3-Large (Howard et al., ICCV 2019) up to its last convolution.

    Its running statistics follow as fast as those of all other networks here. torchvision's own
    pace, made for hundreds of epochs, is ten times slower: after a short training they are not
    those of the weights, and the network retrieves at chance.
    """
    from torchvision.models import mobilenet_v3_large

    whole: Any = mobilenet_v3_large(weights=None, norm_layer=partial(nn.BatchNorm2d, eps=1e-3))
    return Convolutional(whole.features, whole.classifier[0].in_features, feature=feature)


def _osnet(*, height: int, width: int, feature: Feature = "pooled") -> OSNet:
    return OSNet(feature=feature)


class PeerFactory(Protocol):
    """Makes the untrained network, with weights from torch's global generator."""

    def __call__(self, *, height: int, width: int, feature: Feature = ...) -> EmbeddingNetwork:
        """For images of ``height`` x ``width`` pixels; only a transformer depends on them."""


PEERS: Mapping[str, PeerFactory] = MappingProxyType(
    {
        "resnet50": partial(_resnet, "resnet50"),
        "resnet101": partial(_resnet, "resnet101"),
        "osnet_x1_0": _osnet,
        "mobilenet_v3": _mobilenet,
        "vit_tiny": VisionTransformer,
    }
)
"""Name -> constructor."""
