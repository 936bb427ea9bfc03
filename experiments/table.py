"""What the trials of an experiment reached: one result each, and all of them as a table."""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from experiments.points import Point, Setting, differing, rank, short_names, shown

RESULT_FILE = "metrics.json"

SCORES = {
    "mAP": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10", "mINP": "mINP"
}  # fmt: skip
"""Scores of a result, and how a table calls them."""


@dataclass(frozen=True)
class Result:
    """What one trial reached, on query and gallery.

    Attributes:
        strategy: name of the search strategy.
        seed: the trial's seed.
        mAP: mean average precision, a fraction, as the four below.
        rank1: share of queries whose first match is right.
        rank5: share with a right one among the first five.
        rank10: share with a right one among the first ten.
        mINP: mean inverse negative penalty.
        parameters: of the retrained network, without identity classifiers.
        macs: multiply-adds of one image.
        minutes: wall-clock time of the whole trial.
        genotype: the architecture found, as a short text.
        feature: what an image was described by at the test.
        settings: what the experiment's point set besides strategy and seed.
        targets: data set tested on -> the five scores there, under the names they have here; the
            scores above are their plain mean. Empty in results of earlier versions.
    """

    strategy: str
    seed: int
    mAP: float  # noqa: N815 - the field's spelling
    rank1: float
    rank5: float
    rank10: float
    mINP: float  # noqa: N815 - the field's spelling
    parameters: int
    macs: int
    minutes: float
    genotype: str
    feature: str = ""
    settings: Point = field(default_factory=dict)
    targets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        targets = {name: dict(scores) for name, scores in self.targets.items()}
        object.__setattr__(self, "settings", dict(self.settings))  # asdict copies no other mapping
        object.__setattr__(self, "targets", targets)

    def write(self, folder: Path) -> Path:
        """Write ``folder/metrics.json`` at once: where it is, the result is whole."""
        draft = folder / f".{RESULT_FILE}"
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return draft.replace(folder / RESULT_FILE)

    @classmethod
    def read(cls, file: Path) -> "Result":
        """The result in ``file``; fields it has besides are ignored, the last three may lack.

        Raises:
            ValueError: if a field is missing or of the wrong type.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return cls(
                strategy=str(found["strategy"]),
                seed=int(found["seed"]),
                **_scores(found),
                parameters=int(found["parameters"]),
                macs=int(found["macs"]),
                minutes=float(found["minutes"]),
                genotype=str(found["genotype"]),
                feature=str(found.get("feature", "")),
                settings=_settings(found.get("settings", {})),
                targets={
                    name: _scores(scores) for name, scores in found.get("targets", {}).items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{file} is no result of a trial ({error!r}): a JSON object with the fields"
                f" {', '.join(f.name for f in fields(cls))} was needed; run that trial again."
            ) from error


def _scores(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(found[name]) for name in SCORES}


def _settings(found: Mapping[str, Any]) -> dict[str, Setting]:
    for name, value in found.items():
        if not isinstance(value, str | int | float):
            raise TypeError(f"setting {name!r} is {value!r}")
    return dict(found)


class Line(NamedTuple):
    """One line of a table: a trial on one data set.

    Attributes:
        result: of the trial.
        target: tested on; empty where the result does not say.
        scores: there, under the names of ``SCORES``, as fractions.
    """

    result: Result
    target: str
    scores: Mapping[str, float]


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: at its head.
        cell: of a line.
        text: whether cells begin in one place, instead of ending in one as numbers do.
    """

    name: str
    cell: Callable[[Line], str]
    text: bool = False


def order_of(results: Iterable[Result]) -> Callable[[Result], tuple[Any, ...]]:
    """A key that sorts these results by strategy, seed and settings, in no order of time."""
    names = sorted({name for result in results for name in result.settings})

    def key(result: Result) -> tuple[Any, ...]:
        point = [rank(result.settings.get(name)) for name in names]
        whole = json.dumps(asdict(result), sort_keys=True)  # trials of one point have an order too
        return result.strategy, result.seed, point, result.feature, whole

    return key


