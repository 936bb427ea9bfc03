"""``summary.csv`` keeps every digit, and beside every number where it comes from."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.points import shown
from experiments.summary import ORIGIN, Finished, tables, write_summary
from experiments.table import SCORES, Result, table

ONE = Result("tcm", 0, 1 / 3, 0.5, 2 / 3, 1, 0.1, 2_328_035, 1_130_000_000, 7.26, "inhe")
HERE = {
    "commit": "abc", "date": "2026-11-21T13:53:58+00:00", "processor": "AMD EPYC", "cores": "2",
    "threads": "1", "gpu": "none", "torch": "2.11.0",
}  # fmt: skip
FIXED = [
    *("strategy", "seed", "target", "feature", "mAP", "rank1", "rank5", "rank10", "mINP"),
    *("parameters", "macs", "minutes", "genotype"),
    *("commit", "date", "processor", "cores", "threads", "gpu", "torch"),
]
RATE = st.floats(0, 1)
WORD = st.text(st.characters(categories=["L", "P", "Zs"]), max_size=8)
FINISHED = st.lists(
    st.builds(
        Finished,
        st.builds(
            Result,
            strategy=WORD,
            seed=st.integers(0, 2**40),
            mAP=RATE, rank1=RATE, rank5=RATE, rank10=RATE, mINP=RATE,
            parameters=st.integers(0, 10**12),
            macs=st.integers(0, 10**15),
            minutes=st.floats(0, 1e6),
            genotype=WORD,
            feature=WORD,
            settings=st.dictionaries(
                st.sampled_from(["a.x", "threads", "mAP"]),
                st.booleans() | st.integers() | st.floats(allow_nan=False) | WORD,
            ),
            targets=st.dictionaries(WORD, st.fixed_dictionaries(dict.fromkeys(SCORES, RATE))),
        ),
        st.dictionaries(st.sampled_from(ORIGIN), WORD),
    ),
    max_size=4,
)  # fmt: skip


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def column(name: str) -> str:
    return f"settings.{name}" if name in FIXED else name


def whole(one: Finished) -> list[Mapping[str, str]]:
    """The rows of a trial, as texts."""
    result = one.result
    own = {"": {name: getattr(result, name) for name in SCORES}}
    return [
        {
            **{name: str(getattr(result, name)) for name in ("strategy", "seed", "feature")},
            "target": target,
            **{name: repr(float(scores[name])) for name in SCORES},
            **{n: str(getattr(result, n)) for n in ("parameters", "macs", "minutes", "genotype")},
            **{name: one.origin.get(name, "") for name in ORIGIN},
            **{column(name): shown(value) for name, value in result.settings.items()},
        }
        for target, scores in (result.targets or own).items()
    ]


@given(FINISHED)
def test_every_digit_of_every_trial_and_target_is_kept(
    tmp_path_factory: pytest.TempPathFactory, finished: list[Finished]
) -> None:
    file, *_ = write_summary(finished, tmp_path_factory.mktemp("experiment"))
    assert file.name == "summary.csv"
    found = rows_of(file)
    for row in found:
        row.update({name: repr(float(row[name])) for name in SCORES})
    kept = [{k: v for k, v in row.items() if v or k in FIXED} for row in found]
    wanted = [
        {k: v for k, v in row.items() if v or k in FIXED} for one in finished for row in whole(one)
    ]
    assert sorted(kept, key=str_of) == sorted(wanted, key=str_of)


def str_of(row: Mapping[str, str]) -> str:
    return str(sorted(row.items()))


@given(FINISHED, st.randoms())
def test_the_files_do_not_depend_on_who_finished_first(
    tmp_path_factory: pytest.TempPathFactory, finished: list[Finished], random: Any
) -> None:
    others = list(finished)
    random.shuffle(others)
    files, again = (
        write_summary(some, tmp_path_factory.mktemp("experiment")) for some in (finished, others)
    )
    assert [file.name for file in files] == [file.name for file in again]
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_one_result_reached_twice_has_an_order_too(tmp_path: Path) -> None:
    pair = [Finished(ONE, HERE), Finished(ONE, {**HERE, "commit": "def"})]
    texts = [write_summary(some, tmp_path)[0].read_text() for some in (pair, pair[::-1])]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({}, []),
        # of the recipe there are threads too, and the record's own come first
        (
            {"threads": 2, "retrain.alignment.mode": "none"},
            ["retrain.alignment.mode", "settings.threads"],
        ),
    ],
)
def test_columns_have_one_order_with_the_settings_behind(
    tmp_path: Path, settings: dict[str, Any], more: list[str]
) -> None:
    file, *_ = write_summary([Finished(replace(ONE, settings=settings), HERE)], tmp_path)
    head, row = csv.reader(file.read_text().splitlines())
    assert head == [*FIXED, *more]
    assert row == [
        *("tcm", "0", "", "", "0.3333333333333333", "0.5", "0.6666666666666666", "1", "0.1"),
        *("2328035", "1130000000", "7.26", "inhe", *HERE.values()),
        *(shown(settings[name.removeprefix("settings.")]) for name in more),
    ]


def test_seeds_are_told_apart_in_a_file_of_their_own(tmp_path: Path) -> None:
    # 0.25 and 0.75: mean 0.5, deviation sqrt(0.0625 + 0.0625) = 0.353...; one seed has none
    pair = [replace(ONE, seed=seed, mAP=x, settings={"a": 1}) for seed, x in [(0, 0.25), (1, 0.75)]]
    results = [*pair, replace(ONE, macs=5, parameters=7)]
    files = write_summary([Finished(one, HERE) for one in results], tmp_path)
    assert [file.name for file in files] == ["summary.csv", "summary_seeds.csv", "summary.txt"]
    assert (tmp_path / "summary_seeds.csv").read_text().splitlines() == [
        "strategy,target,feature,seeds,mAP,rank1,mINP,mAP_std,rank1_std,mINP_std,parameters,macs,a",
        "tcm,,,1,0.3333333333333333,0.5,0.1,,,,7,5,",
        "tcm,,,2,0.5,0.5,0.1,0.3535533905932738,0.0,0.0,2328035,1130000000,1",
    ]


def test_without_two_seeds_there_is_one_table(tmp_path: Path) -> None:
    files = write_summary([Finished(ONE, HERE)], tmp_path)
    assert [file.name for file in files] == ["summary.csv", "summary.txt"]
    assert tables([ONE]) == table([ONE])


def test_the_tables_are_kept_as_they_are_shown(tmp_path: Path) -> None:
    results = [ONE, replace(ONE, seed=1)]
    *_, text = write_summary([Finished(one, HERE) for one in results], tmp_path)
    assert text.read_text() == f"{tables(results)}\n"
    first, caption, second = tables(results).split("\n\n")
    assert first == table(results)
    assert caption == "Over the seeds, mean +- sample standard deviation in percent:"
    assert "33.33 +- 0.00" in second
