"""A threshold is the smallest similarity that accepts few enough pairs of two identities."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.repeats import drawn_galleries
from evaluators.retrieval import Features
from evaluators.similarity import Similarity
from evaluators.thresholds import (
    BINS,
    Accepted,
    Threshold,
    Thresholds,
    accepted,
    similarity_thresholds,
)
from reid_data.records import Protocol

MARKET = Protocol()


def features(vectors: list[list[float]], identities: list[int], cameras: list[int]) -> Features:
    return Features(
        torch.tensor(vectors, dtype=torch.float32), torch.tensor(identities), torch.tensor(cameras)
    )


QUERY = features([[1, 0]], [1], [0])
FIVE = features([[1, 0], [4, 3], [3, 4], [0, 1], [-1, 0]], [1, 2, 1, 3, 4], [1] * 5)
"""Similarities 1, 0.8, 0.6, 0 and -1; the first and the third are of the query's identity."""


def test_five_pairs_by_hand() -> None:
    """Of three pairs of two identities a rate of 0.4 allows one, as 1/3 <= 0.4 < 2/3.

    With that one accepted, at 0.8, similarities may go down to 0.6, where both of the two pairs of
    one identity are accepted. A rate of 0.1 allows none: the most similar pair alone.
    """
    found = similarity_thresholds(QUERY, FIVE, rates=(0.1, 0.4, 1.0))
    assert (found.genuine, found.impostors, found.resolution) == (2, 3, 0.0)
    none, one, all_three = found.chosen
    assert none == Threshold(0.1, 1.0, 0.0, 1 / 2)
    assert one.similarity == pytest.approx(0.6)
    assert (one.false_accepts, one.true_accepts) == (1 / 3, 1.0)
    assert all_three == Threshold(1.0, -1.0, 1.0, 1.0)


def test_a_rate_that_is_met_exactly_is_allowed() -> None:
    (threshold,) = similarity_thresholds(QUERY, FIVE, rates=(1 / 3,)).chosen
    assert threshold.similarity == pytest.approx(0.6)


def test_a_threshold_within_a_run_of_strangers_by_hand() -> None:
    """Strangers at .9, .8, .7 and .6, the own picture at .5: no point between them may be left out.

    Of four pairs of two identities a rate of 0.5 allows two, .9 and .8, though no pair of one
    identity is accepted before or behind them, so that the curve is straight there.
    """
    cosines = [0.9, 0.8, 0.7, 0.6, 0.5]
    gallery = features([[c, math.sqrt(1 - c * c)] for c in cosines], [2, 3, 4, 5, 1], [1] * 5)
    for exact_pairs in (0, 5):
        (half,) = similarity_thresholds(
            QUERY, gallery, rates=(0.5,), exact_pairs=exact_pairs
        ).chosen
        assert half.similarity == pytest.approx(0.8, abs=2 / BINS)
        assert (half.false_accepts, half.true_accepts) == (0.5, 0.0)


def test_as_many_cells_as_are_kept_exactly_are_sorted_and_one_more_is_counted_in_bins() -> None:
    """One query and five gallery pictures: five cells."""
    assert similarity_thresholds(QUERY, FIVE, exact_pairs=5).resolution == 0
    assert similarity_thresholds(QUERY, FIVE, exact_pairs=4).resolution == 2 / BINS


def test_a_tie_is_accepted_or_refused_as_one() -> None:
    """A picture of another identity is the query's own copy: nobody can be told from it."""
    gallery = features([[1, 0], [1, 0], [0, 1]], [1, 2, 3], [1, 1, 1])
    none, half = similarity_thresholds(QUERY, gallery, rates=(0.1, 0.5)).chosen
    assert none == Threshold(0.1, None, 0.0, 0.0)
    assert half == Threshold(0.5, 1.0, 0.5, 1.0)


