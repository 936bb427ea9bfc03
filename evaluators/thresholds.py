"""From which similarity on two pictures are taken for one identity.

Letters: Q queries, G gallery pictures, N pictures of either part, B queries of one block, P pairs,
K bins.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from sklearn.metrics import roc_curve
from torch import Tensor

from evaluators.relevance import among
from evaluators.repeats import drawn_galleries, joined
from evaluators.retrieval import BLOCK_CELLS, MARKET_RULES, Features, check_sides
from evaluators.similarity import Similarity, unit
from reid_data.records import Protocol

RATES = (0.001, 0.01)
"""Shares of false accepts that a threshold is usually wanted for."""

EXACT_PAIRS = 1 << 22
"""Up to so many pairs every similarity is kept and sorted; beyond, they are counted in bins."""

BINS = 1 << 20
"""Between -1 and 1, each 1.9e-6 wide."""


@dataclass(frozen=True)
class Threshold:
    """One point of the ROC curve.

    Attributes:
        rate: share of false accepts that was allowed.
        similarity: the smallest cosine that may be accepted: pairs from it on, itself included;
            None where even the most similar pairs are falsely accepted too often.
        false_accepts: share of the pairs of two identities that it accepts, at most ``rate``.
        true_accepts: share of the pairs of one identity that it accepts.
    """

    rate: float
    similarity: float | None
    false_accepts: float
    true_accepts: float


@dataclass(frozen=True)
class Thresholds:
    """Thresholds and what they were taken from.

    Attributes:
        chosen: one per rate, in the order asked for.
        genuine: pairs of one identity.
        impostors: pairs of two.
        resolution: similarities nearer to each other than this are accepted or refused together:
            0 where all pairs were sorted, a bin's width where they were counted in bins. The
            shares of a threshold are exact either way.
    """

    chosen: tuple[Threshold, ...]
    genuine: int
    impostors: int
    resolution: float


def similarity_thresholds(
    query: Features,
    gallery: Features,
    protocol: Protocol = MARKET_RULES,
    *,
    rates: Sequence[float] = RATES,
    exact_pairs: int = EXACT_PAIRS,
) -> Thresholds:
    """The smallest similarity that accepts no more than a share of the pairs of two identities.

    A pair is a query and a gallery picture that the protocol lets it be compared with: without
    junk, without a distractor asking, and by the camera rule without pictures of its own identity
    and camera. A distractor in the gallery makes pairs of two identities. Where the protocol draws
    the gallery, the pairs of all repeats count. The curve is scikit-learn's ``roc_curve``.

    Args:
        query: pictures asked for.
        gallery: pictures searched in; its device does the work.
        protocol: the rules of the data set.
        rates: shares of false accepts, each in [0, 1].
        exact_pairs: beyond so many cells of the table of queries and gallery pictures, similarities
            are counted in bins, in memory that does not grow with the pairs: 16 MB of counts, a
            block's similarities, and three copies of the gallery.

    Raises:
        ValueError: if a vector is not finite, the two sides differ in dimensions, the gallery is
            empty, or there are no pairs of one kind.
    """
    sides = _sides(query, gallery, protocol)
    cells = sum(len(asked.identities) * len(searched.identities) for asked, searched in sides)
    blocks = _blocks(sides, protocol)
    counted = _binned(blocks) if cells > exact_pairs else _sorted_out(blocks)
    genuine, impostors = counted.weight[counted.same].sum(), counted.weight[~counted.same].sum()
    _require_both(int(genuine), int(impostors))
    false, true, similarity = roc_curve(
        counted.same, counted.similarity, sample_weight=counted.weight, drop_intermediate=False
    )
    chosen = tuple(_at(rate, false, true, similarity) for rate in rates)
    resolution = 2 / BINS if cells > exact_pairs else 0.0
    return Thresholds(chosen, int(genuine), int(impostors), resolution)


@dataclass(frozen=True)
class Accepted:
    """What is accepted from a similarity on, that similarity included.

    Attributes:
        similarity: a cosine; None accepts nobody.
        false_accepts: share of the pairs of two identities.
        true_accepts: share of the pairs of one identity.
        impostors: pairs of two identities, all of them.
    """

    similarity: float | None
    false_accepts: float
    true_accepts: float
    impostors: int


def accepted(
    query: Features,
    gallery: Features,
    protocol: Protocol = MARKET_RULES,
    *,
    similarities: Sequence[float | None],
) -> tuple[Accepted, ...]:
    """What given similarities accept: of these pictures, wherever the similarities are from.

    The pairs are those of ``similarity_thresholds``, whose shares these are for the similarities it
    chose. They are counted one by one, however many there are.

    Args:
        query: pictures asked for.
        gallery: pictures searched in; its device does the work.
        protocol: the rules of the data set.
        similarities: as ``Accepted`` has them.

    Raises:
        ValueError: as for ``similarity_thresholds``.
    """
    least = [math.inf if one is None else one for one in similarities]
    pairs, passed = [0, 0], [[0] * len(least), [0] * len(least)]
    for similarity, same in _blocks(_sides(query, gallery, protocol), protocol):
        for kind, chosen in enumerate((similarity[~same], similarity[same])):
            s = chosen.double()  # a bound that float32 lacks is not rounded to one that it has
            pairs[kind] += len(s)
            passed[kind] = [
                n + int((s >= t).sum()) for n, t in zip(passed[kind], least, strict=True)
            ]
    impostors, genuine = pairs
    _require_both(genuine, impostors)
    return tuple(
        Accepted(one, false / impostors, true / genuine, impostors)
        for one, false, true in zip(similarities, *passed, strict=True)
    )


@dataclass(frozen=True)
class _Counted:
    """Pairs, or equal pairs together."""

    similarity: Float[np.ndarray, " P"]
    same: Bool[np.ndarray, " P"]
    weight: Float[np.ndarray, " P"]


def _at(rate: float, false: np.ndarray, true: np.ndarray, similarity: np.ndarray) -> Threshold:
    """The last point of the curve whose false accepts are few enough; the first accepts nobody."""
    place = int(np.searchsorted(false, rate, side="right")) - 1
    accepting = float(similarity[place]) if place > 0 else None
    return Threshold(rate, accepting, float(false[place]), float(true[place]))


def _sides(
    query: Features, gallery: Features, protocol: Protocol
) -> list[tuple[Features, Features]]:
    """Queries and gallery of every repeat, or the two parts as they are."""
    if not protocol.repeats:
        return [(query, gallery)]
    both = joined(query, gallery)
    drawn = drawn_galleries(both.identities, repeats=protocol.repeats, seed=protocol.seed)
    return [(_rows(both, ~chosen), _rows(both, chosen)) for chosen in drawn]


def _blocks(
    sides: Sequence[tuple[Features, Features]], protocol: Protocol
) -> Iterator[tuple[Float32[Tensor, " P"], Bool[Tensor, " P"]]]:
    """The pairs of all sides."""
    return (block for side in sides for block in _pairs(*side, protocol))


def _require_both(genuine: int, impostors: int) -> None:
    if not genuine or not impostors:
        raise ValueError(
            f"{genuine} pairs of one identity and {impostors} of two were found: a threshold needs"
            " both; check that query and gallery share identities by other cameras."
        )


def _rows(features: Features, chosen: Bool[Tensor, " N"]) -> Features:
    return Features(features.vectors[chosen], features.identities[chosen], features.cameras[chosen])


def _pairs(
    query: Features, gallery: Features, protocol: Protocol
) -> Iterator[tuple[Float32[Tensor, " P"], Bool[Tensor, " P"]]]:
    """Similarities of the pairs that count, and which are of one identity, block by block."""
    check_sides(query, gallery)
    asks = ~among(query.identities, protocol.junk | protocol.distractors)
    stays = ~among(gallery.identities, protocol.junk)
    query, gallery = _rows(query, asks), _rows(gallery, stays)
    q, cosine = unit(query.vectors), Similarity(unit(gallery.vectors))
    device = gallery.vectors.device
    size = max(1, BLOCK_CELLS // max(1, len(gallery.identities)))
    for rows in torch.split(torch.arange(len(q)), size) if len(q) else ():
        same = query.identities[rows, None].to(device) == gallery.identities
        counts = torch.ones_like(same)
        if protocol.camera_rule:
            counts = ~(same & (query.cameras[rows, None].to(device) == gallery.cameras))
        yield cosine.of(q[rows].to(device))[counts], same[counts]


def _sorted_out(
    blocks: Iterator[tuple[Float32[Tensor, " P"], Bool[Tensor, " P"]]],
) -> _Counted:
    """Every pair for itself."""
    similarities, kinds = [torch.empty(0)], [torch.empty(0, dtype=torch.bool)]
    for similarity, same in blocks:
        similarities.append(similarity.cpu())
        kinds.append(same.cpu())
    together = torch.cat(similarities).numpy()
    return _Counted(together, torch.cat(kinds).numpy(), np.ones(len(together)))


def _binned(blocks: Iterator[tuple[Float32[Tensor, " P"], Bool[Tensor, " P"]]]) -> _Counted:
    """Pairs of a kind whose similarities lie in one bin together, at its lower edge.

    "At least the lower edge" accepts a bin whole, so that shares counted so are exact.
    """
    counts = torch.zeros(2 * (BINS + 1), dtype=torch.int64)
    for similarity, same in blocks:
        kind = torch.where(same, BINS + 1, 0)
        counts += torch.bincount(_bin(similarity) + kind, minlength=len(counts)).cpu()
    filled = counts.nonzero().squeeze(1)
    same, number = filled > BINS, filled % (BINS + 1)
    edge = number.double() * (2 / BINS) - 1
    return _Counted(edge.numpy(), same.numpy(), counts[filled].double().numpy())


def _bin(similarity: Float32[Tensor, " P"]) -> Int[Tensor, " P"]:
    """``0..BINS``; a cosine that rounding put beyond 1 is 1."""
    return ((similarity.double().clamp(-1, 1) + 1) * (BINS / 2)).long()
