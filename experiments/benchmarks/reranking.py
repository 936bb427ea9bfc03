"""What does exact re-ranking cost beside the bare product of all pairs, in seconds and memory?

``python -m experiments.benchmarks.reranking --out FILE.csv`` re-ranks synthetic features of 512
dimensions: ones that retrieve well (rank-1 about 0.8) and noise. Nothing but the product of all
queries and gallery pictures with all of them, in the same blocks, is what the search for nearest
neighbours cannot do without; it is measured as ``torch.mm`` and as this project's own product.
Within a round all take turns, so that a busy machine disturbs all alike; ratios are within a round.
Every measurement has a process of its own and a small one of its kind behind it. Its memory is
its peak beyond what the process held with the features made.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from experiments.benchmarks.measuring import held, in_own_process, median_ratio, peak, save
from experiments.benchmarks.synthetic_features import SIZES, synthetic_features
from reid_data.bars import bar

WAYS = ("mm", "product", "good", "random")
"""Bare products by ``torch.mm`` and by ``Similarity``; re-ranking of good features and of noise."""

COLUMNS = (
    *("round", "size", "way", "device", "seconds", "processor_seconds", "memory", "rank1", "mAP"),
    *("commit", "date", "processor", "cores", "threads", "gpu", "torch"),
)
"""Seconds of the clock and of all threads together; memory in MiB; scores are those re-ranked."""


def main(argv: list[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        torch.set_num_threads(arguments.threads)
        print(json.dumps(_measure(arguments.worker, arguments.sizes[0], arguments.device)))
        return 0
    turns = [
        (number, size, way)
        for number in range(arguments.rounds)
        for size in arguments.sizes
        for way in WAYS
    ]
    shared = ["--device", arguments.device, "--threads", str(arguments.threads)]
    module = "experiments.benchmarks.reranking"
    rows = [
        {
            "round": number,
            **in_own_process(module, ["--worker", way, "--sizes", size, *shared]),
        }
        for number, size, way in bar(turns, desc="re-ranking", unit="measurement")
    ]
    if arguments.out:
        save(arguments.out, COLUMNS, rows)
    for size in arguments.sizes:
        _print_table(size, [row for row in rows if row["size"] == size])
    return 0


def _print_table(size: str, rows: list[dict[str, Any]]) -> None:
    """Medians over rounds; ratios of seconds to the bare products are those within a round."""
    print(f"{size:14}  seconds    / mm  / product  of threads  added MiB  rank-1     mAP")
    for way in WAYS:
        mine = [row for row in rows if row["way"] == way]
        seconds, of_threads, memory, rank1, mean_precision = (
            statistics.median(row[column] for row in mine)
            for column in ("seconds", "processor_seconds", "memory", "rank1", "mAP")
        )
        mm, product = (median_ratio(rows, way, other, "seconds") for other in ("mm", "product"))
        ratios = f"{mm:7.2f}    {product:7.2f}"
        cost = f"{seconds:7.2f} {ratios}     {of_threads:7.2f}  {memory:9.0f}"
        print(f"  {way:12}  {cost}  {rank1:6.3f}  {mean_precision:6.3f}")


def _measure(way: str, name: str, device: str) -> dict[str, Any]:
    from experiments.provenance import provenance

    _work(way, "1,000 x 5,000", device)()  # libraries load, threads start
    work = _work(way, name, device)
    before, start, start_all = held(device), time.perf_counter(), time.process_time()
    scores = work()
    seconds, seconds_all = time.perf_counter() - start, time.process_time() - start_all
    added = peak(device) - before
    origin = provenance()
    return {
        "size": name,
        "way": way,
        "device": device,
        "seconds": seconds,
        "processor_seconds": seconds_all,
        "memory": added,
        **scores,
        **{key: origin[key] for key in COLUMNS[-7:]},
    }


def _work(way: str, name: str, device: str) -> Callable[[], dict[str, float]]:
    """What is measured; the features are made here, before the measurement."""
    from evaluators.neighbours import BLOCK_CELLS
    from evaluators.rerank import retrieve_reranked
    from evaluators.retrieval import Features
    from evaluators.similarity import Similarity, unit

    generator = torch.Generator().manual_seed(0)
    sides = synthetic_features(SIZES[name], good=way != "random", generator=generator)
    query, gallery = (
        Features(f.vectors.to(device), f.identities.to(device), f.cameras.to(device)) for f in sides
    )
    if way in {"good", "random"}:

        def reranking() -> dict[str, float]:
            got = retrieve_reranked(query, gallery)
            return {"rank1": got.rank1, "mAP": got.mAP}

        return reranking

    x = unit(torch.cat([query.vectors, gallery.vectors]))
    similarity = Similarity(x)

    def product() -> dict[str, float]:
        for block in torch.split(x, BLOCK_CELLS // len(x)):
            if way == "mm":
                torch.mm(block, x.T)
            else:
                similarity.of(block)
        if device != "cpu":
            torch.cuda.synchronize(device)
        return {"rank1": 0.0, "mAP": 0.0}

    return product


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