def test_the_protocol_says_which_pairs_count() -> None:
    """The same camera's picture of one's own, and junk, are nobody's pair; a distractor is."""
    gallery = features([[1, 0], [1, 0], [4, 3], [3, 4], [0, 1]], [1, -1, 0, 1, 2], [0, 1, 1, 1, 0])
    query = features([[1, 0], [1, 0], [1, 0]], [1, 0, -1], [0, 5, 5])
    found = similarity_thresholds(query, gallery, rates=(0.0, 0.5))
    # of query 1: 0.6 is its own; the distractor's 0.8 and 0 are others
    assert (found.genuine, found.impostors) == (1, 2)
    assert found.chosen[0].similarity is None
    assert found.chosen[1].similarity == pytest.approx(0.6)
    everything = replace(MARKET, camera_rule=False, junk=frozenset(), distractors=frozenset())
    free = similarity_thresholds(query, gallery, everything)
    assert (free.genuine, free.impostors) == (2 + 1 + 1, 3 * 5 - 4)


def twin(query: Features, gallery: Features, protocol: Protocol, rate: float) -> Threshold:
    """As the definition reads: every pair, every similarity tried."""
    genuine: list[float] = []
    impostors: list[float] = []
    left_out = protocol.junk | protocol.distractors
    for q, i, c in zip(query.vectors, query.identities, query.cameras, strict=True):
        for g, j, d in zip(gallery.vectors, gallery.identities, gallery.cameras, strict=True):
            if int(i) in left_out or int(j) in protocol.junk:
                continue
            if protocol.camera_rule and i == j and c == d:
                continue
            (genuine if i == j else impostors).append(float(q @ g / q.norm() / g.norm()))
    best = Threshold(rate, None, 0.0, 0.0)
    for t in sorted({*genuine, *impostors}, reverse=True):
        false = sum(s >= t for s in impostors) / len(impostors)
        if false <= rate:
            best = Threshold(rate, t, false, sum(s >= t for s in genuine) / len(genuine))
    return best


def test_what_given_similarities_accept_by_hand() -> None:
    """Of one identity 1 and 0.6, of two 0.8, 0 and -1: from 0.7 on one of two and one of three.

    A similarity that is one of theirs is included; the next number in float64 leaves it out,
    though float32 has none in between.
    """
    beyond = math.nextafter(1.0, 2.0)
    found = accepted(QUERY, FIVE, similarities=(0.7, 0.0, 1.0, beyond, -2.0, None))
    assert found == (
        Accepted(0.7, 1 / 3, 1 / 2, 3),
        Accepted(0.0, 2 / 3, 1.0, 3),
        Accepted(1.0, 0.0, 1 / 2, 3),
        Accepted(beyond, 0.0, 0.0, 3),
        Accepted(-2.0, 1.0, 1.0, 3),
        Accepted(None, 0.0, 0.0, 3),
    )


@pytest.mark.parametrize("repeats", [0, 3])
def test_a_threshold_accepts_its_own_shares_of_the_pictures_it_was_taken_from(repeats: int) -> None:
    g = torch.Generator().manual_seed(2)
    query, gallery = (
        Features(torch.randn(n, 4, generator=g), torch.arange(n) % 5, torch.arange(n) % 3)
        for n in (20, 70)
    )
    protocol = replace(MARKET, camera_rule=not repeats, repeats=repeats)
    for exact_pairs in (0, 1 << 22):
        chosen = similarity_thresholds(
            query, gallery, protocol, rates=(0.0, 0.01, 0.3), exact_pairs=exact_pairs
        ).chosen
        found = accepted(query, gallery, protocol, similarities=[one.similarity for one in chosen])
        expected = [(one.similarity, one.false_accepts, one.true_accepts) for one in chosen]
        assert [(one.similarity, one.false_accepts, one.true_accepts) for one in found] == expected


CORNERS = st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4)
"""Their cosines are -1, -0.5, 0, 0.5 or 1, to the last bit: many ties."""


@st.composite
def parts(draw: st.DrawFn, fewest: int = 1) -> Features:
    count = draw(st.integers(fewest, 8))

    def many(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=count, max_size=count))

    vectors = draw(st.lists(CORNERS, min_size=count, max_size=count))
    return features(vectors, many(st.integers(-1, 3)), many(st.integers(0, 1)))


RATES = st.sampled_from([0.0, 0.001, 0.2, 0.25, 0.5, 1.0])


def found_or_refused(*arguments: Features | Protocol, **settings: float) -> Thresholds | str:
    try:
        return similarity_thresholds(*arguments, **settings)  # type: ignore[arg-type]
    except ValueError as error:
        return str(error)


