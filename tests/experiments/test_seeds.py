"""Seeds are averaged where nothing else differs, and one seed has no deviation."""

import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.points import Setting
from experiments.seeds import SPREAD, over_seeds, seeds_table
from experiments.table import SCORES, Result

ONE = Result("tcm", 0, 0.5, 0.75, 1, 1, 0.25, 2_328_035, 1_130_000_000, 7.26, "inhe")
RATE = st.floats(0, 1)
RESULTS = st.lists(
    st.builds(
        lambda **values: replace(ONE, **values),
        strategy=st.sampled_from(["tcm", "darts"]),
        seed=st.integers(0, 3),
        mAP=RATE, rank1=RATE, mINP=RATE,
        parameters=st.integers(1, 2),
        macs=st.integers(1, 2),
        minutes=st.floats(0, 9),
        genotype=st.sampled_from(["-- GE", "CC CC"]),
        feature=st.sampled_from(["", "pooled"]),
        settings=st.dictionaries(st.sampled_from("xy"), st.sampled_from([1, True, "1", 1.0, "a"])),
        targets=st.dictionaries(
            st.sampled_from("ab"), st.fixed_dictionaries(dict.fromkeys(SCORES, RATE))
        ),
    ),
    max_size=8,
)  # fmt: skip


def of_seeds(*values: float, **fields: Any) -> list[Result]:
    return [replace(ONE, seed=seed, mAP=x, **fields) for seed, x in enumerate(values)]


def test_mean_and_deviation_worked_out_by_hand() -> None:
    # mean (80 + 82 + 87) / 3 = 83; squares of -3, -1, 4: 9 + 1 + 16 = 26; sqrt(26 / 2) = 3.61
    [group] = over_seeds(of_seeds(0.80, 0.82, 0.87))
    assert group.seeds == 3
    assert group.mean["mAP"] == pytest.approx(0.83)
    assert group.deviation["mAP"] == pytest.approx(math.sqrt(13) / 100)
    assert seeds_table(of_seeds(0.80, 0.82, 0.87)).splitlines() == [
        "strategy  seeds            mAP         rank-1           mINP  parameters           MACs",
        "tcm           3  83.00 +- 3.61  75.00 +- 0.00  25.00 +- 0.00   2,328,035  1,130,000,000",
    ]


def test_groups_are_ordered_by_what_tells_them_apart_and_not_by_seeds() -> None:
    points: list[tuple[Setting, int]] = [("pos", 0), ("pos", 1), ("none", 1), (10, 3), (9, 4)]
    results = [replace(ONE, seed=seed, settings={"x": x}) for x, seed in points]
    assert [group.line.result.settings["x"] for group in over_seeds(results)] == [
        9, 10, "none", "pos"
    ]  # fmt: skip


def test_one_seed_beside_groups_of_several_has_no_deviation() -> None:
    # two of three have 100 and 90: mean 95, deviation sqrt((25 + 25) / 1) = 7.07
    results = [
        *of_seeds(1.0, 0.9, settings={"mode": "pos"}),
        *of_seeds(0.5, settings={"mode": "none"}),
    ]
    assert [line[:37] for line in seeds_table(results).splitlines()] == [
        "strategy  mode  seeds            mAP ",
        "tcm       none      1  50.00         ",
        "tcm       pos       2  95.00 +- 7.07 ",
    ]
    assert over_seeds(results)[0].deviation == {}


@pytest.mark.parametrize(
    "results", [[], of_seeds(0.5), [ONE, ONE], [ONE, replace(ONE, seed=1, settings={"x": 1})]]
)
def test_without_two_seeds_of_anything_there_is_no_table(results: list[Result]) -> None:
    assert seeds_table(results) == ""


def test_trials_of_one_seed_count_once() -> None:
    # seed 0 has (40 + 60) / 2 = 50, seed 1 has 70: mean 60, deviation sqrt(100 + 100) = 14.14
    results = [*of_seeds(0.4, 0.7), replace(ONE, mAP=0.6)]
    [group] = over_seeds(results)
    assert group.seeds == 2
    assert "  60.00 +- 14.14  " in seeds_table(results)


def test_data_sets_are_averaged_apart() -> None:
    results = [
        replace(
            ONE,
            seed=seed,
            targets={"a": dict.fromkeys(SCORES, a), "b": dict.fromkeys(SCORES, 0.5)},
        )
        for seed, a in enumerate([0.25, 0.75])
    ]
    found = [(group.line.target, group.mean["mAP"]) for group in over_seeds(results)]
    assert found == [("a", 0.5), ("b", 0.5)]
    assert [row.split()[:3] for row in seeds_table(results).splitlines()] == [
        ["strategy", "target", "seeds"],
        ["tcm", "a", "2"],
        ["tcm", "b", "2"],
    ]


def test_counts_are_told_where_they_are_the_same_for_all_seeds() -> None:
    results = of_seeds(0.5, 0.5)
    other = [
        replace(results[0], strategy="random", parameters=1),
        replace(results[1], strategy="random"),
    ]
    assert [row.split()[8:] for row in seeds_table([*results, *other]).splitlines()[1:]] == [
        ["25.00", "+-", "0.00", "1,130,000,000"],
        ["25.00", "+-", "0.00", "2,328,035", "1,130,000,000"],
    ]
    assert "parameters" not in seeds_table(other)


def twin(results: list[Result]) -> dict[Any, tuple[int, dict[str, float], dict[str, float]]]:
    """As the definition reads: strategy, point, feature and target -> seeds, means, deviations."""
    values: dict[Any, dict[int, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for one in results:
        point = frozenset(
            (name, str(value).removesuffix(".0")) for name, value in one.settings.items()
        )
        own = {"": {name: getattr(one, name) for name in SCORES}}
        for target, scores in (one.targets or own).items():
            values[one.strategy, point, one.feature, target][one.seed].append(dict(scores))
    found = {}
    for key, seeds in values.items():
        n = len(seeds)
        means, deviations = {}, {}
        for name in SPREAD:
            x = [sum(one[name] for one in same) / len(same) for same in seeds.values()]
            means[name] = sum(x) / n
            if n > 1:
                deviations[name] = math.sqrt(sum((v - means[name]) ** 2 for v in x) / (n - 1))
        found[key] = n, means, deviations
    return found


@given(RESULTS)
def test_groups_are_those_of_the_definition(results: list[Result]) -> None:
    wanted = twin(results)
    groups = over_seeds(results)
    assert len(groups) == len(wanted)
    for group in groups:
        one = group.line.result
        point = frozenset(
            (name, str(value).removesuffix(".0")) for name, value in one.settings.items()
        )
        n, means, deviations = wanted[one.strategy, point, one.feature, group.line.target]
        assert group.seeds == n
        assert group.mean == pytest.approx(means)
        assert group.deviation == pytest.approx(deviations, abs=1e-9)


@given(RESULTS, st.randoms())
def test_the_order_of_results_is_of_no_account(results: list[Result], random: Any) -> None:
    others = list(results)
    random.shuffle(others)
    assert seeds_table(others) == seeds_table(results)
    assert [group[1:] for group in over_seeds(others)] == [
        group[1:] for group in over_seeds(results)
    ]


@given(RESULTS)
def test_the_points_of_all_numbers_stand_below_each_other(results: list[Result]) -> None:
    lines = seeds_table(results).splitlines()
    places = {tuple(i for i, letter in enumerate(line) if letter == ".") for line in lines[1:]}
    longest = max(places, default=(), key=len)
    assert all(set(place) <= set(longest) for place in places)
