"""Retrieval where the gallery is drawn: one picture of each identity, several times.

VehicleID (Liu et al., CVPR 2016) is evaluated so. Letters: N test pictures, I their identities,
R repeats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from evaluators.metrics import METRICS, metrics_of
from evaluators.retrieval import Features, Retrieval, retrieve
from reid_data.bars import bar
from reid_data.randomness import generator_of
from reid_data.records import Protocol

Score = Callable[..., Retrieval]
"""Takes query, gallery, protocol and ``progress``, as ``retrieve`` does."""


@dataclass(frozen=True)
class Spread:
    """A metric over repeats.

    Attributes:
        mean: a fraction, as the metric.
        deviation: the population's standard deviation (divided by R), so that one repeat has 0.
    """

    mean: float
    deviation: float


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


def retrieve_repeated(
    features: Features,
    protocol: Protocol,
    *,
    galleries: Bool[Tensor, "R N"] | None = None,
    score: Score = retrieve,
    progress: str | None = None,
) -> tuple[Retrieval, ...]:
    """One score per repeat: the drawn pictures are the gallery, all others are queries.

    Every query has exactly one relevant picture, so that its average precision is the inverse of
    that picture's rank. An identity with a single picture is in every gallery and never asked for.

    Args:
        features: of all test pictures, in the data set's order.
        protocol: of the data set; its camera rule holds here as well.
        galleries: of each repeat; None to draw them as the protocol says.
        score: what scores the queries of a repeat in its gallery.
        progress: what to call the work in progress bars, one of the repeats and those of each, or
            None for no bars.

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
    if galleries is None:
        galleries = drawn_galleries(
            features.identities, repeats=protocol.repeats, seed=protocol.seed
        )
    found = []
    with bar(total=len(galleries), desc=progress, unit="repeat") as done:
        for number, gallery in enumerate(galleries, start=1):
            name = f"{progress}, repeat {number}" if progress else None
            found.append(_retrieve(features, gallery, protocol, score, name))
            done.update()
    return tuple(found)


def evaluated(
    query: Features,
    gallery: Features,
    protocol: Protocol,
    *,
    galleries: Bool[Tensor, "R N"] | None = None,
    score: Score = retrieve,
    progress: str | None = None,
) -> tuple[Retrieval, ...]:
    """What the protocol asks for: one score, or one per repeat where it draws the gallery.

    Args:
        query: pictures asked for.
        gallery: pictures searched in; where the protocol draws them, both parts are pooled first.
        protocol: the rules of the data set that is searched.
        galleries: as for `retrieve_repeated`, of the pooled pictures.
        score: as for `retrieve_repeated`.
        progress: what to call the work in a progress bar, or None for no bar.

    Returns:
        One or more, whose ``query`` numbers rows of ``query``, or of the pooled pictures.

    Raises:
        ValueError: as ``score``.
    """
    if not protocol.repeats:
        return (score(query, gallery, protocol, progress=progress),)
    return retrieve_repeated(
        joined(query, gallery), protocol, galleries=galleries, score=score, progress=progress
    )


def joined(query: Features, gallery: Features) -> Features:
    """The pictures of both parts as one, the gallery's behind the query's."""
    return Features(
        torch.cat([query.vectors, gallery.vectors]),
        torch.cat([query.identities, gallery.identities]),
        torch.cat([query.cameras, gallery.cameras]),
    )


def spread(repeats: Sequence[Retrieval]) -> dict[str, Spread]:
    """Metric -> its mean and standard deviation over the repeats, in the order of ``METRICS``.

    Raises:
        ValueError: if there is no repeat.
    """
    _refuse_none(repeats)
    of_repeat = [metrics_of(repeat) for repeat in repeats]
    spreads = {}
    for name in METRICS:
        values = torch.tensor([metrics[name] for metrics in of_repeat], dtype=torch.float64)
        spreads[name] = Spread(float(values.mean()), float(values.std(correction=0)))
    return spreads


def pooled(repeats: Sequence[Retrieval]) -> Retrieval:
    """All queries of all repeats as one score, repeat after repeat.

    Repeats that have equally many queries, as those of ``retrieve_repeated`` do, weigh the same:
    the mean over these queries is the mean over the repeats.

    Raises:
        ValueError: if there is no repeat.
    """
    _refuse_none(repeats)
    return Retrieval(
        query=torch.cat([repeat.query for repeat in repeats]),
        average_precision=torch.cat([repeat.average_precision for repeat in repeats]),
        trapezoid=torch.cat([repeat.trapezoid for repeat in repeats]),
        inverse_penalty=torch.cat([repeat.inverse_penalty for repeat in repeats]),
        first=torch.cat([repeat.first for repeat in repeats]),
        queries_skipped=sum(repeat.queries_skipped for repeat in repeats),
        queries_left_out=sum(repeat.queries_left_out for repeat in repeats),
    )


def _refuse_none(repeats: Sequence[Retrieval]) -> None:
    if not repeats:
        raise ValueError("There is no repeat to take the mean of: hand in at least one.")


def _retrieve(
    features: Features,
    gallery: Bool[Tensor, " N"],
    protocol: Protocol,
    score: Score,
    progress: str | None,
) -> Retrieval:
    rows = (~gallery).nonzero().squeeze(1)
    found = score(_rows(features, ~gallery), _rows(features, gallery), protocol, progress=progress)
    return replace(found, query=rows[found.query])


def _rows(features: Features, chosen: Bool[Tensor, " N"]) -> Features:
    return Features(features.vectors[chosen], features.identities[chosen], features.cameras[chosen])
