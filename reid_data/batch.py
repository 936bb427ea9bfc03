"""What a batch says of itself."""

from enum import StrEnum
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

# B pictures of a batch, H x W pixels


class Twin(StrEnum):
    """The side of a two-sided search a batch belongs to."""

    TRAIN = "train"
    """Moves the weights."""
    VAL = "val"
    """Moves the architecture."""


class Batch(NamedTuple):
    """P identities x K pictures.

    Attributes:
        images: RGB, normalised.
        identities: labels in ``0..I-1``, one numbering for both twins, so that an identity the
            twins share has one label and any other label belongs to one twin only.
        cameras: camera numbers of the data set.
        twin: the side these pictures belong to.
    """

    images: Float[Tensor, "B 3 H W"]
    identities: Int[Tensor, " B"]
    cameras: Int[Tensor, " B"]
    twin: Twin
