"""How weights are moved: optimiser, learning rate and its schedule, as frozen values."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, inf, pi
from typing import Literal, NamedTuple

from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

_CHOICES = {"name": ("sgd", "adamw"), "schedule": ("multistep", "cosine", "one_cycle")}
_MOST = {
    **{"learning_rate": inf, "weight_decay": inf, "warmup_epochs": inf, "gamma": inf},
    **{"momentum": 1, "warmup_start": 1},
}


class Descent(NamedTuple):
    """An optimiser and the schedule of its learning rate.

    Attributes:
        optimizer: of the weights.
        scheduler: to be stepped once per ``interval``.
        interval: "step" for every batch, "epoch" for every epoch.
    """

    optimizer: Optimizer
    scheduler: LRScheduler
    interval: Literal["step", "epoch"]


@dataclass(frozen=True)
class WeightOptimiser:
    """Settings of a descent; the defaults are those of MSINet's search (CVPR 2023, section 4.1).

    Attributes:
        name: "sgd" or "adamw".
        learning_rate: the highest.
        momentum: of SGD.
        weight_decay: coupled for SGD, decoupled for AdamW.
        schedule: "multistep" and "cosine" begin with a linear warm-up and change once per epoch;
            "one_cycle" rises from 1/25 over the first 30 % of all batches and falls to 0 along
            cosines, has no warm-up, and moves the momentum against the rate.
        warmup_epochs: epochs until the full rate.
        warmup_start: share of the rate that the warm-up begins with.
        milestones: epochs at which "multistep" multiplies the rate by ``gamma``.
        gamma: of "multistep".

    Raises:
        ValueError: a name is unknown or a number outside its range.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.025
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["multistep", "cosine", "one_cycle"] = "multistep"
    warmup_epochs: int = 10
    warmup_start: float = 0.01
    milestones: tuple[int, ...] = (150, 225, 300)
    gamma: float = 0.1

    def __post_init__(self) -> None:
        for setting, choices in _CHOICES.items():
            if getattr(self, setting) not in choices:
                raise ValueError(
                    f"The weight optimiser's {setting} is {getattr(self, setting)!r}: use one of"
                    f" {', '.join(choices)}."
                )
        for setting, most in _MOST.items():
            number = getattr(self, setting)
            if not 0 <= number <= most or number == inf:
                raise ValueError(
                    f"The weight optimiser's {setting} is {number}: a finite number of 0 or more"
                    f"{'' if most == inf else f', at most {most}'} is needed."
                )

    def factor(self, epoch: int, epochs: int) -> float:
        """Share of the learning rate in an epoch of a "multistep" or "cosine" schedule.

        Args:
            epoch: counted from 0.
            epochs: of the whole run.
        """
        if epoch < self.warmup_epochs:
            return self.warmup_start + (1 - self.warmup_start) * epoch / self.warmup_epochs
        if self.schedule == "cosine":
            done = (epoch - self.warmup_epochs) / max(1, epochs - self.warmup_epochs)
            return (1 + cos(pi * min(1.0, done))) / 2
        return float(self.gamma ** sum(milestone <= epoch for milestone in self.milestones))

    def build(
        self, parameters: Iterable[Parameter], *, epochs: int, steps_per_epoch: int
    ) -> Descent:
        """The optimiser and its schedule for a run.

        Args:
            parameters: what moves; frozen ones are left out.
            epochs: of the whole run.
            steps_per_epoch: batches of an epoch.
        """
        moving = [parameter for parameter in parameters if parameter.requires_grad]
        optimizer: Optimizer
        if self.name == "sgd":
            optimizer = SGD(
                moving,
                lr=self.learning_rate,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
            )
        else:
            optimizer = AdamW(moving, lr=self.learning_rate, weight_decay=self.weight_decay)
        if self.schedule == "one_cycle":
            cycle = OneCycleLR(
                optimizer, max_lr=self.learning_rate, total_steps=epochs * steps_per_epoch
            )
            return Descent(optimizer, cycle, "step")
        by_epoch = LambdaLR(optimizer, lambda epoch: self.factor(epoch, epochs))
        return Descent(optimizer, by_epoch, "epoch")
