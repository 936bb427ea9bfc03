"""The parity gate: an exported file scores what the checkpoint scores, or is not handed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from evaluators.metrics import METRICS
from evaluators.repeats import Spread, evaluated, pooled, spread
from evaluators.retrieval import Features
from evaluators.similarity import check_finite
from evaluators.thresholds import Thresholds, similarity_thresholds
from experiments.describes import Describes
from experiments.export_graph import Precision
from experiments.exported import Exported
from reid_data.pictures import Pictures
from reid_data.records import ReidDataset, Sighting

# N pictures, B of them in a batch, D numbers of a feature, H x W pixels

LARGEST_MAP_DIFFERENCE = 0.001
"""0.1 points of mAP."""

TOLERANCE = {"32": 1e-6, "16": 1e-4}
"""Precision -> how far a feature may be off: 1 minus the cosine of the file's and the checkpoint's.

Of whole features: their single numbers are the smaller, the more of them there are.
"""

BATCH_SIZES = (1, 7)
BATCH_SIZE = 64


@dataclass(frozen=True)
class Parity:
    """An exported file beside its checkpoint, on all query and gallery pictures.

    Attributes:
        checkpoint: metric -> mean and deviation over the repeats, of the checkpoint.
        exported: the same of the file.
        difference: the largest 1 minus cosine between their features of a picture.
        queries: evaluated, in all repeats.
        repeats: 1, or drawn galleries.
        thresholds: of the file's features.
    """

    checkpoint: dict[str, Spread]
    exported: dict[str, Spread]
    difference: float
    queries: int
    repeats: int
    thresholds: Thresholds


def compare(
    checkpoint: Describes,
    exported: Exported,
    dataset: ReidDataset,
    *,
    precision: Precision,
    cached: bool = False,
) -> Parity:
    """Score both, and refuse a file that is not the checkpoint; a few pictures are looked at first.

    Args:
        checkpoint: the trained network.
        exported: the file that was made of it.
        dataset: has a query part; its protocol holds.
        precision: of the file.
        cached: keep the decoded pictures for the next time.

    Raises:
        ValueError: if mAP differs by more than 0.1 points, a feature by more than the precision
            explains, a batch's size changes a feature, or a feature is not finite.
    """
    between = _between_batches(exported, dataset)
    require_near("between batches of 1 and of 7 pictures", between, precision)
    first = [dataset.query[: max(BATCH_SIZES)]]
    (few,) = map(distance, _of(checkpoint, first), _of(exported, first))
    require_near("from the checkpoint's", few, precision)
    parts = dataset.query, dataset.gallery
    ours = _of(checkpoint, parts, cached=cached, progress="checkpoint")
    theirs = _of(exported, parts, cached=cached, progress="exported file")
    for features in theirs:
        check_finite(features.vectors, "exported")
    difference = max(map(distance, ours, theirs))
    before = spread(evaluated(ours[0], ours[1], dataset.protocol))
    found = evaluated(theirs[0], theirs[1], dataset.protocol)
    after = spread(found)
    require_equal_map(before["mAP"].mean, after["mAP"].mean)
    require_near("from the checkpoint's", difference, precision)
    return Parity(
        checkpoint=before,
        exported=after,
        difference=difference,
        queries=len(pooled(found).query),
        repeats=len(found),
        thresholds=similarity_thresholds(theirs[0], theirs[1], dataset.protocol),
    )


def first_pixels(
    dataset: ReidDataset, count: int, *, height: int, width: int
) -> UInt8[Tensor, "B 3 H W"]:
    """The first query pictures, from the beginning again where there are too few.

    Raises:
        ValueError: if they cannot be read.
    """
    pictures = Pictures(dataset.query[:count], height=height, width=width, cached=False)
    return pictures.read(torch.arange(count) % len(pictures))


def require_equal_map(before: float, after: float) -> None:
    """Refuse a file whose mAP is another.

    Args:
        before: the checkpoint's, in [0, 1].
        after: the file's.

    Raises:
        ValueError: if they are more than 0.1 points apart, or one is not a number.
    """
    if not abs(after - before) <= LARGEST_MAP_DIFFERENCE:
        raise ValueError(
            f"The exported file has mAP {100 * after:.2f} % and the checkpoint"
            f" {100 * before:.2f} %: 0.1 points are allowed, so nothing was written; try another"
            " format, opset or --precision 32."
        )


def described(of: dict[str, Spread], *, repeats: int) -> dict[str, Any]:
    """Plain values: fractions, with deviations where there is more than one repeat."""
    content: dict[str, Any] = {name: of[name].mean for name in METRICS}
    if repeats > 1:
        content["std"] = {name: of[name].deviation for name in METRICS}
    return content


def require_near(what: str, difference: float, precision: Precision) -> None:
    """Refuse a file whose features are others.

    Args:
        what: they differ from, or between.
        difference: 1 minus cosine.
        precision: of the file.

    Raises:
        ValueError: if it is more than the precision explains, or not a number.
    """
    if not difference <= TOLERANCE[precision]:
        raise ValueError(
            f"The exported file's features differ {what} by up to {difference:.2g} (1 minus"
            f" cosine), and {TOLERANCE[precision]:g} is allowed: nothing was written; try another"
            " format, opset or --precision 32."
        )


def distance(one: Features, other: Features) -> float:
    """The largest 1 minus cosine of two features of a picture; 0 for no pictures."""
    return _distance(one.vectors, other.vectors) if len(one.vectors) else 0.0


def _distance(one: Float[Tensor, "N D"], other: Float[Tensor, "N E"]) -> float:
    if one.shape != other.shape:
        return float("inf")
    a, b = (F.normalize(vectors.cpu().double(), dim=1) for vectors in (one, other))
    # 1 - <a, b> = |a - b|^2 / 2, which does not lose the small ones to rounding
    return float((a - b).square().sum(1).max() / 2)


def _of(
    network: Describes,
    parts: Sequence[Sequence[Sighting]],
    *,
    cached: bool = False,
    progress: str | None = None,
) -> list[Features]:
    return [
        network.features(part, batch_size=BATCH_SIZE, flip=False, cached=cached, progress=progress)
        for part in parts
    ]


def _between_batches(exported: Exported, dataset: ReidDataset) -> float:
    few, many = BATCH_SIZES
    pixels = first_pixels(dataset, many, height=exported.height, width=exported.width)
    together = exported(pixels)
    alone = torch.cat([exported(some) for some in torch.split(pixels, few)])
    return _distance(alone, together)
