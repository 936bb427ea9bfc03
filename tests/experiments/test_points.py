"""Settings are told apart exactly where a reader sees a difference, and no two by one name."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.points import Setting, differing, rank, short_names, shown

VALUES = st.one_of(
    st.booleans(), st.integers(-5, 5), st.floats(), st.sampled_from(["", "true", "2", "a:b", "nan"])
)
POINTS = st.lists(st.dictionaries(st.sampled_from(["x", "a.x", "b.x", "y"]), VALUES), max_size=4)
NAMES = st.lists(
    st.lists(st.sampled_from(["settings", "seed", "a", "b"]), min_size=1, max_size=4).map(".".join),
    unique=True,
    max_size=6,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (False, "false"), (2, "2"), (2.0, "2"), (-0.0, "0"), (0.25, "0.25"),
        (0.00035, "0.00035"), (1e-5, "1e-5"), (3.5e-10, "3.5e-10"), (1e22, "1e22"),
        (1_000_000.0, "1000000"), ("none:exchange", "none:exchange"), (None, ""),
    ],
)  # fmt: skip
def test_values_are_shown_as_a_person_writes_them(value: Setting | None, text: str) -> None:
    assert shown(value) == text


@given(st.floats(allow_nan=False))
def test_no_digit_of_a_number_is_lost(value: float) -> None:
    assert float(shown(value)) == value


@given(POINTS)
def test_a_setting_differs_where_two_points_do_not_show_it_alike(
    points: list[dict[str, Setting]],
) -> None:
    wanted = {
        name
        for one, other in combinations(points, 2)
        for name in one.keys() | other.keys()
        if shown(one.get(name)) != shown(other.get(name))
    }
    assert differing(points) == sorted(wanted)


def test_a_list_of_numbers_is_sorted_by_size_with_nothing_first_and_texts_last() -> None:
    values: list[Setting | None] = [
        "b",
        10,
        float("nan"),
        2.5,
        True,
        None,
        9,
        "a",
        False,
        float("inf"),
    ]
    found = sorted(values, key=rank)
    assert json.dumps(found) == json.dumps(
        [None, False, True, 2.5, 9, 10, float("inf"), "a", "b", float("nan")]
    )


@given(st.lists(VALUES | st.none()), st.randoms())
def test_values_of_any_kind_have_one_order(values: list[Setting | None], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [shown(value) for value in sorted(shuffled, key=rank)] == [
        shown(value) for value in sorted(values, key=rank)
    ]


def test_names_are_as_short_as_they_can_be() -> None:
    # mode alone is unique; weight_decay is not, nor is weights.weight_decay, arch.weight_decay is;
    # seed stands for something else already, and there is nothing in front of the first
    names = [
        "retrain.alignment.mode", "search.weights.weight_decay", "retrain.weights.weight_decay",
        "search.arch.weight_decay", "unsupervised.seed", "seed",
    ]  # fmt: skip
    assert short_names(names, taken=["seed"]) == {
        "retrain.alignment.mode": "mode",
        "search.weights.weight_decay": "search.weights.weight_decay",
        "retrain.weights.weight_decay": "retrain.weights.weight_decay",
        "search.arch.weight_decay": "arch.weight_decay",
        "unsupervised.seed": "unsupervised.seed",
        "seed": "settings.seed",
    }


@given(NAMES)
def test_no_two_settings_have_one_name_nor_one_that_is_taken(names: list[str]) -> None:
    found = short_names(names, taken=["seed"])
    assert list(found) == names
    assert len({*found.values(), "seed"}) == len(names) + 1
    assert all(f"settings.{name}".endswith(short) for name, short in found.items())
