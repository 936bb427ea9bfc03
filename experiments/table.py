"""What the trials of an experiment reached: one result each, as a table and as ``summary.csv``."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

RESULT_FILE = "metrics.json"
SUMMARY_FILE = "summary.csv"


@dataclass(frozen=True, order=True)
class Result:
    """What one trial reached, on query and gallery. Sorted by strategy, then seed.

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

    def write(self, folder: Path) -> Path:
        """Write ``folder/metrics.json`` at once: where it is, the result is whole."""
        draft = folder / f".{RESULT_FILE}"
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return draft.replace(folder / RESULT_FILE)

    @classmethod
    def read(cls, file: Path) -> "Result":
        """The result in ``file``; fields it has besides are ignored.

        Raises:
            ValueError: if a field is missing or of the wrong type.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return cls(
                strategy=str(found["strategy"]),
                seed=int(found["seed"]),
                mAP=float(found["mAP"]),
                rank1=float(found["rank1"]),
                rank5=float(found["rank5"]),
                rank10=float(found["rank10"]),
                mINP=float(found["mINP"]),
                parameters=int(found["parameters"]),
                macs=int(found["macs"]),
                minutes=float(found["minutes"]),
                genotype=str(found["genotype"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{file} is no result of a trial ({error!r}): a JSON object with the fields"
                f" {', '.join(f.name for f in fields(cls))} was needed; run that trial again."
            ) from error


def table(results: Iterable[Result]) -> str:
    """The results as aligned text: rates in percent with two decimals, one line per trial."""
    rows = [_HEADER, *(_row(result) for result in sorted(results))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    return "\n".join(_aligned(row, widths) for row in rows)


def write_summary(results: Iterable[Result], folder: Path) -> Path:
    """Write ``folder/summary.csv``: rates as fractions, every number at full precision."""
    file = folder / SUMMARY_FILE
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.DictWriter(out, [f.name for f in fields(Result)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(result) for result in sorted(results))
    return file


_HEADER = (
    "strategy", "seed", "mAP", "rank-1", "rank-5", "rank-10", "mINP",
    "parameters", "MACs", "minutes", "genotype",
)  # fmt: skip
_TEXT_COLUMNS = (0, len(_HEADER) - 1)


def _row(result: Result) -> tuple[str, ...]:
    rates = (result.mAP, result.rank1, result.rank5, result.rank10, result.mINP)
    return (
        result.strategy,
        str(result.seed),
        *(f"{100 * rate:.2f}" for rate in rates),
        f"{result.parameters:,}",
        f"{result.macs:,}",
        f"{result.minutes:.1f}",
        result.genotype,
    )


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (
        cell.ljust(width) if i in _TEXT_COLUMNS else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
