"""What does exact re-ranking cost beside the bare product of all pairs, in seconds and memory?

``python -m experiments.benchmarks.reranking --out FILE.csv`` re-ranks synthetic features of 512
dimensions: ones that retrieve well (rank-1 about 0.8) and noise. Nothing but the product of all
queries and gallery pictures with all of them, in the same blocks, is what the search for nearest
neighbours cannot do without; it is measured as ``torch.mm`` and as this project's own product.
Within a round all take turns, so that a busy machine disturbs all alike; ratios are within a round.
Scores are those re-ranked.
"""

import statistics
import sys
from typing import Any

import torch

from evaluators.neighbours import BLOCK_CELLS
from evaluators.rerank import retrieve_reranked
from evaluators.retrieval import Features
from evaluators.similarity import Similarity, unit
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

_PRODUCTS = ("mm", "product")
WAYS = (*_PRODUCTS, "good", NOISE)
"""Bare products by ``torch.mm`` and by ``Similarity``; re-ranking of good features and of noise."""


def main(argv: list[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    module = "experiments.benchmarks.reranking"
    return answer(Question(module, str(__doc__), WAYS, _work, _print_table), argv)


def _work(way: str, query: Features, gallery: Features) -> Work:
    def reranking() -> Scores:
        got = retrieve_reranked(query, gallery)
        return {"rank1": got.rank1, "mAP": got.mAP}

    if way not in _PRODUCTS:
        return reranking
    x = unit(torch.cat([query.vectors, gallery.vectors]))
    similarity = Similarity(x)

    def product() -> Scores:
        for block in torch.split(x, BLOCK_CELLS // len(x)):
            if way == "mm":
                torch.mm(block, x.T)
            else:
                similarity.of(block)
        finished(x.device)
        return NO_SCORES

    return product


def _print_table(size: str, rows: list[dict[str, Any]]) -> None:
    """Medians over rounds; ratios of seconds to the bare products are those within a round."""
    print(f"{size:14}  seconds    / mm  / product  of threads  added MiB  rank-1     mAP")
    for way in WAYS:
        mine = [row for row in rows if row["way"] == way]
        seconds, of_threads, memory, rank1, mean_precision = (
            statistics.median(row[column] for row in mine)
            for column in ("seconds", "processor_seconds", "memory", "rank1", "mAP")
        )
        mm, product = (median_ratio(rows, way, other, "seconds") for other in _PRODUCTS)
        ratios = f"{mm:7.2f}    {product:7.2f}"
        cost = f"{seconds:7.2f} {ratios}     {of_threads:7.2f}  {memory:9.0f}"
        print(f"  {way:12}  {cost}  {rank1:6.3f}  {mean_precision:6.3f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
