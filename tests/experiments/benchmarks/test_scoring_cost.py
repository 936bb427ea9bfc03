"""A way to score is measured with the features it is for, and its row has every column."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluators.retrieval import Features
from experiments.benchmarks import evaluation, reranking, scoring_cost
from experiments.benchmarks.scoring_cost import COLUMNS, NOISE, Question, Work, answer
from experiments.benchmarks.synthetic_features import Size, synthetic_features

TINY = Size(queries=8, gallery=20, identities=4, cameras=3, distractors=0, noise=1.0)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_cost, "SIZES", {"1,000 x 5,000": TINY, "MSMT17": TINY})
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def row_of(question: Question, way: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert answer(question, ["--worker", way, "--sizes", "MSMT17"]) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return row


@pytest.mark.parametrize("benchmark", [evaluation, reranking])
def test_every_way_of_a_benchmark_gives_a_row_with_all_columns_but_the_round(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for way in benchmark.WAYS:
        assert benchmark.main(["--worker", way, "--sizes", "MSMT17"]) == 0
        row = json.loads(capsys.readouterr().out)
        assert set(row) == set(COLUMNS) - {"round"}
        assert (row["way"], row["size"]) == (way, "MSMT17")
        assert (row["mAP"] > 0) == (way in {"good", NOISE})


def test_only_the_way_of_noise_gets_noise_and_each_is_run_once_on_less_beforehand(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Size(queries=4, gallery=10, identities=2, cameras=3, distractors=0, noise=1.0)
    monkeypatch.setattr(scoring_cost, "SIZES", {"1,000 x 5,000": small, "MSMT17": TINY})
    asked, done = [], []

    def features(size: Size, *, good: bool, generator: torch.Generator) -> Any:
        asked.append(good)
        return synthetic_features(size, good=good, generator=generator)

    monkeypatch.setattr(scoring_cost, "synthetic_features", features)

    def work(way: str, query: Features, gallery: Features) -> Work:
        def counted() -> dict[str, float]:
            done.append((way, len(query.vectors), len(gallery.vectors)))
            return {"rank1": 0.25, "mAP": 0.5}

        return counted

    question = Question("m", "about", ("mm", NOISE), work, lambda size, rows: None)
    row = row_of(question, "mm", capsys)
    assert (row["rank1"], row["mAP"]) == (0.25, 0.5)
    row_of(question, NOISE, capsys)
    assert asked == [True, True, False, False]
    assert done == [("mm", 4, 10), ("mm", 8, 20), (NOISE, 4, 10), (NOISE, 8, 20)]


def test_sizes_and_ways_take_turns_and_a_row_is_written_before_the_next_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, lines, tables = tmp_path / "a.csv", [], []

    def measured(module: str, options: list[str]) -> dict[str, Any]:
        lines.append(len(out.read_text().splitlines()) if out.exists() else 0)
        assert module == "m"
        assert options[4:] == ["--device", "cpu", "--threads", "3"]
        known = dict(zip(options[:4:2], options[1:4:2], strict=True))
        return {"way": known["--worker"], "size": known["--sizes"]} | dict.fromkeys(COLUMNS[3:], 0)

    def table(size: str, rows: list[dict[str, Any]]) -> None:
        tables.append((size, [row["way"] for row in rows]))

    monkeypatch.setattr(scoring_cost, "in_own_process", measured)
    question = Question("m", "about", ("mm", "good"), lambda *_: dict, table)
    assert answer(question, ["--out", str(out), "--rounds", "2", "--threads", "3"]) == 0
    assert lines == [0, *range(2, 9)]  # the header and a row more each time
    ways = ["mm", "good", "good", "mm"]
    assert tables == [("1,000 x 5,000", ways), ("MSMT17", ways)]
