"""The table shows percent to two decimals and what tells trials apart; order is not luck."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.points import Setting, shown
from experiments.table import RESULT_FILE, SCORES, Result, aligned, table

RATE = st.floats(0, 1)
WORD = st.text(st.characters(categories=["L", "P", "Zs"]), max_size=8)
POINT: st.SearchStrategy[dict[str, Setting]] = st.dictionaries(
    st.sampled_from(["a.x", "b.x", "y", "seed", "retrain.feature", "data.targets", "preset"]),
    st.booleans() | st.integers(0, 3) | st.floats() | st.sampled_from(["", "a", "a:b"]),
    max_size=3,
)
TARGETS = st.dictionaries(
    st.sampled_from(["a", "b", "c d"]), st.fixed_dictionaries(dict.fromkeys(SCORES, RATE))
)
OLD = st.builds(
    Result,
    strategy=WORD,
    seed=st.integers(0, 2**40),
    mAP=RATE, rank1=RATE, rank5=RATE, rank10=RATE, mINP=RATE,
    parameters=st.integers(0, 10**12),
    macs=st.integers(0, 10**15),
    minutes=st.floats(0, 1e6),
    genotype=WORD,
)  # fmt: skip
RESULT = st.builds(
    replace,
    OLD,
    strategy=st.sampled_from(["tcm", "darts"]),
    seed=st.integers(0, 2),
    feature=st.sampled_from(["", "pooled", "normalised"]),
    settings=POINT,
    targets=TARGETS,
)
ONE = Result("tcm", 0, 0.123456, 0.5, 2 / 3, 0.99996, 0.0, 2_328_035, 1_130_000_000, 7.26, "inhe")
HEAD = [
    "strategy", "seed", "mAP", "rank-1", "rank-5", "rank-10", "mINP",
    "parameters", "MACs", "minutes", "genotype",
]  # fmt: skip


def scores(mean: float) -> dict[str, float]:
    return dict.fromkeys(SCORES, mean)


def told(results: list[Result]) -> list[list[str]]:
    """What stands between the seed and the mAP, head first, without empty cells."""
    lines = table(results).splitlines()
    until = lines[0].index("    mAP")
    return [line[:until].split()[2:] for line in lines]


def test_one_row_worked_out_by_hand() -> None:
    # 0.123456 -> 12.35 (12.3456 rounded), 2/3 -> 66.67, 0.99996 -> 100.00, 7.26 min -> 7.3
    head, row = table([ONE]).splitlines()
    assert head.split() == HEAD
    assert row.split() == [
        "tcm", "0", "12.35", "50.00", "66.67", "100.00", "0.00",
        "2,328,035", "1,130,000,000", "7.3", "inhe",
    ]  # fmt: skip


def test_rows_are_sorted_by_strategy_then_seed_and_columns_line_up() -> None:
    results = [
        replace(ONE, strategy=strategy, seed=seed, mAP=seed / 100)
        for strategy, seed in [("tcm", 10), ("darts", 2), ("tcm", 9), ("darts", 0)]
    ]
    head, *rows = table(results).splitlines()
    assert [row.split()[:2] for row in rows] == [
        ["darts", "0"], ["darts", "2"], ["tcm", "9"], ["tcm", "10"],
    ]  # fmt: skip
    assert {row.index("2,328,035") + 9 for row in rows} == {head.index("parameters") + 10}


def test_a_sweep_shows_what_was_swept_and_nothing_that_is_the_same_in_all() -> None:
    points: list[dict[str, Setting]] = [
        {"retrain.alignment.mode": mode, "retrain.alignment.ratio": ratio, "retrain.epochs": 20}
        for mode, ratio in [("pos_neg", 10.0), ("pos_neg", 2.0), ("none", 2.0)]
    ]
    results = [replace(ONE, settings=point, targets={"b": scores(0.5)}) for point in points]
    assert table(results[::-1]).splitlines() == [
        "strategy  seed  mode     ratio    mAP  rank-1  rank-5  rank-10   mINP  parameters"
        "           MACs  minutes  genotype",
        *(
            f"tcm          0  {mode:<7}  {ratio:>5}  50.00   50.00   50.00    50.00  50.00"
            "   2,328,035  1,130,000,000      7.3  inhe"
            for mode, ratio in [("none", 2), ("pos_neg", 2), ("pos_neg", 10)]
        ),
    ]


def test_an_older_result_has_an_empty_cell_where_others_have_a_setting() -> None:
    results = [replace(ONE, settings={"a.ratio": 0.5}), ONE]
    head, old, new = table(results).splitlines()
    end = head.index("ratio") + len("ratio")
    assert (old[:end].split(), new[:end].split()) == (["tcm", "0"], ["tcm", "0", "0.5"])
    assert old[end:] == new[end:]


def test_a_trial_has_a_line_for_each_data_set_it_was_tested_on() -> None:
    both = replace(ONE, mAP=0.5, targets={"vehicles": scores(0.75), "persons": scores(0.25)})
    alone = replace(ONE, seed=1, targets={"persons": scores(0.125)})
    rows = [line.split() for line in table([alone, both]).splitlines()]
    assert [row[:4] for row in rows] == [
        ["strategy", "seed", "target", "mAP"],
        ["tcm", "0", "persons", "25.00"],
        ["tcm", "0", "vehicles", "75.00"],
        ["tcm", "1", "persons", "12.50"],
    ]
    assert [row[:3] for row in map(str.split, table([alone]).splitlines())] == [
        ["strategy", "seed", "mAP"],
        ["tcm", "1", "12.50"],
    ]


@pytest.mark.parametrize(
    ("points", "wanted"),
    [
        # a setting or a preset tells the feature
        ([{"retrain.feature": "a"}, {"retrain.feature": "b"}], [["feature"], ["a"], ["b"]]),
        ([{"preset": "x"}, {"preset": "y"}], [["preset"], ["x"], ["y"]]),
        # that another setting goes with it by chance does not
        ([{"mode": "x"}, {"mode": "y"}], [["mode", "feature"], ["x", "p"], ["y", "n"]]),
        ([{}, {}], [["feature"], ["n"], ["p"]]),
        # nor does one that is said of some trials alone
        (
            [{"retrain.feature": "p"}, {}, {}],
            [["retrain.feature", "feature"], ["n"], ["p"], ["p", "p"]],
        ),
    ],
)
def test_a_feature_that_differs_is_shown_unless_a_setting_tells_it(
    points: list[dict[str, Setting]], wanted: list[list[str]]
) -> None:
    results = [
        replace(ONE, feature=feature, settings=point)
        for point, feature in zip(points, ["p", "n", "p"], strict=False)
    ]
    assert told(results) == wanted


def test_a_setting_that_names_the_target_is_not_shown_beside_it() -> None:
    results = [
        replace(ONE, settings={"data.targets": name}, targets={name: scores(0.5)})
        for name in ("b", "a")
    ]
    assert told(results) == [["target"], ["a"], ["b"]]
    other = replace(results[0], settings={"data.targets": "c"})
    assert told([*results, other]) == [
        ["targets", "target"], ["a", "a"], ["b", "b"], ["c", "b"]
    ]  # fmt: skip


@given(st.lists(RESULT, max_size=5), st.randoms())
def test_no_order_of_results_settings_or_targets_changes_the_table(
    results: list[Result], random: Any
) -> None:
    def shuffled(values: Any) -> dict[str, Any]:
        items = list(values.items())
        random.shuffle(items)
        return dict(items)

    others = [
        replace(one, settings=shuffled(one.settings), targets=shuffled(one.targets))
        for one in results
    ]
    random.shuffle(others)
    assert table(others) == table(results)


def test_trials_of_one_point_have_an_order_too() -> None:
    low, high = ({"a": scores(x), "b": scores(0.5)} for x in (0.25, 0.75))
    one, other = replace(ONE, targets=low), replace(ONE, targets=high)
    turned = replace(ONE, targets=dict(reversed(low.items())))
    assert table([one, other]) == table([other, one]) == table([other, turned])


@given(st.lists(OLD, max_size=4), POINT, st.sampled_from(["", "pooled"]))
def test_strategies_compared_by_one_point_on_one_target_show_nothing_else(
    results: list[Result], point: dict[str, Setting], feature: str
) -> None:
    new = [
        replace(
            one,
            feature=feature,
            settings=point,
            targets={"t": {name: getattr(one, name) for name in SCORES}},
        )
        for one in results
    ]
    assert table(new) == table(results)
    assert table(new).splitlines()[0].split() == HEAD


@given(st.lists(RESULT, min_size=1, max_size=5))
def test_trials_that_differ_can_be_told_apart(results: list[Result]) -> None:
    """With all columns a line has, though settings that tell the target or feature are left out."""
    whole = {name for one in results for name in one.settings}
    differ = {x for x in whole if len({shown(one.settings.get(x)) for one in results}) > 1}
    targets = len({target for one in results for target in one.targets or [""]}) > 1
    spared = {"data.targets"} if targets else set()
    head = table(results).splitlines()[0].split()
    names = head[2 : head.index("mAP")]
    kept = {name.rpartition(".")[2] for name in names} - {"target", "settings"}
    ends = {name.rpartition(".")[2] for name in differ}
    assert ends - {name.rpartition(".")[2] for name in spared} <= kept <= ends | {"feature"}
    assert ("target" in names) == targets


CELLS = st.lists(st.text("ab ", max_size=5).map(str.strip), min_size=3, max_size=3)


@given(st.lists(CELLS, min_size=1, max_size=4), st.lists(st.booleans(), min_size=3, max_size=3))
def test_every_cell_stands_below_its_head(rows: list[list[str]], text: list[bool]) -> None:
    shown_lines = aligned(rows[0], rows[1:], text).split("\n")
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    starts = [0, widths[0] + 2, widths[0] + widths[1] + 4]
    for row, line in zip(rows, shown_lines, strict=True):
        assert line == line.rstrip()
        padded = line.ljust(sum(widths) + 4)
        for cell, start, width, left in zip(row, starts, widths, text, strict=True):
            filled = cell.ljust(width) if left else cell.rjust(width)
            assert padded[start : start + width] == filled


def same(one: Result, other: Result) -> bool:
    """As ==, but NaN is NaN."""
    first, second = (json.dumps(asdict(result), sort_keys=True) for result in (one, other))
    return first == second


@given(RESULT)
def test_a_result_written_is_read_back_whatever_else_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, result: Result
) -> None:
    file = result.write(tmp_path_factory.mktemp("run"))
    assert file.name == RESULT_FILE
    assert same(Result.read(file), result)
    file.write_text(json.dumps(asdict(result) | {"latency": 3}))
    assert same(Result.read(file), result)


def test_a_result_is_written_whatever_mappings_it_was_made_of(tmp_path: Path) -> None:
    held = MappingProxyType({"a": MappingProxyType(scores(0.5))})
    result = replace(ONE, settings=MappingProxyType({"x": 1}), targets=held)
    assert Result.read(result.write(tmp_path)) == result


NEW_FIELDS = ("feature", "settings", "targets")


def test_a_result_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    file = ONE.write(tmp_path)
    old = {name: value for name, value in asdict(ONE).items() if name not in NEW_FIELDS}
    file.write_text(json.dumps(old))
    assert Result.read(file) == ONE


@pytest.mark.parametrize("name", [f.name for f in fields(Result) if f.name not in NEW_FIELDS])
def test_a_missing_field_is_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    file = ONE.write(tmp_path)
    found = asdict(ONE)
    del found[name]
    file.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=rf"no result of a trial \(KeyError\('{name}'\)\)"):
        Result.read(file)


WRONG: list[dict[str, Any]] = [
    {"settings": ["a"]}, {"settings": {"a": [1]}}, {"settings": {"a": None}}, {"targets": ["a"]},
    {"targets": {"a": 0.5}}, {"targets": {"a": {"mAP": 0.5}}},
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"seed": "first"}', *(json.dumps(asdict(ONE) | wrong) for wrong in WRONG)],
)
def test_what_is_no_result_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / RESULT_FILE
    file.write_text(text)
    with pytest.raises(ValueError, match="is no result of a trial"):
        Result.read(file)


def test_a_write_that_breaks_off_leaves_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(draft: Path, text: str, **_: Any) -> None:
        draft.write_bytes(text.encode()[:10])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        ONE.write(tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_the_first_column_can_be_called_otherwise() -> None:
    head, line = table([ONE], called="network").splitlines()
    assert head.split() == ["network", *HEAD[1:]]
    assert line.split() == table([ONE]).splitlines()[1].split()
