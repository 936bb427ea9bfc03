"""What the benchmarks measure with: turns, a record, a process of their own, memory, ratios."""

import csv
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from experiments.provenance import provenance
from reid_data.bars import bar

Way = TypeVar("Way")


class Record:
    """The rows of a benchmark; each is in its file as soon as it was measured.

    A run that is killed loses only the row it was in. The first row replaces an older file.

    Args:
        file: a CSV file, or None to write nothing.
        columns: of the file; every row has all of them.
        continued: keep the rows that the file holds, and write behind them.

    Attributes:
        rows: that were added, and before them those the file held: there every value is text.
    """

    def __init__(
        self, file: Path | None, columns: Sequence[str], *, continued: bool = False
    ) -> None:
        self._file, self._columns = file, columns
        self._begun = continued and file is not None and file.is_file()
        self.rows: list[dict[str, Any]] = []
        if self._begun and file is not None:
            with file.open(encoding="utf-8", newline="") as known:
                self.rows += csv.DictReader(known)

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row, and write it."""
        self.rows.append(dict(row))
        if self._file is None:
            return
        with self._file.open("a" if self._begun else "w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, self._columns, lineterminator="\n")
            if not self._begun:
                writer.writeheader()
            writer.writerow(row)
        self._begun = True


def in_turn(rounds: int, ways: Iterable[Way], *, progress: str) -> Iterator[tuple[int, Way]]:
    """The number of a round and a way: all take turns in it, and the next goes the other way round.

    Whatever disturbs the machine so disturbs all alike.

    Args:
        rounds: of all ways.
        ways: to be measured.
        progress: what to call the work in a progress bar.
    """
    there = list(ways)
    turns = [
        (number, way) for number in range(rounds) for way in (there[::-1] if number % 2 else there)
    ]
    yield from bar(turns, desc=progress, unit="measurement")


def in_own_process(module: str, options: Sequence[str]) -> dict[str, Any]:
    """What ``python -m module`` prints as JSON in its last line; its errors are shown if it fails.

    Args:
        module: one of this package.
        options: of its command line.
    """
    done = subprocess.run(  # noqa: S603 - a module of this package
        [sys.executable, "-m", module, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def origin_of(columns: Iterable[str]) -> dict[str, str | int]:
    """Of where a number comes from, what a record has columns for."""
    found = provenance()
    return {column: found[column] for column in columns if column in found}


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


def median_ratio(
    rows: Iterable[Mapping[str, Any]], way: str, other: str, column: str, *, by: str = "way"
) -> float:
    """Median over rounds of the ratio of two ways within a round.

    Args:
        rows: with a ``round`` and a way, both ways in every round.
        way: above the line.
        other: below it.
        column: what is divided.
        by: the column of the ways.
    """
    values = {(row["round"], row[by]): float(row[column]) for row in rows}
    rounds = sorted({number for number, _ in values})
    return statistics.median(values[n, way] / values[n, other] for n in rounds)
