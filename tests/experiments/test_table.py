"""The table shows percent to two decimals; ``summary.csv`` keeps every digit; order is not luck."""

import csv
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.table import RESULT_FILE, SUMMARY_FILE, Result, table, write_summary

RATE = st.floats(0, 1)
RESULT = st.builds(
    Result,
    strategy=st.text(st.characters(categories=["L", "P", "Zs"]), max_size=8),
    seed=st.integers(0, 2**40),
    mAP=RATE, rank1=RATE, rank5=RATE, rank10=RATE, mINP=RATE,
    parameters=st.integers(0, 10**12),
    macs=st.integers(0, 10**15),
    minutes=st.floats(0, 1e6),
    genotype=st.text(st.characters(categories=["L", "P", "Zs"]), max_size=8),
)  # fmt: skip
ONE = Result("tcm", 0, 0.123456, 0.5, 2 / 3, 0.99996, 0.0, 2_328_035, 1_130_000_000, 7.26, "inhe")


def test_one_row_worked_out_by_hand() -> None:
    # 0.123456 -> 12.35 (12.3456 rounded), 2/3 -> 66.67, 0.99996 -> 100.00, 7.26 min -> 7.3
    head, row = table([ONE]).splitlines()
    assert head.split() == [
        "strategy", "seed", "mAP", "rank-1", "rank-5", "rank-10", "mINP",
        "parameters", "MACs", "minutes", "genotype",
    ]  # fmt: skip
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
    assert table(reversed(results)) == table(results)
    assert [row.split()[:2] for row in rows] == [
        ["darts", "0"], ["darts", "2"], ["tcm", "9"], ["tcm", "10"],
    ]  # fmt: skip
    assert {row.index("2,328,035") + 9 for row in rows} == {head.index("parameters") + 10}


@given(st.lists(RESULT, max_size=4))
def test_the_summary_keeps_every_digit(
    tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    file = write_summary(results, tmp_path_factory.mktemp("experiment"))
    assert file.name == SUMMARY_FILE
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    kinds = {f.name: type(getattr(ONE, f.name)) for f in fields(Result)}
    read = [Result(**{name: kinds[name](row[name]) for name in kinds}) for row in rows]
    assert read == sorted(results)


@given(RESULT)
def test_a_result_written_is_read_back_whatever_else_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, result: Result
) -> None:
    file = result.write(tmp_path_factory.mktemp("run"))
    assert file.name == RESULT_FILE
    assert Result.read(file) == result
    file.write_text(json.dumps(asdict(result) | {"latency": 3}))
    assert Result.read(file) == result


@pytest.mark.parametrize("name", [f.name for f in fields(Result)])
def test_a_missing_field_is_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    file = ONE.write(tmp_path)
    found = asdict(ONE)
    del found[name]
    file.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=rf"no result of a trial \(KeyError\('{name}'\)\)"):
        Result.read(file)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"seed": "first"}'])
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
