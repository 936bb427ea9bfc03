"""What it brings to keep large blocks mapped: seconds of a step without and with it.

``python -m experiments.benchmarks.allocator --out FILE.csv`` runs the two in turn, each in a
process of its own, and writes the median step of every run: of a training, or of the forward
pass alone that embeds pictures.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from experiments.benchmarks.measuring import (
    Record,
    in_own_process,
    in_turn,
    median_ratio,
    origin_of,
)
from nas_space.genotype import PUBLISHED
from nas_space.msinet import MSINet
from nas_space.speed import channels_last, keep_large_blocks

_STEPS, _WARMUP = 12, 3


class Case(NamedTuple):
    """A step of the published genotype in channels-last order.

    Attributes:
        width: of the network.
        height: of an image, pixels.
        breadth: of an image, pixels.
        batch: images.
        trains: or only embeds.
    """

    width: float
    height: int
    breadth: int
    batch: int
    trains: bool = True


CASES: Mapping[str, Case] = MappingProxyType(
    {
        "width 0.5, 64 images of 64x64": Case(0.5, 64, 64, 64),
        "width 1.0, 16 images of 256x128": Case(1.0, 256, 128, 16),
        "embedding, width 0.5, 32 images of 64x64": Case(0.5, 64, 64, 32, trains=False),
        "embedding, width 1.0, 32 images of 256x128": Case(1.0, 256, 128, 32, trains=False),
    }
)

WAYS = ("default", "kept")

COLUMNS = (
    *("case", "blocks", "seconds"),
    *("commit", "date", "processor", "cores", "threads", "round"),
)


def main(argv: list[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    threads = arguments.threads
    if arguments.worker:
        print(json.dumps(_measured(arguments.worker, arguments.cases[0], threads)))
        return 0
    record = Record(arguments.out, COLUMNS)
    turns = [(case, blocks) for case in arguments.cases for blocks in WAYS]
    for number, (case, blocks) in in_turn(arguments.rounds, turns, progress="steps"):
        own = ["--worker", blocks, "--cases", case, "--threads", str(threads)]
        record.add(in_own_process("experiments.benchmarks.allocator", own) | {"round": number})
    for case in arguments.cases:
        rows = [row for row in record.rows if row["case"] == case]
        faster = median_ratio(rows, "default", "kept", "seconds", by="blocks")
        print(f"{case}: {faster:.2f} times faster with blocks kept")
    return 0


def _measured(blocks: str, case: str, threads: int) -> dict[str, Any]:
    if blocks == "kept":
        keep_large_blocks()
    torch.set_num_threads(threads)
    seconds = _step_seconds(CASES[case])
    return {"case": case, "blocks": blocks, "seconds": seconds, **origin_of(COLUMNS)}


def _step_seconds(case: Case) -> float:
    network = channels_last(MSINet(PUBLISHED["msinet_msmt17"], width=case.width))
    network.train(case.trains)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images = torch.randn(case.batch, 3, case.height, case.breadth)
    images = images.contiguous(memory_format=torch.channels_last)

    def train(features: Any) -> None:
        optimizer.zero_grad()
        features.square().sum(dim=1).mean().backward()
        optimizer.step()

    seconds = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        with torch.inference_mode(not case.trains):
            features = network(images)
        if case.trains:
            train(features)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[_WARMUP:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
