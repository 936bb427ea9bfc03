"""A name has one number, whole numbers are their own, and -1 stays -1."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_data import numbering
from reid_data.numbering import numbered, whole_numbers

whole = st.integers(0, 10**18 - 1).map(str)
words = st.text(max_size=5)
either = st.lists(whole | words | st.just("-1"), max_size=12)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(numbering).failed == 0


def test_names_count_from_1_in_sorted_order() -> None:
    assert numbered(["b", "a", "Ä", "10", "9"]) == {"10": 1, "9": 2, "a": 3, "b": 4, "Ä": 5}


def test_nothing_is_numbered_where_there_is_nothing() -> None:
    assert numbered([]) == {}
    assert numbered(["-1"]) == {"-1": -1}


@pytest.mark.parametrize("text", ["", "-2", "+1", "1.0", "1 ", "²", "\u0661", "1_000", "9" * 19])
def test_what_only_looks_like_a_whole_number_is_a_name(text: str) -> None:
    assert not whole_numbers([text])
    assert numbered([text, "7"]) == {name: n for n, name in enumerate(sorted([text, "7"]), start=1)}


def test_the_longest_whole_number_fits_into_64_bits() -> None:
    assert numbered(["9" * 18]) == {"9" * 18: 10**18 - 1}
    assert 10**18 - 1 < 2**63


@given(st.lists(whole | st.just("-1")))
def test_whole_numbers_are_their_own(texts: list[str]) -> None:
    assert numbered(texts) == {text: int(text) for text in texts}


@given(either)
def test_names_are_never_taken_for_one_another(texts: list[str]) -> None:
    numbers = numbered(texts)
    assert numbers.keys() == set(texts)
    if not whole_numbers(texts):
        assert len(set(numbers.values())) == len(numbers)
        assert sorted(numbers.values())[-1] <= len(numbers)
        assert all(number >= 1 for text, number in numbers.items() if text != "-1")


@given(either.flatmap(lambda texts: st.tuples(st.just(texts), st.permutations(texts + texts[:3]))))
def test_neither_order_nor_repetition_counts(pair: tuple[list[str], list[str]]) -> None:
    texts, shuffled = pair
    assert numbered(texts) == numbered(shuffled)
    assert list(numbered(texts)) == list(numbered(shuffled))
