"""What it costs to score features of a test part: the benchmark that several questions share.

Every measurement has a process of its own and a small one of its kind behind it. Its memory is its
peak beyond what the process held with the features made.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from evaluators.retrieval import Features
from experiments.benchmarks.measuring import Record, held, in_own_process, in_turn, origin_of, peak
from experiments.benchmarks.synthetic_features import SIZES, synthetic_features

NOISE = "random"
"""The way whose features are noise; all others have such as retrieve well."""

COLUMNS = (
    *("round", "size", "way", "device", "seconds", "processor_seconds", "memory", "rank1", "mAP"),
    *("commit", "date", "processor", "cores", "threads", "gpu", "torch"),
)
"""Seconds of the clock, and of all threads together; memory in MiB."""

_SMALL = "1,000 x 5,000"

Scores = Mapping[str, float]
Work = Callable[[], Scores]
"""What is measured; gives rank-1 and mAP, or 0 where nothing is scored."""

NO_SCORES: Scores = {"rank1": 0.0, "mAP": 0.0}


class Question(NamedTuple):
    """A benchmark of ways to score.

    Attributes:
        module: that answers it, as ``python -m`` takes it.
        about: what its command line says of it.
        ways: that take turns.
        work: from a way, query and gallery to what is measured; what it makes is not.
        print_table: of the rows of one size.
    """

    module: str
    about: str
    ways: Sequence[str]
    work: Callable[[str, Features, Features], Work]
    print_table: Callable[[str, list[dict[str, Any]]], None]


def answer(question: Question, argv: Sequence[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    parser = argparse.ArgumentParser(description=question.about)
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", choices=question.ways, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        torch.set_num_threads(arguments.threads)
        row = _measured(question.work, arguments.worker, arguments.sizes[0], arguments.device)
        print(json.dumps(row))
        return 0
    shared = ["--device", arguments.device, "--threads", str(arguments.threads)]
    record = Record(arguments.out, COLUMNS)
    turns = [(size, way) for size in arguments.sizes for way in question.ways]
    for number, (size, way) in in_turn(arguments.rounds, turns, progress="scoring"):
        row = in_own_process(question.module, ["--worker", way, "--sizes", size, *shared])
        record.add({"round": number, **row})
    for size in arguments.sizes:
        question.print_table(size, [row for row in record.rows if row["size"] == size])
    return 0


def finished(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _measured(
    work_of: Callable[[str, Features, Features], Work], way: str, size: str, device: str
) -> dict[str, Any]:
    work_of(way, *_features(_SMALL, way, device))()  # libraries load, threads start
    work = work_of(way, *_features(size, way, device))
    before, start, busy = held(device), time.perf_counter(), time.process_time()
    scores = work()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {
        "size": size,
        "way": way,
        "device": device,
        "seconds": seconds,
        "processor_seconds": busy,
        "memory": peak(device) - before,
        **scores,
        **origin_of(COLUMNS),
    }


def _features(size: str, way: str, device: str) -> tuple[Features, Features]:
    generator = torch.Generator().manual_seed(0)
    query, gallery = (
        Features(side.vectors.to(device), side.identities.to(device), side.cameras.to(device))
        for side in synthetic_features(SIZES[size], good=way != NOISE, generator=generator)
    )
    return query, gallery
