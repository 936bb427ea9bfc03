"""The MSI backbone and the plain network of a genotype.

Source: MSINet (CVPR 2023), section 3.3; where the paper's figure and its authors' code differ
(one 1x1 convolution behind both branches, or one behind each), the code is followed, because its
parameter count is the paper's (decision 1).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nas_space.genotype import Genotype
from nas_space.heads import Description, EmbeddingNetwork, Feature, Head
from nas_space.interactions import interaction
from nas_space.layers import LightConv3x3, conv_bn, conv_bn_relu, initialise

# B pictures, C channels, D numbers of a feature, H x W pixels of the image, h x w of a map

STEM_CHANNELS = 64
STAGE_CHANNELS = (256, 384, 512)
LOCAL_CHANNELS = 128

SlotFactory = Callable[[str, int], nn.Module]
"""(label, channels of a branch) -> the module that stands in the slot."""

CellWidth = Literal["out", "in"]
"""Branches have a quarter of the cell's output channels (the published network), or of its input
channels (the supernet of the authors' code)."""


class Cell(nn.Module):
    """Two branches of different depth that meet in two slots.

    ``out = relu(a + b + shortcut)``. Branch a has one light 3x3 before and one between the slots,
    branch b three each by default: receptive fields of 5x5 and 13x13.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        slot: SlotFactory,
        *,
        name: str,
        depths: tuple[int, int],
        cell_width: CellWidth,
    ) -> None:
        super().__init__()
        mid = (outputs if cell_width == "out" else inputs) // 4
        self.enter_a, self.enter_b = conv_bn_relu(inputs, mid), conv_bn_relu(inputs, mid)
        self.first_a, self.first_b = (_light_stack(mid, depth) for depth in depths)
        self.slot0 = slot(f"{name}_slot0", mid)
        self.second_a, self.second_b = (_light_stack(mid, depth) for depth in depths)
        self.slot1 = slot(f"{name}_slot1", mid)
        self.leave_a, self.leave_b = conv_bn(mid, outputs), conv_bn(mid, outputs)
        self.shortcut = conv_bn(inputs, outputs) if inputs != outputs else nn.Identity()

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B O h w"]:
        """Both branches, joined in the slots, and the shortcut."""
        pair = self.first_a(self.enter_a(x)), self.first_b(self.enter_b(x))
        a, b = self.slot0(pair)
        a, b = self.slot1((self.second_a(a), self.second_b(b)))
        return torch.relu(self.leave_a(a) + self.leave_b(b) + self.shortcut(x))


def _light_stack(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(LightConv3x3(channels, channels) for _ in range(depth)))


ResidualStart = Literal["one", "zero"]
"""Weight of the last normalisation of every branch at the start: 1 as published, or 0, which makes
a cell begin as its shortcut (decision 12)."""


class Maps(NamedTuple):
    """What the backbone hands to the heads; sizes for an image of 256 x 128."""

    middle: Float[Tensor, "B M h w"]
    """Input of the local head: 384 x 16 x 8."""
    last: Float[Tensor, "B C h w"]
    """Input of the global head: 512 x 16 x 8."""


class MSIBackbone(nn.Module):
    """Stem and six cells; the slots are filled by a factory.

    Args:
        slot: makes the module of a slot from its label and its channels.
        width: factor on all channels; 1 is the published network.
        depths: light 3x3 convolutions per half of branch a and of branch b.
        cell_width: what the branches' channels are a quarter of.

    Raises:
        ValueError: if the width leaves a branch without a channel.
    """

    def __init__(
        self,
        slot: SlotFactory,
        *,
        width: float = 1.0,
        depths: tuple[int, int] = (1, 3),
        cell_width: CellWidth = "out",
    ) -> None:
        super().__init__()
        stem, *stages = (round(width * c) for c in (STEM_CHANNELS, *STAGE_CHANNELS))
        if stem < 4:
            raise ValueError(f"A width of {width} leaves {stem} stem channels: 4 are needed.")
        self.stem = nn.Sequential(
            *conv_bn_relu(3, stem, 7, stride=2), nn.MaxPool2d(3, 2, padding=1)
        )
        channels = [stem]
        cells, self.downs = nn.ModuleList(), nn.ModuleList()
        for stage, outputs in enumerate(stages):
            for place in range(2):
                cells.append(
                    Cell(
                        channels[-1],
                        outputs,
                        slot,
                        name=f"cell{2 * stage + place}",
                        depths=depths,
                        cell_width=cell_width,
                    )
                )
                channels.append(outputs)
            if stage < 2:
                self.downs.append(nn.Sequential(*conv_bn_relu(outputs, outputs), nn.AvgPool2d(2)))
        self.cells = cells
        self.middle_channels, self.channels = stages[1], stages[2]

    def start_residuals(self, at: ResidualStart) -> None:
        """Set the weights of each branch's last normalisation."""
        for cell in self.cells.children():
            for leave in ("leave_a.1.weight", "leave_b.1.weight"):
                nn.init.constant_(cell.get_parameter(leave), 1.0 if at == "one" else 0.0)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Maps:
        """The maps of the second and the third stage, at a 16th of the image's size."""
        x = self.stem(images)
        x = self.downs[0](self.cells[1](self.cells[0](x)))
        middle = self.downs[1](self.cells[3](self.cells[2](x)))
        return Maps(middle, self.cells[5](self.cells[4](middle)))


class MSINet(EmbeddingNetwork):
    """The network of a genotype; needs torch alone.

    2,328,035 parameters (identity classifiers belong to the training, not to the network) for the
    published genotype at width 1, and 1.13 GMACs at 256 x 128.

    Args:
        genotype: of the MSI space.
        width: factor on all channels.
        feature: which features ``forward`` returns.
        depths: light 3x3 convolutions per half of either branch.
        cell_width: what the branches' channels are a quarter of.
        residual_start: weight of every branch's last normalisation at the start.
        local_branch: describe an image by the halves of the middle map as well.
        subtract: of a cross attention (decision 2).
    """

    def __init__(
        self,
        genotype: Genotype,
        *,
        width: float = 1.0,
        feature: Feature = "pooled",
        depths: tuple[int, int] = (1, 3),
        cell_width: CellWidth = "out",
        residual_start: ResidualStart = "one",
        local_branch: bool = True,
        subtract: bool = True,
    ) -> None:
        super().__init__(feature)
        self.backbone = MSIBackbone(
            lambda label, channels: interaction(genotype.slots[label], channels, subtract=subtract),
            width=width,
            depths=depths,
            cell_width=cell_width,
        )
        local = round(width * LOCAL_CHANNELS)
        self.local_branch = local_branch
        if local_branch:
            self.reduce = nn.Conv2d(self.backbone.middle_channels, local, 1)
        self.global_head = Head(self.backbone.channels)
        if local_branch:
            self.local_head = Head(2 * local)
        initialise(self)
        self.backbone.start_residuals(residual_start)

    @property
    def channels(self) -> int:
        """Channels C of the last map: 512 at width 1."""
        return self.backbone.channels

    @property
    def dimensions(self) -> int:
        """Length D of the embedding: 768 at width 1, 512 of them global."""
        local = 2 * self.reduce.out_channels if self.local_branch else 0
        return self.backbone.channels + local

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        """The global head, the local one where there is one, and the map of the third stage.

        The local head sees the means of the map's upper and lower half, one behind the other.
        """
        middle, last = self.backbone(images)
        v = last.mean(dim=(2, 3))
        if not self.local_branch:
            return Description((self.global_head(v),), last)
        halves = F.adaptive_avg_pool2d(self.reduce(middle), (2, 1)).squeeze(3)
        f_v = halves.transpose(1, 2).flatten(1)
        return Description((self.global_head(v), self.local_head(f_v)), last)
