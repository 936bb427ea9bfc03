"""The settings of a training without labels; apart, so that a recipe can hold them."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from evaluators.pseudo_labels import Distance, check_settings


@dataclass(frozen=True)
class Unsupervised:
    """How pictures are grouped before every epoch, and what is learnt from the groups.

    Attributes:
        cameras: what a camera adds to all its pictures is taken out of their features before these
            are grouped, or is ignored.
        distance: between pictures.
        eps: up to which pictures are near each other, in (0, 1).
        min_samples: pictures near each other, from which on they are a group.
        k1: others in a neighbourhood; for the Jaccard distance, as ``k2``.
        k2: pictures in a mean of the local query expansion.
        temperature: ``tau``, of the loss; that of MSINet's memories, as the momentum.
        momentum: ``beta``, the share of the old centroid in an update.
        batches: of an epoch, or 0 for as many as would show every training picture once. Their
            number is the same in all epochs, as the schedules need it, whatever is left out.
    """

    cameras: Literal["standardised", "ignored"] = "standardised"
    distance: Distance = "jaccard"
    eps: float = 0.6
    min_samples: int = 4
    k1: int = 30
    k2: int = 6
    temperature: float = 0.05
    momentum: float = 0.2
    batches: int = 0

    def __post_init__(self) -> None:
        check_settings(
            eps=self.eps,
            min_samples=self.min_samples,
            distance=self.distance,
            k1=self.k1,
            k2=self.k2,
        )
        if not 0 < self.temperature < inf or not 0 <= self.momentum <= 1 or self.batches < 0:
            raise ValueError(
                f"A training without labels was asked for with the temperature {self.temperature},"
                f" the momentum {self.momentum} and {self.batches} batches an epoch: above 0, in"
                " [0, 1], and 0 or more are needed."
            )
