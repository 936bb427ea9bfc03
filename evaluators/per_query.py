"""Scores per query as a table, so that two runs can be compared in pairs."""

from collections.abc import Sequence

import pandas as pd

from evaluators.retrieval import Features, Retrieval

SCORES = ("average_precision", "trapezoid", "inverse_penalty", "first_rank")
"""Columns that a ranking decides."""


def per_query(retrieval: Retrieval, query: Features) -> pd.DataFrame:
    """One row for each query that was evaluated, in their order.

    Args:
        retrieval: the scores of queries.
        query: the pictures they number.

    Returns:
        ``query``, the row of the query picture, its ``identity`` and ``camera`` (-1 where unknown),
        its ``average_precision``, ``trapezoid`` and ``inverse_penalty`` in (0, 1], and
        ``first_rank``, the rank of the first relevant picture, counted from 1.
    """
    rows = retrieval.query.cpu()
    return pd.DataFrame(
        {
            "query": rows.numpy(),
            "identity": query.identities.cpu()[rows].numpy(),
            "camera": query.cameras.cpu()[rows].numpy(),
            "average_precision": retrieval.average_precision.cpu().numpy(),
            "trapezoid": retrieval.trapezoid.cpu().numpy(),
            "inverse_penalty": retrieval.inverse_penalty.cpu().numpy(),
            "first_rank": retrieval.first.cpu().numpy(),
        }
    )


def per_query_and_repeat(repeats: Sequence[Retrieval], features: Features) -> pd.DataFrame:
    """`per_query` of each repeat, one below the other; ``repeat`` counts them from 0.

    Raises:
        ValueError: if there is no repeat.
    """
    if not repeats:
        raise ValueError("There is no repeat to make a table of: hand in at least one.")
    tables = []
    for number, retrieval in enumerate(repeats):
        table = per_query(retrieval, features)
        table.insert(0, "repeat", number)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
