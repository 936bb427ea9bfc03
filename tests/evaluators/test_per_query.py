"""A table per query has the numbers of the retrieval, whose means are the scores."""

import pandas as pd
import pytest
import torch

from evaluators.metrics import METRICS, metrics_of
from evaluators.per_query import per_query, per_query_and_repeat
from evaluators.repeats import pooled, retrieve_repeated
from evaluators.retrieval import Features, retrieve
from reid_data.randomness import generator_of
from reid_data.records import Protocol


def part(count: int, seed: int) -> Features:
    g = generator_of(seed)
    return Features(
        torch.randn(count, 4, generator=g),
        torch.randint(-1, 6, (count,), generator=g),
        torch.randint(0, 2, (count,), generator=g),
    )


def test_three_queries_by_hand() -> None:
    """Query 0 is junk, query 2 has nobody; query 1 finds its own at rank 2, query 3 at rank 1.

    Query 1 looks along x: the gallery's x-picture is identity 7, its own looks along y. Rank 2:
    average precision 1/2; trapezoid (1/2 + 0/1) / 2 = 1/4; inverse penalty 1/2.
    """
    x, y = [1.0, 0.0], [0.0, 1.0]
    query = Features(
        torch.tensor([x, x, x, x]), torch.tensor([-1, 5, 6, 7]), torch.tensor([0, 3, 0, 4])
    )
    gallery = Features(torch.tensor([x, y]), torch.tensor([7, 5]), torch.tensor([1, 1]))
    expected = pd.DataFrame(
        {
            "query": [1, 3],
            "identity": [5, 7],
            "camera": [3, 4],
            "average_precision": [0.5, 1.0],
            "trapezoid": [0.25, 1.0],
            "inverse_penalty": [0.5, 1.0],
            "first_rank": [2, 1],
        }
    )
    pd.testing.assert_frame_equal(per_query(retrieve(query, gallery), query), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_means_of_the_columns_are_the_scores(seed: int) -> None:
    query = part(40, seed)
    retrieval = retrieve(query, part(90, seed + 10))
    rows = per_query(retrieval, query)
    assert tuple(metrics_of(retrieval)) == METRICS
    assert metrics_of(retrieval) == pytest.approx(means(rows), rel=1e-12)
    assert rows["identity"].tolist() == query.identities[rows["query"].tolist()].tolist()
    assert rows["camera"].tolist() == query.cameras[rows["query"].tolist()].tolist()


def test_repeats_stand_one_below_the_other() -> None:
    features = part(30, 5)
    repeats = retrieve_repeated(features, Protocol(False, frozenset(), frozenset(), repeats=3))
    rows = per_query_and_repeat(repeats, features)
    assert list(rows)[:2] == ["repeat", "query"]
    for number, retrieval in enumerate(repeats):
        alone = rows[rows["repeat"] == number].drop(columns="repeat").reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, per_query(retrieval, features))
    assert metrics_of(pooled(repeats)) == pytest.approx(means(rows), rel=1e-12)


def test_no_repeat_has_no_table() -> None:
    with pytest.raises(ValueError, match="no repeat to make a table of"):
        per_query_and_repeat((), part(3, 0))


def means(rows: pd.DataFrame) -> dict[str, float]:
    """The metrics, in the order of ``METRICS``, as a reader of the table would take them."""
    columns = rows[["average_precision", "trapezoid", "inverse_penalty"]].mean()
    return {
        "mAP": columns["average_precision"],
        "mAP_trapezoid": columns["trapezoid"],
        "mINP": columns["inverse_penalty"],
        **{f"rank{k}": (rows["first_rank"] <= k).mean() for k in (1, 5, 10)},
    }
