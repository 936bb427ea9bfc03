"""How far scores depend on the seed: mean and deviation of trials that differ in nothing else."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from experiments.points import rank, shown
from experiments.table import SCORES, STRATEGY, Line, Result, aligned, lines, told_apart_by

SPREAD = ("mAP", "rank1", "mINP")
"""The scores that are told with a deviation."""


class Group(NamedTuple):
    """Trials of one strategy and one point, on one data set, with several seeds or one.

    Attributes:
        line: of one of them; strategy, settings, feature and target are those of all.
        seeds: how many there are. Trials of the same seed count as one, with their mean.
        mean: score -> its mean over the seeds, a fraction.
        deviation: score -> its sample standard deviation (n - 1); empty of one seed.
        parameters: of every network; None where they differ.
        macs: the same.
    """

    line: Line
    seeds: int
    mean: Mapping[str, float]
    deviation: Mapping[str, float]
    parameters: int | None
    macs: int | None


def over_seeds(results: Iterable[Result]) -> list[Group]:
    """All groups, by strategy, settings, feature and target."""
    rows = lines(results)
    together: dict[tuple[object, ...], list[Line]] = {}
    for line in rows:
        together.setdefault(_alike(line), []).append(line)
    groups = [_group(members) for members in together.values()]
    names = sorted({name for line in rows for name in line.result.settings})

    def place(group: Group) -> tuple[object, ...]:
        result = group.line.result
        point = [rank(result.settings.get(name)) for name in names]
        return result.strategy, point, result.feature, group.line.target

    return sorted(groups, key=place)


def seeds_table(results: Iterable[Result]) -> str:
    """Mean +- deviation in percent, aligned; empty if no group has two seeds.

    Parameters and multiply-adds are told where they are the same for all seeds.
    """
    results = list(results)
    groups = over_seeds(results)
    if all(group.seeds == 1 for group in groups):
        return ""
    told = (STRATEGY, *told_apart_by(lines(results)))
    columns = [
        *((one.name, [one.cell(group.line) for group in groups], one.text) for one in told),
        ("seeds", [str(group.seeds) for group in groups], False),
        *((SCORES[name], _spread(groups, name), False) for name in SPREAD),
        ("parameters", [_counted(group.parameters) for group in groups], False),
        ("MACs", [_counted(group.macs) for group in groups], False),
    ]
    head, cells, text = zip(*(column for column in columns if any(column[1])), strict=True)
    return aligned(head, list(zip(*cells, strict=True)), text)


def _spread(groups: Sequence[Group], name: str) -> list[str]:
    """Cells whose means and deviations end in one place each; one seed leaves its place empty."""
    percent = [f"{100 * group.deviation[name]:.2f}" if group.deviation else "" for group in groups]
    width = max(map(len, percent))
    deviations = [f" +- {text:>{width}}" if text else " " * (width + 4) for text in percent]
    means = [f"{100 * group.mean[name]:.2f}" for group in groups]
    return [mean + deviation for mean, deviation in zip(means, deviations, strict=True)]


def _counted(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _alike(line: Line) -> tuple[object, ...]:
    result = line.result
    point = frozenset((name, shown(value)) for name, value in result.settings.items())
    return result.strategy, point, result.feature, line.target


def _group(members: Sequence[Line]) -> Group:
    by_seed: dict[int, list[Line]] = {}
    for line in members:
        by_seed.setdefault(line.result.seed, []).append(line)
    values = {
        name: [statistics.mean(line.scores[name] for line in same) for same in by_seed.values()]
        for name in SPREAD
    }
    return Group(
        line=members[0],
        seeds=len(by_seed),
        mean={name: statistics.mean(over) for name, over in values.items()},
        deviation={name: statistics.stdev(over) for name, over in values.items() if len(over) > 1},
        parameters=_one({line.result.parameters for line in members}),
        macs=_one({line.result.macs for line in members}),
    )


def _one(values: set[int]) -> int | None:
    return next(iter(values)) if len(values) == 1 else None
