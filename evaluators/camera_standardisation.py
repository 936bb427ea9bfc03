"""Features without what their camera adds to them.

A network that was trained elsewhere finds the pictures of one camera alike: its light, its view,
its background. Every camera sees much the same identities, so that what its pictures have in common
tells of the camera; the same thought is behind camera-based batch normalisation (Zhuang et al.,
ECCV 2020). No identity is needed for it.

Letters: N pictures, D dimensions.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from evaluators.similarity import unit


def standardised_by_camera(
    vectors: Float[Tensor, "N D"], cameras: Int[Tensor, " N"]
) -> Float[Tensor, "N D"]:
    """Every camera's mean taken out and its deviation divided by, then unit length.

    A dimension in which all pictures of a camera are equal becomes 0 for them. Pictures that would
    be nothing then, as the only one of a camera, and all where there is a single camera, stay as
    they are.

    Args:
        vectors: of any length but finite.
        cameras: of the same pictures.

    Returns:
        Rows of unit length.
    """
    there = torch.unique(cameras)
    if len(there) < 2:
        return unit(vectors)
    found = torch.empty_like(vectors)
    for camera in there:
        seen = cameras == camera
        deviation, mean = torch.std_mean(vectors[seen], dim=0, correction=0)
        centred = vectors[seen] - mean
        found[seen] = torch.where(deviation > _ROUNDING * mean.abs(), centred / deviation, 0)
    empty = ~found.any(dim=1)
    found[empty] = vectors[empty]
    return unit(found)


_ROUNDING = 1e-6
"""A deviation below this share of the mean is that of equal numbers added up."""
