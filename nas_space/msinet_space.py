"""The MSI space as NNI sees it: 12 layer choices in one backbone."""

from typing import Any

from jaxtyping import Float
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn

from nas_space.interactions import INTERACTIONS, interaction
from nas_space.layers import initialise
from nas_space.msinet import CellWidth, MSIBackbone, ResidualStart

# B pictures, D = 512 x width numbers of a feature, H x W pixels of the image

_FEWEST = 2
"""Candidates of a slot: with fewer there is nothing to choose."""


class MSINetSpace(ModelSpace):  # type: ignore[misc]
    """The supernet's backbone with a choice of interaction in each of 12 slots.

    Source: MSINet (CVPR 2023), section 3.2: searched without local branch and without neck, on the
    pooled feature. The neck serves an identity classifier, where the search's loss has one (TCM's
    has none). 1,960,212 parameters at width 1, or 1,687,590 with ``cell_width="in"``, the
    narrower cells of the authors' code (decision 3).

    Args:
        width: factor on all channels.
        depths: light 3x3 convolutions per half of either branch.
        cell_width: what the branches' channels are a quarter of.
        candidates: names of the interactions every slot chooses from.
        residual_start: weight of every branch's last normalisation at the start.
        subtract: of a cross attention (decision 2).

    Raises:
        ValueError: if a candidate is unknown or named twice, or there are fewer than two.
    """

    def __init__(
        self,
        width: float = 1.0,
        depths: tuple[int, int] = (1, 3),
        cell_width: CellWidth = "out",
        candidates: tuple[str, ...] = tuple(INTERACTIONS),
        residual_start: ResidualStart = "one",
        subtract: bool = True,
    ) -> None:
        super().__init__()
        if len(set(candidates)) != len(candidates) or len(candidates) < _FEWEST:
            raise ValueError(
                f"The candidates {', '.join(candidates) or 'none'} were found: a slot chooses from"
                f" {_FEWEST} or more different ones of {', '.join(INTERACTIONS)}."
            )

        def slot(label: str, channels: int) -> nn.Module:
            choices: Any = {
                name: interaction(name, channels, subtract=subtract) for name in candidates
            }
            choice: nn.Module = LayerChoice(choices, label=label)
            return choice

        self.backbone = MSIBackbone(slot, width=width, depths=depths, cell_width=cell_width)
        self.neck = nn.BatchNorm1d(self.backbone.channels, track_running_stats=False)
        self.neck.bias.requires_grad_(False)
        initialise(self)
        self.backbone.start_residuals(residual_start)

    @property
    def dimensions(self) -> int:
        """Length D of the feature."""
        return int(self.backbone.channels)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """The pooled feature of the last map, before any normalisation."""
        pooled: Tensor = self.backbone(images).last.mean(dim=(2, 3))
        return pooled
