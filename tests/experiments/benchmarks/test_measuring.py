"""A benchmark takes turns, writes what it has measured, and divides within a round."""

import subprocess
from pathlib import Path

import pytest
import torch

from experiments.benchmarks import measuring
from experiments.benchmarks.measuring import (
    Record,
    held,
    in_own_process,
    in_turn,
    median_ratio,
    origin_of,
    peak,
)


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    # round 0: 2 / 1 = 2, round 1: 30 / 10 = 3, round 2: 8 / 1 = 8; of the medians it were 8 / 1
    seconds = [(0, 2, 1), (1, 30, 10), (2, 8, 1)]
    for by in ("way", "strategy"):
        rows = [
            {"round": number, by: way, "seconds": value}
            for number, *both in seconds
            for way, value in zip(("ours", "mm"), both, strict=True)
        ]
        assert median_ratio(rows, "ours", "mm", "seconds", by=by) == 3


def test_all_ways_take_turns_and_every_other_round_goes_the_other_way_round() -> None:
    turns = list(in_turn(3, "abc", progress="letters"))
    assert "".join(way for _, way in turns) == "abc" + "cba" + "abc"
    assert [number for number, _ in turns] == [0] * 3 + [1] * 3 + [2] * 3


def test_what_is_made_adds_to_the_peak_and_the_peak_is_never_below_what_is_held() -> None:
    before = held("cpu")
    made = torch.ones(64 << 18)  # 64 MiB
    assert held("cpu") - before > 32
    assert peak("cpu") >= before + 32
    assert len(made)


def test_every_row_is_in_the_file_before_the_next_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    record = Record(file, ("round", "way"))
    for number in range(3):
        record.add({"round": number, "way": "mm"})
        lines = ["round,way", *(f"{done},mm" for done in range(number + 1))]
        assert file.read_text() == "\n".join(lines) + "\n"
    assert record.rows == [{"round": number, "way": "mm"} for number in range(3)]


def test_an_older_record_stays_until_there_is_a_row(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("way\nolder\n")
    record = Record(file, ("way",))
    assert (record.rows, file.read_text()) == ([], "way\nolder\n")
    record.add({"way": "mm"})
    assert file.read_text() == "way\nmm\n"


@pytest.mark.parametrize("older", ["", "way\nolder\n"])
def test_a_record_that_goes_on_keeps_what_was_measured(tmp_path: Path, older: str) -> None:
    file = tmp_path / "a.csv"
    if older:
        file.write_text(older)
    record = Record(file, ("way",), continued=True)
    known = [{"way": "older"}] if older else []
    assert record.rows == known
    record.add({"way": "mm"})
    assert file.read_text() == (older or "way\n") + "mm\n"
    assert record.rows == [*known, {"way": "mm"}]


def test_a_row_with_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Record(tmp_path / "a.csv", ("way",)).add({"way": "mm", "seconds": 1.0})


def test_without_a_file_rows_are_kept_alone() -> None:
    record = Record(None, ("way",), continued=True)
    record.add({"way": "mm"})
    assert record.rows == [{"way": "mm"}]


def test_where_a_number_comes_from_has_the_columns_of_the_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "provenance", lambda: {"commit": "abc", "cores": 2, "gpu": "x"})
    assert origin_of(("round", "cores", "commit")) == {"cores": 2, "commit": "abc"}


WORKER = """
import json, sys
print("loading")
print(json.dumps({"way": sys.argv[1]}))
print("reason", file=sys.stderr)
sys.exit(sys.argv[1] == "fails")
"""


@pytest.fixture
def _worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("_worker")
def test_the_last_line_of_a_process_is_its_row(capfd: pytest.CaptureFixture[str]) -> None:
    assert in_own_process("worker", ["mm"]) == {"way": "mm"}
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("_worker")
def test_a_process_that_fails_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        in_own_process("worker", ["fails"])
    assert capfd.readouterr().err == "reason\n"
