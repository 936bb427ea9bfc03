"""What does an exact evaluation cost beside the bare matrix product, in seconds and memory?

``python -m experiments.benchmarks.evaluation --out FILE.csv`` scores synthetic features of 512
dimensions: ones that retrieve well (rank-1 about 0.8) and noise, which has most of the gallery in
front of the relevant pictures. Within a round the bare ``torch.mm`` of the same blocks (unit
vectors, nothing else) and the two evaluations take turns, so that a busy machine disturbs all
alike; ratios are within a round, of the clock's seconds and of the processors'.
"""

import statistics
import sys
from typing import Any

import torch

from evaluators.retrieval import BLOCK_CELLS, Features, retrieve
from evaluators.similarity import unit
from experiments.benchmarks.measuring import median_ratio
from experiments.benchmarks.scoring_cost import (
    NO_SCORES,
    NOISE,
    Question,
    Scores,
    Work,
    answer,
    finished,
)

_PRODUCTS = ("mm", "mm_wide")
WAYS = (*_PRODUCTS, "good", NOISE)
"""Bare products in the evaluation's blocks, the same in blocks of 256, evaluations of features."""

_WIDE = 256


def main(argv: list[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    module = "experiments.benchmarks.evaluation"
    return answer(Question(module, str(__doc__), WAYS, _work, _print_table), argv)


def _work(way: str, query: Features, gallery: Features) -> Work:
    def evaluation() -> Scores:
        got = retrieve(query, gallery)
        return {"rank1": got.rank1, "mAP": got.mAP}

    if way not in _PRODUCTS:
        return evaluation
    q, g = unit(query.vectors), unit(gallery.vectors)
    size = _WIDE if way == "mm_wide" else BLOCK_CELLS // len(g)

    def product() -> Scores:
        for block in torch.split(q, size):
            torch.mm(block, g.T)
        finished(g.device)
        return NO_SCORES

    return product


def _print_table(size: str, rows: list[dict[str, Any]]) -> None:
    """Medians over rounds; in brackets the ratios that the processors' seconds have."""
    print(
        f"{size:14} {'seconds':>8} {'/ mm':>15} {'/ mm_wide':>15} {'added MiB':>10} {'rank-1':>7}"
    )
    for way in WAYS:
        seconds, memory, rank1 = (
            statistics.median(row[column] for row in rows if row["way"] == way)
            for column in ("seconds", "memory", "rank1")
        )
        ratios = " ".join(
            f"{median_ratio(rows, way, other, 'seconds'):6.2f}"
            f" ({median_ratio(rows, way, other, 'processor_seconds'):6.2f})"
            for other in _PRODUCTS
        )
        print(f"  {way:12} {seconds:8.2f} {ratios} {memory:10.0f} {rank1:7.3f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
