"""Two runs on the same queries, compared in pairs: is one better, or was it luck?

Letters: I identities, S bootstrap samples.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reid_data.randomness import generator_of

_KEYS = ("repeat", "query", "identity")
_SCORE = "average_precision"


@dataclass(frozen=True)
class Difference:
    """How much higher the mean average precision of one run is than that of another.

    Attributes:
        mean: over the queries, a fraction in [-1, 1].
        low: end of the interval in which 95 % of the bootstrap samples lie.
        high: its other end.
        identities: ``I``, of the queries.
        samples: ``S``.
    """

    mean: float
    low: float
    high: float
    identities: int
    samples: int


def paired_difference(
    ours: pd.DataFrame, theirs: pd.DataFrame, *, samples: int = 2000, seed: int = 0
) -> Difference:
    """Mean of ours minus theirs, with a 95 % interval by the bootstrap over identities.

    A sample draws I identities with replacement and takes the mean over all of their queries: the
    queries of one identity look for the same pictures and do not count as independent.

    Args:
        ours: as `per_query` makes it; both in any order of rows.
        theirs: of the same queries.
        samples: ``S``.
        seed: of the samples.

    Raises:
        ValueError: if the two do not hold the same queries, or fewer than two identities.
    """
    a, b = _scores(ours), _scores(theirs)
    if not a.index.equals(b.index):
        raise ValueError(
            f"Two runs have {len(a)} and {len(b)} scores, and not of the same queries: the same"
            " pictures in the same order, protocol and drawn galleries are needed."
        )
    difference = a - b
    by_identity = difference.groupby(level="identity")
    total = torch.tensor(by_identity.sum().to_numpy())
    queries = torch.tensor(by_identity.size().to_numpy())
    if len(total) < 2:
        raise ValueError("All queries show one identity: an interval needs two or more.")
    drawn = torch.randint(len(total), (samples, len(total)), generator=generator_of(seed))
    means = total[drawn].sum(1) / queries[drawn].sum(1)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=means.dtype)).tolist()
    return Difference(float(difference.mean()), low, high, len(total), samples)


def _scores(rows: pd.DataFrame) -> "pd.Series[float]":
    """Average precisions, indexed and sorted by the query they belong to."""
    keys = [key for key in _KEYS if key in rows]
    return rows.set_index(keys)[_SCORE].sort_index()


def read_per_query(file: Path) -> pd.DataFrame:
    """A table of `per_query` that was written as CSV.

    Raises:
        ValueError: if there is no such file or it is no such table.
    """
    try:
        rows = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file.name} cannot be read ({type(error).__name__}): a CSV file of scores per query"
            " is needed."
        ) from error
    for column, kinds in {"query": "i", "identity": "i", _SCORE: "if"}.items():
        if column not in rows or rows[column].dtype.kind not in kinds:
            raise ValueError(
                f"{file.name} has no numbers in a column {column!r}: scores per query are needed,"
                " as --per-query writes them."
            )
    if not np.isfinite(rows[_SCORE]).all():
        raise ValueError(f"{file.name} has a row without {_SCORE}: write it with --per-query.")
    return rows
