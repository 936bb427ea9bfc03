"""What it brings to keep large blocks mapped: seconds of a training step without and with it.

``python -m experiments.benchmarks.allocator --out FILE.csv`` runs the two in turn, each in a
process of its own, and writes the median step of every run.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from experiments.benchmarks.measuring import (
    Record,
    in_own_process,
    in_turn,
    median_ratio,
    origin_of,
)
from experiments.startup import keep_large_blocks
from nas_space.genotype import PUBLISHED
from nas_space.msinet import MSINet

_STEPS, _WARMUP = 12, 3

CASES: Mapping[str, tuple[float, int, int, int]] = MappingProxyType(
    {
        "width 0.5, 64 images of 64x64": (0.5, 64, 64, 64),
        "width 1.0, 16 images of 256x128": (1.0, 256, 128, 16),
    }
)
"""Width of the network, height and width of the images, images of a batch."""

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
    seconds = _step_seconds(*CASES[case])
    return {"case": case, "blocks": blocks, "seconds": seconds, **origin_of(COLUMNS)}


def _step_seconds(width: float, height: int, breadth: int, batch: int) -> float:
    network: nn.Module = MSINet(PUBLISHED["msinet_msmt17"], width=width)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images = torch.randn(batch, 3, height, breadth).contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        loss = network(images).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[_WARMUP:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