def lines_of(result: Result) -> list[Line]:
    """A line per target, by name."""
    if not result.targets:
        return [Line(result, "", {name: getattr(result, name) for name in SCORES})]
    return [Line(result, target, result.targets[target]) for target in sorted(result.targets)]


def lines(results: Iterable[Result]) -> list[Line]:
    """A line per trial and target, in order."""
    results = list(results)
    return [line for one in sorted(results, key=order_of(results)) for line in lines_of(one)]


def table(results: Iterable[Result], *, called: str = "strategy") -> str:
    """The results as aligned text: rates in percent with two decimals, a line per trial.

    Behind strategy and seed stand the settings that differ, target and feature, each only where it
    tells trials apart; a line per target where a trial has several.

    Args:
        results: of the trials.
        called: what the first column is called.
    """
    rows = lines(results)
    columns = [
        STRATEGY._replace(name=called),
        Column("seed", lambda line: str(line.result.seed)),
        *told_apart_by(rows),
        *(_score(name) for name in SCORES),
        Column("parameters", lambda line: f"{line.result.parameters:,}"),
        Column("MACs", lambda line: f"{line.result.macs:,}"),
        Column("minutes", lambda line: f"{line.result.minutes:.1f}"),
        Column("genotype", lambda line: line.result.genotype, text=True),
    ]
    cells = [[column.cell(line) for column in columns] for line in rows]
    return aligned([column.name for column in columns], cells, [column.text for column in columns])


STRATEGY = Column("strategy", lambda line: line.result.strategy, text=True)
_TARGET = Column("target", lambda line: line.target, text=True)
_FEATURE = Column("feature", lambda line: line.result.feature, text=True)
_OTHER_HEADS = ("strategy", "seed", *SCORES.values(), "parameters", "MACs", "minutes", "genotype")


def told_apart_by(rows: Sequence[Line]) -> list[Column]:
    """Columns that tell lines apart, besides strategy and seed.

    Of two columns that say the same, one is left out: the feature where a setting or a preset tells
    it, and a setting that names the target.
    """
    results = [line.result for line in rows]
    keys = differing(result.settings for result in results)
    with_target = len({line.target for line in rows}) > 1
    if with_target:
        by_target = [tuple(sorted(result.targets)) for result in results]
        keys = [
            key for key in keys
            if not (_called(key, "target", "targets") and _tells(by_target, _cells(results, key)))
        ]  # fmt: skip
    features = [result.feature for result in results]
    with_feature = len(set(features)) > 1 and not any(
        _called(key, "feature", "preset") and _tells(_cells(results, key), features) for key in keys
    )
    told = [*([_TARGET] * with_target), *([_FEATURE] * with_feature)]
    names = short_names(keys, (*_OTHER_HEADS, *(column.name for column in told)))
    return [*(_setting(key, name, results) for key, name in names.items()), *told]


def _called(key: str, *names: str) -> bool:
    return key.rpartition(".")[2] in names


def _cells(results: Sequence[Result], key: str) -> list[str]:
    return [shown(result.settings.get(key)) for result in results]


def _tells(known: Sequence[Hashable], asked: Sequence[Hashable]) -> bool:
    """Whether what is known always goes with one and the same of what is asked."""
    return len(set(zip(known, asked, strict=True))) == len(set(known))


def _setting(key: str, name: str, results: Sequence[Result]) -> Column:
    text = any(isinstance(result.settings.get(key), str | bool) for result in results)
    return Column(name, lambda line: shown(line.result.settings.get(key)), text)


def _score(name: str) -> Column:
    return Column(SCORES[name], lambda line: f"{100 * line.scores[name]:.2f}")


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[bool]) -> str:
    """A table of the same widths in all lines.

    Args:
        head: names of the columns.
        rows: cells, as many as columns.
        text: of a column, whether it is aligned on the left.
    """
    whole = [head, *rows]
    widths = [max(len(row[place]) for row in whole) for place in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, text, strict=True)
        ).rstrip()
        for row in whole
    )
