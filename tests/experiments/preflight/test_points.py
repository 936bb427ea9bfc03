"""A value is blamed if and only if it is refused alone and at every point that has it."""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nni.tools.package_utils import create_builtin_class_instance

from experiments.preflight.points import MOST_POINTS, count, misfit, points, refusals, values_of


def spec(kind: str, *values: Any) -> dict[str, Any]:
    return {"_type": kind, "_value": list(values)}


def test_the_values_of_each_type_are_those_nni_can_draw() -> None:
    assert values_of(spec("choice", "a", None, [1, 2])) == ["a", None, [1, 2]]
    assert values_of(spec("randint", 2, 5)) == [2, 3, 4]  # the upper end is never drawn
    assert values_of(spec("randint", 0, 1000)) == [0, 999]
    # round(1 / 2) = 0 -> 0, up to 1; then 2, 4; round(5 / 2) = 2 (to even) -> 4
    assert values_of(spec("quniform", 1, 5, 2)) == [1.0, 2.0, 4.0]
    low, middle, high = values_of(spec("uniform", 10, 20))
    assert (low, high) == (10.0, 20.0)
    assert middle == pytest.approx(16.18, abs=0.01)  # between them, and no integer
    assert values_of(spec("normal", 5, 2)) == [-1.0, 5.0, 11.0]
    assert values_of(spec("lognormal", 0, 1)) == pytest.approx([math.exp(-3), 1.0, math.exp(3)])
    assert values_of(spec("qnormal", 5, 2, 4)) == [0.0, 4.0, 12.0]


def test_the_points_of_a_batch_are_those_it_lists() -> None:
    listed = [{"a": 1, "b": [2]}, {"a": 3}]
    assert points({"combine_params": spec("choice", *listed)}) == listed
    # a key whose values are mappings in part, or that is not alone, is a key as any other
    assert points({"a": spec("choice", {"b": 1}, 2)}) == [{"a": {"b": 1}}, {"a": 2}]
    assert len(points({"a": spec("choice", *listed), "c": spec("choice", 5)})) == 2


LISTED = spec("choice", {"a": 1}, {"a": 2})


@pytest.mark.parametrize(
    ("tuner", "space", "begin"),
    [
        ("batch", {"c": LISTED}, None),
        ("batch", {"c": LISTED, "d": spec("choice", 1)}, "The tuner Batch needs a search space"),
        ("batch", {"c": spec("choice", {"a": 1}, 2)}, "The tuner Batch needs a search space of"),
        ("batch", {"c": spec("uniform", 0, 1)}, "The tuner Batch needs a search space of one key"),
        ("batch", {}, "The tuner Batch needs a search space of one key"),
        ("gridsearch", {"c": LISTED}, "The choices of the search space's one key c are mappings"),
        ("tpe", {"c": LISTED}, "The choices of the search space's one key c are mappings of"),
        ("gridsearch", {"c": spec("choice", 1)}, None),
        ("gridsearch", {}, None),
        (None, {"c": LISTED}, None),
        ("hyperband", {"c": spec("choice", 1)}, "The tuner hyperband adds TRIAL_BUDGET to every"),
        ("bohb", {"c": spec("choice", 1)}, "The tuner bohb adds TRIAL_BUDGET to every point, and"),
        ("pbt", {"c": LISTED}, "The tuner pbt adds load_checkpoint_dir and save_checkpoint_dir"),
    ],
)
def test_a_tuner_that_gives_out_no_points_of_the_space_is_one_sentence(
    tuner: str | None, space: dict[str, Any], begin: str | None
) -> None:
    said = misfit(space, tuner)
    assert [words[: len(begin or "")] for words in said] == ([] if begin is None else [begin])
    assert all("\n" not in words and words.endswith(".") for words in said)


@pytest.mark.parametrize(
    "space", [{"c": LISTED}, {"c": LISTED, "d": LISTED}, {"c": spec("choice")}]
)
def test_batch_is_told_to_be_unfit_exactly_where_nni_gives_out_no_mapping(
    space: dict[str, Any],
) -> None:
    tuner = create_builtin_class_instance("Batch", None, "tuners")
    try:
        tuner.update_search_space(space)
        given_out = [tuner.generate_parameters(number) for number in range(2)]
    except Exception:  # noqa: BLE001 - NNI's errors are of every kind
        given_out = [None]
    fits = all(isinstance(point, dict) for point in given_out)
    assert fits == (space == {"c": LISTED})
    if space["c"] == LISTED:
        assert fits == (misfit(space, "batch") == [])


def test_points_of_different_keys_are_blamed_for_what_they_have() -> None:
    def accept(point: Mapping[str, Any]) -> None:
        if point.get("b") == 2:
            raise ValueError("b is 2")

    good, sentences = refusals([{"a": 1}, {"a": 1, "b": 2}], accept)
    assert (good, sentences) == ([{"a": 1}], ["b is 2"])


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        None,
        [],
        {},
        {"_type": "choice"},
        spec("choice"),
        spec("choise", 1, 2),
        spec("uniform", 1),
        spec("uniform", 2, 1),
        spec("uniform", 1, 2, 3),
        spec("uniform", "a", "b"),
        spec("quniform", 1, 2),
        spec("quniform", 1, 2, 0),
        spec("randint", 1),
        spec("randint", 3, 2),
        spec("randint", 0.5, 1),
        spec("lognormal", 1e9, 1),
    ],
)
def test_what_is_no_part_of_a_search_space_is_one_sentence(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"is no part of a search space: .* was needed, or"):
        values_of(wrong)


