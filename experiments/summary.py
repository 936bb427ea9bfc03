"""What stays of an experiment in its folder: its tables, and every number at full precision."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.points import Point, Setting, shown
from experiments.seeds import SPREAD, over_seeds, seeds_table
from experiments.table import SCORES, Line, Result, lines_of, order_of, table

SUMMARY_FILE = "summary.csv"
SEEDS_FILE = "summary_seeds.csv"
TABLES_FILE = "summary.txt"

ORIGIN = ("commit", "date", "processor", "cores", "threads", "gpu", "torch")
"""What says where a number comes from, as ``provenance`` calls it."""

_TRIAL = ("strategy", "seed", "target", "feature", *SCORES)
_NETWORK = ("parameters", "macs", "minutes", "genotype")
_GROUP = ("strategy", "target", "feature", "seeds")

Cell = Setting | None


class Finished(NamedTuple):
    """A result and where it was made.

    Attributes:
        result: of a trial.
        origin: fields of ``ORIGIN``, as far as they are known.
    """

    result: Result
    origin: Mapping[str, str]


def tables(results: Iterable[Result]) -> str:
    """A line per trial and target; below them, if seeds can be told from all else, their spread."""
    results = list(results)
    over = seeds_table(results)
    caption = "Over the seeds, mean +- sample standard deviation in percent:"
    return "\n\n".join([table(results), *([f"{caption}\n\n{over}"] if over else [])])


def write_summary(finished: Iterable[Finished], folder: Path) -> list[Path]:
    """Write the tables as text, and their numbers as CSV: rates as fractions, with all digits.

    Columns come in the same order whatever was swept: the settings stand behind all others.

    Returns:
        The files; one of the seeds only where a group of trials has two or more.

    Raises:
        OSError: if they cannot be written.
    """
    finished = list(finished)
    results = [one.result for one in finished]
    files = [_write_trials(finished, folder / SUMMARY_FILE)]
    if seeds_table(results):
        files.append(_write_seeds(results, folder / SEEDS_FILE))
    (folder / TABLES_FILE).write_text(f"{tables(results)}\n", encoding="utf-8")
    return [*files, folder / TABLES_FILE]


def _write_trials(finished: Sequence[Finished], file: Path) -> Path:
    order = order_of(one.result for one in finished)

    def place(one: Finished) -> tuple[object, ...]:
        return order(one.result), sorted(one.origin.items())

    rows = [
        (_cells(line, one.origin), line.result.settings)
        for one in sorted(finished, key=place)
        for line in lines_of(one.result)
    ]
    return _write(file, (*_TRIAL, *_NETWORK, *ORIGIN), rows)


def _cells(line: Line, origin: Mapping[str, str]) -> list[Cell]:
    result = line.result
    return [
        *(result.strategy, result.seed, line.target, result.feature),
        *(line.scores[name] for name in SCORES),
        *(getattr(result, name) for name in _NETWORK),
        *(origin.get(name, "") for name in ORIGIN),
    ]


def _write_seeds(results: Sequence[Result], file: Path) -> Path:
    head = [*_GROUP, *SPREAD, *(f"{name}_std" for name in SPREAD), "parameters", "macs"]
    rows = [
        (
            [
                *(group.line.result.strategy, group.line.target, group.line.result.feature),
                group.seeds,
                *(group.mean[name] for name in SPREAD),
                *(group.deviation.get(name) for name in SPREAD),
                *(group.parameters, group.macs),
            ],
            group.line.result.settings,
        )
        for group in over_seeds(results)
    ]
    return _write(file, head, rows)


def _write(file: Path, head: Sequence[str], rows: Sequence[tuple[list[Cell], Point]]) -> Path:
    """A CSV file; a setting that is called as another column has ``settings.`` in front."""
    names = sorted({name for _, point in rows for name in point})
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*head, *(f"settings.{name}" if name in head else name for name in names)])
        writer.writerows(
            [*cells, *(shown(point.get(name)) for name in names)] for cells, point in rows
        )
    return file
