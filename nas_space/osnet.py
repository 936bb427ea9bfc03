"""OSNet, the omni-scale network: blocks whose streams see at four scales.

Source: Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification" (ICCV 2019),
sections 3.1 to 3.3 and table 1.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nas_space.heads import Description, EmbeddingNetwork, Feature, Neck
from nas_space.interactions import ChannelGate
from nas_space.layers import LightConv3x3, conv_bn, conv_bn_relu, initialise

# B pictures, C channels in, O channels out, D numbers of a feature, H x W pixels of the image,
# h x w positions of a map

STEM_CHANNELS = 64
STAGE_CHANNELS = (256, 384, 512)
FEATURE_DIMENSIONS = 512
STREAMS = 4

BlockFactory = Callable[[str, int, int], nn.Module]
"""(label, channels in, channels out) -> the module that stands at that place."""


class OSBlock(nn.Module):
    r"""Four streams of 1 to 4 light 3x3, added up under one gate that they share.

    .. math:: y = \mathrm{relu}\Big(\mathrm{leave}\big(\sum_{t=1}^4 G(x^t) \odot x^t\big)
              + \mathrm{shortcut}(x)\Big)

    with :math:`x^t` the t-th stream of a 1x1 convolution to a quarter of the output channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        mid = outputs // 4
        self.enter = conv_bn_relu(inputs, mid)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LightConv3x3(mid, mid) for _ in range(depth)))
            for depth in range(1, STREAMS + 1)
        )
        self.gate = ChannelGate(mid)
        self.leave = conv_bn(mid, outputs)
        self.shortcut = conv_bn(inputs, outputs) if inputs != outputs else nn.Identity()

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B O h w"]:
        """What the four scales see, and the shortcut."""
        entered = self.enter(x)
        seen = [self.gate.weigh(stream(entered)) for stream in self.streams]
        return torch.relu(self.leave(torch.stack(seen).sum(dim=0)) + self.shortcut(x))


def plain_block(label: str, inputs: int, outputs: int) -> nn.Module:
    """The block of the published network, at every place."""
    return OSBlock(inputs, outputs)


class OSBackbone(nn.Module):
    """Stem, three stages of two blocks, and a last 1x1 convolution.

    Args:
        block: makes the block of a place from its label (``conv2_0`` to ``conv4_1``) and its
            channels.
    """

    def __init__(self, block: BlockFactory = plain_block) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *conv_bn_relu(3, STEM_CHANNELS, 7, stride=2), nn.MaxPool2d(3, 2, padding=1)
        )
        inputs = STEM_CHANNELS
        stages: list[nn.Module] = []
        for number, outputs in enumerate(STAGE_CHANNELS, start=2):
            blocks = [
                block(f"conv{number}_0", inputs, outputs),
                block(f"conv{number}_1", outputs, outputs),
            ]
            if outputs != STAGE_CHANNELS[-1]:
                blocks.append(nn.Sequential(*conv_bn_relu(outputs, outputs), nn.AvgPool2d(2)))
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.last = conv_bn_relu(inputs, inputs)
        self.channels = inputs

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """The last map, at a 16th of the image's size."""
        maps: Tensor = self.last(self.stages(self.stem(images)))
        return maps


class OSNet(EmbeddingNetwork):
    """OSNet x1.0: 2,169,508 parameters and those of the neck, 0.98 GMACs at 256 x 128.

    ``v = relu(bn(fc(mean)))`` is the published feature; the neck is that of the common recipe.

    Args:
        block: see :class:`OSBackbone`.
        feature: which features ``forward`` returns.
    """

    def __init__(self, block: BlockFactory = plain_block, *, feature: Feature = "pooled") -> None:
        super().__init__(feature)
        self.backbone = OSBackbone(block)
        self.fc = nn.Sequential(
            nn.Linear(self.backbone.channels, FEATURE_DIMENSIONS),
            nn.BatchNorm1d(FEATURE_DIMENSIONS),
            nn.ReLU(inplace=True),
        )
        self.head = Neck(FEATURE_DIMENSIONS)
        initialise(self)

    @property
    def channels(self) -> int:
        """Channels C of the last map: 512."""
        return self.backbone.channels

    @property
    def dimensions(self) -> int:
        """Length D of the embedding: 512."""
        return FEATURE_DIMENSIONS

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        """The one head, and the map behind the last convolution."""
        last = self.backbone(images)
        return Description((self.head(self.fc(last.mean(dim=(2, 3)))),), last)
