"""How long, where and how exactly a network is trained, as frozen values."""

from dataclasses import dataclass
from typing import Literal

import torch

from evaluators.optimisation import WeightOptimiser

Precision = Literal["32", "bf16", "16"]
"""Of forward and backward pass; weights, and every loss, are of 32 bits."""


@dataclass(frozen=True)
class Course:
    """How long, where and how exactly.

    Attributes:
        epochs: passes over the pictures, of all devices together.
        weights: how the weights move.
        device: kind of the devices.
        precision: of the arithmetic.
        accumulate: batches whose gradients are averaged for a step; those of fewer, at the end of
            an epoch, count as much each.
        devices: that train together, each on its share of an epoch's batches: a step's gradient is
            the mean of theirs. Running statistics are those of the first.
        score_every: epochs between two scores; the last epoch is scored besides.

    Raises:
        ValueError: if the device cannot do it.
    """

    epochs: int
    weights: WeightOptimiser
    device: torch.device
    precision: Precision = "32"
    accumulate: int = 1
    devices: int = 1
    score_every: int = 1

    def __post_init__(self) -> None:
        on_gpu = self.device.type == "cuda"
        able = {
            "32": True,
            "bf16": not on_gpu or torch.cuda.is_bf16_supported(including_emulation=False),
            "16": on_gpu,
        }
        if not able[self.precision]:
            possible = ", ".join(name for name, yes in able.items() if yes)
            raise ValueError(
                f"Precision {self.precision!r} was asked for, which the device"
                f" {self.device.type!r} has not: set retrain.precision to one of {possible}."
            )
        if on_gpu and self.devices > torch.cuda.device_count():
            raise ValueError(
                f"{self.devices} devices were asked for and {torch.cuda.device_count()} are there:"
                " lower retrain.devices."
            )
