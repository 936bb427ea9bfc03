"""What the benchmarks measure with: a process of their own, memory, ratios within a round."""

import csv
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch


def in_own_process(module: str, options: Sequence[str]) -> dict[str, Any]:
    """What ``python -m module`` prints as JSON in its last line.

    Args:
        module: one of this package.
        options: of its command line.
    """
    done = subprocess.run(  # noqa: S603 - a module of this package
        [sys.executable, "-m", module, *options], stdout=subprocess.PIPE, text=True, check=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def held(device: str) -> float:
    """MiB now; on a GPU the peak is counted anew from here on."""
    import psutil

    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / 2**20
    size: int = psutil.Process().memory_info().rss
    return size / 2**20


def peak(device: str) -> float:
    """MiB at most so far; Linux counts in KiB."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def median_ratio(rows: Iterable[Mapping[str, Any]], way: str, other: str, column: str) -> float:
    """Median over rounds of the ratio of two ways within a round.

    Args:
        rows: with a ``round`` and a ``way``, both ways in every round.
        way: above the line.
        other: below it.
        column: what is divided.
    """
    values = {(row["round"], row["way"]): float(row[column]) for row in rows}
    rounds = sorted({number for number, _ in values})
    return statistics.median(values[n, way] / values[n, other] for n in rounds)


def save(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the record as CSV."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
