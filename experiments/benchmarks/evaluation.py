"""What does an exact evaluation cost beside the bare matrix product, in seconds and memory?

``python -m experiments.benchmarks.evaluation --out FILE.csv`` scores synthetic features of 512
dimensions: ones that retrieve well (rank-1 about 0.8) and noise, which has most of the gallery in
front of the relevant pictures. Within a round the bare ``torch.mm`` of the same blocks (unit
vectors, nothing else) and the two evaluations take turns, so that a busy machine disturbs all
alike; ratios are within a round, of the clock's seconds and of the processors'. Every measurement
has a process of its own and one evaluation of a small set behind it; its memory is its
peak beyond what the process held with the features made.
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

WAYS = ("mm", "mm_wide", "good", "random")
"""Bare products in the evaluation's blocks, the same in blocks of 256, evaluations of features."""

COLUMNS = (
    *("round", "size", "way", "device", "seconds", "processor_seconds", "memory", "rank1", "mAP"),
    *("commit", "date", "processor", "cores", "threads", "gpu", "torch"),
)
"""Seconds of the clock, and of all processors together; memory in MiB."""

_WIDE = 256


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
    module = "experiments.benchmarks.evaluation"
    rows = [
        {
            "round": number,
            **in_own_process(module, ["--worker", way, "--sizes", size, *shared]),
        }
        for number, size, way in bar(turns, desc="evaluation", unit="measurement")
    ]
    if arguments.out:
        save(arguments.out, COLUMNS, rows)
    for size in arguments.sizes:
        _print_table(size, [row for row in rows if row["size"] == size])
    return 0


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
            for other in ("mm", "mm_wide")
        )
        print(f"  {way:12} {seconds:8.2f} {ratios} {memory:10.0f} {rank1:7.3f}")


def _measure(way: str, name: str, device: str) -> dict[str, Any]:
    from experiments.provenance import provenance

    work = _work(way, "1,000 x 5,000", device)  # libraries load, threads start
    work()
    work = _work(way, name, device)
    before, start, busy = held(device), time.perf_counter(), time.process_time()
    scores = work()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    added = peak(device) - before
    origin = provenance()
    return {
        "size": name,
        "way": way,
        "device": device,
        "seconds": seconds,
        "processor_seconds": busy,
        "memory": added,
        **scores,
        **{key: origin[key] for key in COLUMNS[-7:]},
    }


def _work(way: str, name: str, device: str) -> Callable[[], dict[str, float]]:
    """What is measured; the features are made here, before the measurement."""
    from evaluators.retrieval import BLOCK_CELLS, Features, retrieve
    from evaluators.similarity import unit

    generator = torch.Generator().manual_seed(0)
    sides = synthetic_features(SIZES[name], good=way == "good", generator=generator)
    query, gallery = (
        Features(f.vectors.to(device), f.identities.to(device), f.cameras.to(device)) for f in sides
    )
    if way in {"good", "random"}:

        def evaluation() -> dict[str, float]:
            got = retrieve(query, gallery)
            return {"rank1": got.rank1, "mAP": got.mAP}

        return evaluation

    q, g = unit(query.vectors), unit(gallery.vectors)
    size = _WIDE if way == "mm_wide" else BLOCK_CELLS // len(g)

    def product() -> dict[str, float]:
        for block in torch.split(q, size):
            torch.mm(block, g.T)
        if device != "cpu":
            torch.cuda.synchronize(device)
        return {"rank1": 0.0, "mAP": 0.0}

    return product


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
