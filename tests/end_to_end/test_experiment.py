"""A real experiment of real trials: what NNI books on a parameter is what its run made."""

import csv
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow


def compared(
    config: dict[str, Any], home: Path, data: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    file = home / "experiment.yml"
    file.write_text(yaml.safe_dump(config))
    return subprocess.run(
        [sys.executable, "-m", "experiments", "compare", "--config", str(file), *options],
        env=os.environ | {"HOME": str(home), "REID_DATA_ROOT": str(data), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def experiment(fields: dict[str, Any], **axes: list[Any]) -> dict[str, Any]:
    values = {name: [value] for name, value in fields.items()} | axes
    space = {name: {"_type": "choice", "_value": value} for name, value in values.items()}
    trials = 1
    for value in values.values():
        trials *= len(value)
    return {
        "searchSpace": space,
        "trialCommand": "python -m experiments.trial --recipe quickstart",
        "trialCodeDirectory": ".",
        "trialConcurrency": 2,
        "maxTrialNumber": trials,
        "tuner": {"name": "GridSearch"},
        "trainingService": {"platform": "local"},
    }


def test_every_metric_is_booked_on_the_parameters_that_made_it(
    tmp_path: Path, tiny_folder: Path, tiny_fields: dict[str, Any]
) -> None:
    strategies = ["tcm", "darts", "enas", "random"]
    done = compared(experiment(tiny_fields, strategy=strategies), tmp_path, tiny_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (summary_file,) = (tmp_path / "nni-experiments").glob("[!_]*/summary.csv")
    folder = summary_file.parent

    runs = {}
    for recipe in folder.glob("environments/*/trials/*/*/recipe.json"):
        metrics = json.loads((recipe.parent / "metrics.json").read_text())
        runs[json.loads(recipe.read_text())["recipe"]["strategy"]] = metrics
    assert sorted(runs) == sorted(strategies)

    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as books:
        jobs = books.execute("SELECT data FROM TrialJobEvent WHERE data IS NOT NULL").fetchall()
        finals = books.execute(
            "SELECT parameterId, data FROM MetricData WHERE type = 'FINAL'"
        ).fetchall()
    parameters = {}
    for (text,) in jobs:
        job = json.loads(text)
        parameters[str(job["parameter_id"])] = job["parameters"]["strategy"]
    booked = {parameters[number]: json.loads(json.loads(text)) for number, text in finals}
    assert sorted(booked) == sorted(strategies)
    for strategy in strategies:
        assert booked[strategy]["mAP"] == booked[strategy]["default"] == runs[strategy]["mAP"]

    with summary_file.open(newline="") as rows:
        summary = {row["strategy"]: row for row in csv.DictReader(rows)}
    for strategy in strategies:
        assert float(summary[strategy]["mAP"]) == runs[strategy]["mAP"]
        assert summary[strategy]["genotype"] == runs[strategy]["genotype"]


def test_a_trial_that_cannot_run_says_why_and_the_finished_ones_stay(
    tmp_path: Path, tiny_folder: Path, tiny_fields: dict[str, Any]
) -> None:
    two = experiment(tiny_fields, strategy=["random", "bayes"])
    done = compared(two, tmp_path, tiny_folder, "--no-preflight")
    assert done.returncode == 1
    assert "field 'strategy' is 'bayes'" in done.stdout
    assert "1 of 2 trials failed" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "random" in done.stdout