@given(parts(), parts(), st.booleans(), RATES)
def test_it_is_the_definition_whether_sorted_or_counted_in_bins(
    query: Features, gallery: Features, camera_rule: bool, rate: float
) -> None:
    protocol = Protocol(camera_rule=camera_rule)
    found = found_or_refused(query, gallery, protocol, rates=(rate,))  # type: ignore[arg-type]
    binned = found_or_refused(query, gallery, protocol, rates=(rate,), exact_pairs=0)  # type: ignore[arg-type]
    if isinstance(found, str) or isinstance(binned, str):
        assert found == binned
        assert "a threshold needs both" in str(found)
        return
    assert found.chosen == (twin(query, gallery, protocol, rate),)
    assert binned == replace(found, resolution=2 / BINS)


def test_a_drawn_gallery_counts_the_pairs_of_all_its_repeats() -> None:
    g = torch.Generator().manual_seed(0)
    pictures = Features(
        torch.randn(12, 3, generator=g), torch.arange(12) % 3, torch.zeros(12, dtype=torch.int64)
    )
    none = Features(pictures.vectors[:0], pictures.identities[:0], pictures.cameras[:0])
    protocol = Protocol(False, frozenset(), frozenset(), repeats=4, seed=3)
    found = similarity_thresholds(pictures, none, protocol, rates=(0.25,))
    # each repeat: 3 pictures searched in, 9 asking, of each its own and two others
    assert (found.genuine, found.impostors) == (4 * 9, 4 * 9 * 2)
    galleries = drawn_galleries(pictures.identities, repeats=4, seed=3)
    similarity = torch.nn.functional.normalize(pictures.vectors)
    accepted = 0
    for drawn in galleries:
        s = similarity[~drawn] @ similarity[drawn].T
        other = pictures.identities[~drawn][:, None] != pictures.identities[drawn]
        accepted += int((s[other] >= (found.chosen[0].similarity or 2.0) - 1e-6).sum())
    assert accepted == found.chosen[0].false_accepts * 72 <= 0.25 * 72


def test_bins_never_accept_more_than_was_allowed_and_say_what_they_accept() -> None:
    g = torch.Generator().manual_seed(1)
    query, gallery = (
        Features(
            torch.randn(n, 8, generator=g),
            torch.randint(1, 9, (n,), generator=g),
            torch.randint(0, 3, (n,), generator=g),
        )
        for n in (60, 400)
    )
    exact = similarity_thresholds(query, gallery)
    binned = similarity_thresholds(query, gallery, exact_pairs=1000)
    assert (binned.genuine, binned.impostors) == (exact.genuine, exact.impostors)
    for ours, theirs in zip(binned.chosen, exact.chosen, strict=True):
        assert ours.false_accepts == theirs.false_accepts <= ours.rate
        assert ours.true_accepts == theirs.true_accepts
        assert ours.similarity == pytest.approx(theirs.similarity, abs=2 / BINS)


def test_a_cosine_beyond_1_is_counted_as_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a per cent too long, as products of few digits may be."""
    of = Similarity.of
    monkeypatch.setattr(Similarity, "of", lambda cosine, q: 1.001 * of(cosine, q))
    found = similarity_thresholds(QUERY, FIVE, rates=(0.1, 1.0), exact_pairs=0)
    assert (found.genuine, found.impostors) == (2, 3)
    assert [one.similarity for one in found.chosen] == [1.0, -1.0]


@pytest.mark.parametrize(
    ("gallery", "words"),
    [
        (features([[1, 0]], [1], [1]), "1 pairs of one identity and 0 of two"),
        (features([[1, 0]], [2], [1]), "0 pairs of one identity and 1 of two"),
        (features([[1, 0, 0]], [2], [1]), "2 dimensions and gallery vectors 3"),
        (features([[float("nan"), 0]], [2], [1]), "not finite"),
    ],
)
def test_pairs_that_decide_nothing_are_refused(gallery: Features, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        similarity_thresholds(QUERY, gallery)
    with pytest.raises(ValueError, match=words):
        accepted(QUERY, gallery, similarities=(0.5,))
