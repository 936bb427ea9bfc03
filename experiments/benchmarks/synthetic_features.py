r"""Features as a network makes them of a data set, made up: for measuring, not for scoring.

A picture's vector is its identity's centre, its camera's offset and noise,

.. math:: x = c_i + 0.3\, o_k + \sigma h_i h_x\, n, \qquad \ln h_i \sim N(0, 0.4^2), \quad
          \ln h_x \sim N(0, 0.2^2),

with Gaussian :math:`c, o, n`, whose variance falls as :math:`1/d` from one dimension ``d`` to the
next, as features' principal components do. Some identities (:math:`h_i`) and some pictures
(:math:`h_x`) are harder than others: without that no ranking has the long tail that real ones
have. With rank-1 at 0.8 mAP is about 0.55 and mINP 0.2, as published networks have them on MSMT17.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int
from torch import Generator, Tensor

from evaluators.retrieval import Features
from reid_data.records import DISTRACTOR

_CAMERAS_OF_ONE = 5
"""Cameras that see one identity, at most."""

_CHUNK = 4096
"""Vectors made at a time: making them must not need more memory than they take."""


@dataclass(frozen=True)
class Size:
    """How large a test part is, as the published data sets count.

    Attributes:
        queries: pictures asked for.
        gallery: pictures searched in, distractors included.
        identities: of the queries.
        cameras: of the data set.
        distractors: gallery pictures of nobody.
        noise: ``sigma``: with it, rank-1 is about 0.8 at this size and 512 dimensions.
    """

    queries: int
    gallery: int
    identities: int
    cameras: int
    distractors: int
    noise: float


SIZES = {
    "1,000 x 5,000": Size(1_000, 5_000, 250, 6, 0, noise=1.1),
    "Market-1501": Size(3_368, 15_913, 750, 6, 2_798, noise=1.0),
    "MSMT17": Size(11_659, 82_161, 3_060, 15, 0, noise=1.0),
}


def synthetic_features(
    size: Size, *, good: bool, dimensions: int = 512, generator: Generator
) -> tuple[Features, Features]:
    """Query and gallery; the same for the same state of the generator.

    Args:
        size: how many of what.
        good: rank-1 of about 0.8; or else noise alone, which knows nobody.
        dimensions: of the vectors.
        generator: draws everything, on the CPU.
    """
    people = size.identities + size.distractors  # behind each distractor is somebody else
    falling = torch.arange(1, dimensions + 1).rsqrt()

    def gaussian(rows: int) -> Float32[Tensor, "rows D"]:
        return torch.randn(rows, dimensions, generator=generator) * falling

    centre, offset = gaussian(people), 0.3 * gaussian(size.cameras)
    hard = size.noise * torch.exp(0.4 * torch.randn(people, 1, generator=generator))
    seen_by = torch.rand(people, size.cameras, generator=generator).argsort(1)[:, :_CAMERAS_OF_ONE]

    def part(pictures: int, distractors: int) -> Features:
        person = _persons(size.identities, pictures, distractors, generator)
        column = torch.randint(seen_by.shape[1], (pictures,), generator=generator)
        camera = seen_by[person, column]
        vectors = torch.empty(pictures, dimensions)
        for rows in torch.split(torch.arange(pictures), _CHUNK):
            who = person[rows]
            harder = torch.exp(0.2 * torch.randn(len(rows), 1, generator=generator))
            vectors[rows] = gaussian(len(rows)) * hard[who] * harder
            if good:
                vectors[rows] += centre[who] + offset[camera[rows]]
        identity = torch.where(person < size.identities, person + 1, DISTRACTOR)
        return Features(vectors, identity, camera)

    return part(size.queries, 0), part(size.gallery, size.distractors)


def _persons(
    identities: int, pictures: int, distractors: int, generator: Generator
) -> Int[Tensor, " pictures"]:
    """Everybody equally often, but for the remainder, and every distractor once; shuffled."""
    shown = pictures - distractors
    everybody = torch.arange(identities).repeat(math.ceil(shown / identities))[:shown]
    person = torch.cat([everybody, torch.arange(identities, identities + distractors)])
    return person[torch.randperm(pictures, generator=generator)]
