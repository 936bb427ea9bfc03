"""Between features and a report: how they are re-ranked, a row per query."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from evaluators.per_query import SCORES, per_query, per_query_and_repeat
from evaluators.repeats import Score
from evaluators.rerank import retrieve_reranked
from evaluators.retrieval import Features
from experiments.score_report import Repeats, Scored
from reid_data.records import Protocol


def reranked_by(parameters: Mapping[str, float]) -> Score:
    """What scores after re-ranking, by ``k1``, ``k2`` and ``lambda``."""
    return partial(
        retrieve_reranked,
        k1=int(parameters["k1"]),
        k2=int(parameters["k2"]),
        lambda_value=parameters["lambda"],
    )


def rows(repeats: Repeats, protocol: Protocol, pictures: Features) -> pd.DataFrame:
    """A row per query, and per repeat where the protocol has some.

    Args:
        repeats: the scores.
        protocol: they were found by.
        pictures: that the scores number; where galleries are drawn, query and gallery together.
    """
    if protocol.repeats:
        return per_query_and_repeat(repeats, pictures)
    return per_query(repeats[0], pictures)


def query_table(scored: Scored, pictures: Features) -> pd.DataFrame:
    """A row per query; scores after re-ranking, of the same queries, stand beside the others."""
    plain = rows(scored.plain, scored.protocol, pictures)
    if scored.reranked is None:
        return plain
    reranked = rows(scored.reranked, scored.protocol, pictures)
    return plain.join(reranked[list(SCORES)].add_prefix("rerank_"))


def named(options: Mapping[str, Path | None]) -> dict[str, Path]:
    """Those files that were given: option -> file."""
    return {option: file for option, file in options.items() if file is not None}
