"""A ranked list is the evaluation's own ranking: its ranks give back the scores, ties and all."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluators.retrieval import MARKET_RULES, Features, Retrieval, retrieve
from experiments.pages.ranked_lists import CHOICES, RankedList, chosen_queries, ranked_lists
from reid_data.randomness import generator_of
from reid_data.records import Protocol

NO_RULE = Protocol(camera_rule=False, junk=frozenset({-1}), distractors=frozenset())
ALL = 10_000


class Case(NamedTuple):
    query: Features
    gallery: Features
    protocol: Protocol

    def scored(self) -> Retrieval:
        return retrieve(*self)

    def lists(self, *, ranks: int) -> list[RankedList]:
        scored = self.scored()
        places = range(len(scored.query))
        return ranked_lists(*self, scored, places, ranks=ranks)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few directions, so that many are equally similar; junk, distractors and three cameras."""
    g = generator_of(draw(st.integers(0, 2**20)))
    few = draw(st.booleans())

    def part(count: int) -> Features:
        identities = torch.randint(-1, 5, (count,), generator=g)
        vectors = torch.randint(-1, 2, (count, 2), generator=g).float()
        if not few:
            vectors = torch.randn(count, 6, generator=g)
        return Features(vectors, identities, torch.randint(0, 3, (count,), generator=g))

    query, gallery = part(draw(st.integers(1, 12))), part(draw(st.integers(1, 40)))
    sure = torch.tensor([4])  # one query is sure to look for something
    query = _with(query, sure, torch.tensor([0]))
    gallery = _with(gallery, sure, torch.tensor([1]))
    return Case(query, gallery, draw(st.sampled_from([MARKET_RULES, NO_RULE])))


def _with(part: Features, identity: Tensor, camera: Tensor) -> Features:
    return Features(
        torch.cat([part.vectors, part.vectors[:1]]),
        torch.cat([part.identities, identity]),
        torch.cat([part.cameras, camera]),
    )


def average_precision(ranks: list[int]) -> float:
    return sum(k / rank for k, rank in enumerate(ranks, 1)) / len(ranks)


def test_a_list_by_hand() -> None:
    """The query is identity 1 by camera 0; cosines are .6, 1, .6, .6 and 0.

    Row 1 is of its identity and camera: left out, before rank 1. Of the three equals row 2 is
    right and stands behind the wrong rows 0 and 3, at rank 3; row 4, wrong, is rank 4.
    """
    a = [0.6, 0.8]
    gallery = Features(
        torch.tensor([a, [1.0, 0.0], a, a, [0.0, 1.0]]),
        torch.tensor([2, 1, 1, 0, 3]),
        torch.tensor([1, 0, 1, 1, 1]),
    )
    query = Features(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), torch.tensor([0]))
    case = Case(query, gallery, MARKET_RULES)
    (got,) = case.lists(ranks=ALL)
    assert [(e.row, e.rank, e.relevant) for e in got.shown] == [
        (1, None, False),
        (0, 1, False),
        (3, 2, False),
        (2, 3, True),
        (4, 4, False),
    ]
    assert [e.similarity for e in got.shown] == pytest.approx([1, 0.6, 0.6, 0.6, 0])
    assert (got.hits, got.average_precision, got.beyond) == ((3,), 1 / 3, None)
    (short,) = case.lists(ranks=2)
    assert short.shown == got.shown[:3]
    assert short.beyond == short.first_right == got.shown[3]


@given(cases())
def test_the_ranks_shown_give_back_the_scores(case: Case) -> None:
    scored = case.scored()
    for place, one in enumerate(case.lists(ranks=ALL)):
        shown = [e.rank for e in one.shown if e.relevant and e.rank is not None]
        assert shown == list(one.hits)
        assert average_precision(shown) == pytest.approx(float(scored.average_precision[place]))
        assert one.hits[0] == int(scored.first[place]) == one.first_right.rank
        assert len(shown) / shown[-1] == pytest.approx(float(scored.inverse_penalty[place]))


@given(cases())
def test_a_list_holds_the_gallery_once_and_ranks_what_the_rules_leave(case: Case) -> None:
    query, gallery, protocol = case
    for one in case.lists(ranks=ALL):
        assert sorted(e.row for e in one.shown) == list(range(len(gallery.vectors)))
        similar = [e.similarity for e in one.shown]
        assert similar == sorted(similar, reverse=True)
        ranks = [e.rank for e in one.shown if e.rank is not None]
        assert ranks == list(range(1, len(ranks) + 1))
        for e in one.shown:
            who, camera = int(gallery.identities[e.row]), int(gallery.cameras[e.row])
            mine = who == int(query.identities[one.query])
            same = mine and camera == int(query.cameras[one.query])
            out = who in protocol.junk or (same and protocol.camera_rule)
            assert (e.rank is None) == out
            assert e.relevant == (mine and not out)


@given(cases(), st.integers(1, 30))
def test_a_shorter_list_is_the_beginning_and_says_where_the_first_right_one_is(
    case: Case, ranks: int
) -> None:
    for short, whole in zip(case.lists(ranks=ranks), case.lists(ranks=ALL), strict=True):
        assert short.shown == whole.shown[: len(short.shown)]
        ranked = [e.rank for e in whole.shown if e.rank is not None]
        assert short.shown[-1].rank == ranks or len(short.shown) == len(whole.shown)
        assert max(e.rank or 0 for e in short.shown) == min(ranks, len(ranked))
        assert (short.beyond is None) == any(e.relevant for e in short.shown)
        assert short.first_right == whole.first_right
        assert short.hits == whole.hits


@given(cases(), st.integers(1, 20))
def test_the_worst_have_the_lowest_and_the_best_the_highest_scores(case: Case, count: int) -> None:
    scored = case.scored()
    scores = scored.average_precision.tolist()
    chosen = {choice: chosen_queries(scored, choice, count) for choice in CHOICES}
    for places in chosen.values():
        assert len(set(places)) == len(places) == min(count, len(scores))
    assert [scores[place] for place in chosen["worst"]] == sorted(scores)[:count]
    assert [scores[place] for place in chosen["best"]] == sorted(scores, reverse=True)[:count]
    assert chosen["random"] == chosen_queries(scored, "random", count)  # the same every time