@given(low=st.floats(-5, 5), width=st.floats(0, 50), step=st.floats(0.125, 5), draw=st.floats(0, 1))
def test_a_stepped_range_has_every_value_that_nni_rounds_and_clips_to(
    low: float, width: float, step: float, draw: float
) -> None:
    high = low + width
    drawn = min(max(round((low + draw * width) / step) * step, low), high)
    found = values_of(spec("quniform", low, high, step))
    if len(found) < 60:
        assert any(math.isclose(drawn, value, abs_tol=1e-9) for value in found)
    assert all(low <= value <= high for value in found)


def test_only_a_space_of_choices_has_a_number_of_points() -> None:
    assert count({"a": spec("choice", 1, 2), "b": spec("choice", 1, 2, 3)}) == 6
    assert count({"a": spec("choice", 1, 2), "b": spec("uniform", 0, 1)}) is None
    assert count({}) == 1


def test_a_large_space_is_looked_at_one_key_at_a_time() -> None:
    space = {name: spec("choice", *range(40)) for name in "ab"}
    found = points(space)
    assert MOST_POINTS < 40 * 40
    assert len(found) == 1 + 39 + 39
    assert {(p["a"], p["b"]) for p in found} == {(i, 0) for i in range(40)} | {
        (0, i) for i in range(40)
    }


def refuse(wrong: set[frozenset[tuple[str, Any]]]) -> Any:
    """Accepts what holds none of these combinations of settings."""

    def accept(point: Mapping[str, Any]) -> None:
        held = [sorted(w) for w in wrong if w <= point.items()]
        if held:
            raise ValueError(f"wrong: {min(held)}")

    return accept


def test_every_wrong_value_is_said_once_and_at_once() -> None:
    space = {"a": spec("choice", 1, 2, 3), "b": spec("choice", 4, 5), "c": spec("choice", 6, 7)}
    wrong = {frozenset({("a", 2)}), frozenset({("b", 4)}), frozenset({("c", 7), ("a", 3)})}
    good, said = refusals(points(space), refuse(wrong))
    # of 3 x 2 x 2 points a = 1 and 3, b = 5, c = 6 and 7 are left, less (3, 5, 7)
    assert good == [{"a": 1, "b": 5, "c": 6}, {"a": 1, "b": 5, "c": 7}, {"a": 3, "b": 5, "c": 6}]
    assert said == [
        "wrong: [('a', 2)]",
        "wrong: [('b', 4)]",
        "At the point a=3, b=5, c=7: wrong: [('a', 3), ('c', 7)]",
    ]


def test_settings_that_are_wrong_alone_and_right_together_are_not_blamed() -> None:
    def accept(point: Mapping[str, Any]) -> None:
        if point.get("milestone", 10) >= point.get("epochs", 5):
            raise ValueError("a milestone beyond the last epoch")

    space = {"epochs": spec("choice", 20), "milestone": spec("choice", 12)}
    assert refusals(points(space), accept) == ([{"epochs": 20, "milestone": 12}], [])


def test_one_is_not_true_and_lists_are_values() -> None:
    def accept(point: Mapping[str, Any]) -> None:
        if point["a"] is True or point["a"] == [1]:
            raise ValueError(f"{point['a']} is wrong")

    space = {"a": spec("choice", 1, True, [1], [2])}
    good, said = refusals(points(space), accept)
    assert [point["a"] for point in good] == [1, [2]]
    assert said == ["True is wrong", "[1] is wrong"]


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    wrong=st.sets(
        st.frozensets(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1, max_size=2),
        max_size=4,
    ),
)
def test_as_the_definition_reads(sizes: list[int], wrong: set[frozenset[tuple[str, Any]]]) -> None:
    space = {name: spec("choice", *range(n)) for name, n in zip("abc", sizes, strict=False)}
    accept = refuse(wrong)
    everything = [dict(zip(space, values, strict=True)) for values in product(*map(range, sizes))]
    held = [[w for w in wrong if w <= point.items()] for point in everything]
    bad = [point for point, reasons in zip(everything, held, strict=True) if reasons]
    alone = {
        (key, value)
        for point in everything
        for key, value in point.items()
        if frozenset({(key, value)}) in wrong
    }
    unexplained = [point for point in bad if not alone & point.items()]
    good, said = refusals(points(space), accept)
    assert good == [point for point in everything if point not in bad]
    assert {s for s in said if s.startswith("wrong")} == {f"wrong: {[part]}" for part in alone}
    assert sum(s.startswith("At the point") for s in said) == len(unexplained)
