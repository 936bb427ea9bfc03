"""Both ways of counting give the ranks of the definition: sort, irrelevant ones first among equals.

Values are drawn from few, so that ties are frequent, and both zeros are among them.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.ranking import per_query, ranks

SPARSE, DENSE = 1.0, -1.0
"""Shares below which the sparse way is taken: of all cells, and of none."""

IRRELEVANT, RELEVANT, LEFT_OUT = range(3)

TINY = 2.0**-140  # below the smallest normal number
values = st.sampled_from([0.0, -0.0, TINY, -TINY, 0.5, -0.5, 1.0, -1.0, -3e38, 3e38, -torch.inf])
pictures = st.tuples(values, st.sampled_from([IRRELEVANT, IRRELEVANT, RELEVANT, LEFT_OUT]))
Query = list[tuple[float, int]]
"""Similarity and kind of every gallery picture."""


def by_definition(query: Query) -> list[int]:
    ranking = sorted((-value, kind) for value, kind in query if kind != LEFT_OUT)
    return [rank for rank, (_, kind) in enumerate(ranking, start=1) if kind == RELEVANT]


def counted(queries: list[Query], share: float) -> list[list[int]]:
    """Ranks by the function under test, without its padding."""
    similarity = torch.tensor([[value for value, _ in query] for query in queries])
    kind = torch.tensor([[kind for _, kind in query] for query in queries])
    same = [(row != IRRELEVANT).nonzero().squeeze(1).tolist() for row in kind]
    widest = max(map(len, same))
    padded = torch.tensor([row + row[:1] * (widest - len(row)) for row in same])
    real = torch.tensor([[place < len(row) for place in range(widest)] for row in same])
    relevant = real & (kind.gather(1, padded) == RELEVANT)
    got = ranks(similarity, padded, relevant, sparse_share=share)
    return [row[:n].tolist() for row, n in zip(got, relevant.sum(1), strict=True)]


def galleries(size: int) -> st.SearchStrategy[list[Query]]:
    """Of 1 to 4 queries, each with a relevant picture that is not as far away as can be."""
    relevant = st.tuples(values.filter(lambda value: value > -torch.inf), st.just(RELEVANT))
    others = st.lists(
        pictures.filter(lambda picture: picture != (-torch.inf, RELEVANT)),
        min_size=size,
        max_size=size,
    )
    query = st.tuples(others, relevant).map(lambda parts: [*parts[0], parts[1]])
    return st.lists(query, min_size=1, max_size=4)


@pytest.mark.parametrize("share", [SPARSE, DENSE])
@given(queries=st.integers(0, 12).flatmap(galleries))
def test_ranks_are_those_of_the_definition(share: float, queries: list[Query]) -> None:
    assert counted(queries, share) == [by_definition(query) for query in queries]


@pytest.mark.parametrize("share", [SPARSE, DENSE])
def test_two_queries_worked_by_hand(share: float) -> None:
    # .9 stands in front; .7 is relevant and behind the irrelevant .7: ranks 3 and, at .1 behind
    # .9 .7 .7 .3, 5; of the second query the relevant 0 ties with -0, and -.2 comes last
    first = [(0.9, IRRELEVANT), (0.7, RELEVANT), (0.7, IRRELEVANT), (0.3, IRRELEVANT)]
    second = [(0.0, RELEVANT), (-0.0, IRRELEVANT), (-0.1, IRRELEVANT), (0.4, LEFT_OUT)]
    queries = [[*first, (0.1, RELEVANT)], [*second, (-0.2, RELEVANT)]]
    assert counted(queries, share) == [[3, 5], [2, 4]]


@pytest.mark.parametrize("relevant", [1, 40])
def test_both_ways_agree_on_real_numbers(relevant: int) -> None:
    generator = torch.Generator().manual_seed(relevant)
    similarity = torch.randn(30, 2000, generator=generator)
    similarity[:, 700:] = similarity[:, :1300]  # ties
    same = torch.rand(30, 2000, generator=generator).argsort(1)[:, :relevant]
    wanted = torch.rand(30, relevant, generator=generator) < 0.8
    wanted[:, 0] = True
    sparse, dense = (
        ranks(similarity.clone(), same, wanted, sparse_share=share) for share in (SPARSE, DENSE)
    )
    counts = torch.arange(relevant) < wanted.sum(1, keepdim=True)
    assert torch.equal(sparse[counts], dense[counts])


def test_scores_of_two_queries_worked_by_hand() -> None:
    # ranks 1 and 4, and rank 2 with padding behind it
    precision, trapezoid, penalty, first = per_query(
        torch.tensor([[1, 4], [2, 9]]), torch.tensor([2, 1])
    )
    assert precision.tolist() == [(1 / 1 + 2 / 4) / 2, 1 / 2]
    assert trapezoid.tolist() == [((1 + 1) / 2 + (2 / 4 + 1 / 3) / 2) / 2, (1 / 2 + 0 / 1) / 2]
    assert penalty.tolist() == [2 / 4, 1 / 2]
    assert first.tolist() == [1, 2]
