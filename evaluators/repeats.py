"""Retrieval where the gallery is drawn: one picture of each identity, several times.

VehicleID (Liu et al., CVPR 2016) is evaluated so. Letters: N test pictures, I their identities,
R repeats.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from evaluators.retrieval import Features, Retrieval, retrieve
from reid_data.randomness import generator_of
from reid_data.records import Protocol


def drawn_galleries(
    identities: Int[Tensor, " N"], *, repeats: int, seed: int
) -> Bool[Tensor, "R N"]:
    """Which pictures are the gallery of each repeat: one of every identity.

    All pictures of an identity are equally likely. A repeat depends on its number, the seed and
    the order of the pictures alone: a data set's parts are sorted, so that every machine draws
    the same.

    Args:
        identities: of the test pictures.
        repeats: ``R``.
        seed: of the draws.
    """
    _, kind, pictures = torch.unique(identities.cpu(), return_inverse=True, return_counts=True)
    first = pictures.cumsum(0) - pictures
    by_identity = kind.argsort(stable=True)
    galleries = torch.zeros((repeats, len(kind)), dtype=torch.bool)
    for repeat, gallery in enumerate(galleries):
        u = torch.rand(len(pictures), generator=generator_of(seed, repeat), dtype=torch.float64)
        gallery[by_identity[first + (u * pictures).long()]] = True
    return galleries.to(identities.device)


def retrieve_repeated(features: Features, protocol: Protocol) -> tuple[Retrieval, ...]:
    """One score per repeat: the drawn pictures are the gallery, all others are queries.

    Every query has exactly one relevant picture, so that its average precision is the inverse of
    that picture's rank. An identity with a single picture is in every gallery and never asked for.

    Args:
        features: of all test pictures, in the data set's order.
        protocol: of the data set; its camera rule holds here as well.

    Returns:
        A ``Retrieval`` per repeat, whose ``query`` numbers rows of ``features``.

    Raises:
        ValueError: if the protocol has no repeats, a vector is not finite, or no identity has two
            pictures.
    """
    if protocol.repeats < 1:
        raise ValueError(
            f"The protocol has {protocol.repeats} repeats: 1 or more are needed to draw a gallery;"
            " use retrieve for a data set with a gallery of its own."
        )
    galleries = drawn_galleries(features.identities, repeats=protocol.repeats, seed=protocol.seed)
    return tuple(_retrieve(features, gallery, protocol) for gallery in galleries)


def pooled(repeats: Sequence[Retrieval]) -> Retrieval:
    """All queries of all repeats as one score, repeat after repeat.

    Repeats that have equally many queries, as those of ``retrieve_repeated`` do, weigh the same:
    the mean over these queries is the mean over the repeats.

    Raises:
        ValueError: if there is no repeat.
    """
    if not repeats:
        raise ValueError("There is no repeat to take the mean of: hand in at least one.")
    return Retrieval(
        query=torch.cat([repeat.query for repeat in repeats]),
        average_precision=torch.cat([repeat.average_precision for repeat in repeats]),
        trapezoid=torch.cat([repeat.trapezoid for repeat in repeats]),
        inverse_penalty=torch.cat([repeat.inverse_penalty for repeat in repeats]),
        first=torch.cat([repeat.first for repeat in repeats]),
        queries_skipped=sum(repeat.queries_skipped for repeat in repeats),
    )


def _retrieve(features: Features, gallery: Bool[Tensor, " N"], protocol: Protocol) -> Retrieval:
    rows = (~gallery).nonzero().squeeze(1)
    found = retrieve(_rows(features, ~gallery), _rows(features, gallery), protocol)
    return replace(found, query=rows[found.query])


def _rows(features: Features, chosen: Bool[Tensor, " N"]) -> Features:
    return Features(features.vectors[chosen], features.identities[chosen], features.cameras[chosen])
