"""A record of several runs has a row for each, with where it was made."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from experiments.benchmarks.gather import main
from experiments.table import Result


def finished(folder: Path, mean: float, commit: str) -> None:
    """A run folder with its result and its recipe."""
    folder.mkdir()
    result = Result(
        strategy="resnet50",
        seed=0,
        mAP=mean,
        rank1=0.6,
        rank5=0.7,
        rank10=0.8,
        mINP=0.1,
        parameters=5,
        macs=7,
        minutes=1.5,
        genotype="",
        targets={"zoo": {"mAP": mean, "rank1": 0.6, "rank5": 0.7, "rank10": 0.8, "mINP": 0.1}},
    )
    (folder / "metrics.json").write_text(json.dumps(asdict(result)))
    (folder / "recipe.json").write_text(json.dumps({"commit": commit, "date": "today"}))


def test_every_run_is_a_row_with_its_commit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(tmp_path / "first", 0.25, "abc")
    finished(tmp_path / "second", 0.75, "def")
    runs = [str(tmp_path / name) for name in ("second", "first")]
    assert main([*runs, "--out", str(tmp_path / "record")]) == 0
    with (tmp_path / "record" / "summary.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert {name: (row["mAP"], row["commit"]) for name, row in rows.items()} == {
        "first": ("0.25", "abc"),
        "second": ("0.75", "def"),
    }
    said = capsys.readouterr().out
    assert "25.00" in said
    assert "second" in said


def test_a_run_that_has_not_finished_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    with pytest.raises(ValueError, match=r"^broken holds no metrics\.json: "):
        main([str(tmp_path / "broken"), "--out", str(tmp_path / "record")])
