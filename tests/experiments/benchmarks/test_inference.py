"""Networks take turns in every runtime, and a runtime that computes something else is seen."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.benchmarks import inference
from experiments.benchmarks.inference import COLUMNS, WAYS, Runner
from nas_space.genotype import PUBLISHED
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import Blueprint

QUICK = ("eager", "channels_last", "folded", "bf16")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Blueprint(genotype=PUBLISHED["msinet_msmt17"], channel_factor=0.25, height=32, width=16)
    monkeypatch.setattr(inference, "NETWORKS", {"tiny": tiny})
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(
        inference, "take_turns", lambda works, rounds: {name: [0.5] for name in works}
    )


def rows_of(out: Path, *options: str) -> list[dict[str, str]]:
    arguments = ["--out", str(out), "--size", "32", "16", "--batch", "1", "3", *options]
    assert inference.main([*arguments, "--networks", "tiny"]) == 0
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_runtime_has_a_row_in_every_round_for_every_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(tmp_path / "a.csv", "--rounds", "2", "--ways", *QUICK)
    assert [tuple(row) for row in rows] == [COLUMNS] * 16
    there = [("0", way, batch) for way in QUICK for batch in ("1", "3")]
    back = [("1", way, batch) for _, way, batch in there[::-1]]
    assert [(row["round"], row["way"], row["batch"]) for row in rows] == [*there, *back]
    for row in rows:  # half a second a pass
        assert float(row["milliseconds"]) == 500.0
        assert float(row["pictures_per_second"]) == int(row["batch"]) / 0.5
        assert (row["network"], row["height"], row["width"]) == ("tiny", "32", "16")
        share = float(row["difference"]) / float(row["apart"])
        assert share < (0.5 if row["way"] == "bf16" else 1e-3)
    assert capsys.readouterr().err == ""


def broken(_network: EmbeddingNetwork, _images: Tensor) -> Runner:
    return Runner(lambda images: torch.zeros(len(images), 192))


def test_a_runtime_that_computes_something_else_differs_as_other_pictures_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features of unit length from which 0 comes out: the largest number is the difference."""
    monkeypatch.setattr(inference, "WAYS", {"eager": WAYS["eager"], "broken": broken})
    eager, other = rows_of(tmp_path / "a.csv", "--rounds", "1", "--ways", "eager", "broken")[::2]
    assert float(eager["difference"]) == 0
    assert float(other["difference"]) > float(other["apart"]) > 0


def no_compiler(_: Any, **__: Any) -> Callable[[Tensor], Tensor]:
    def compiled(_: Tensor) -> Tensor:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found.\n\nSet TORCH_LOGS")

    return compiled


def test_a_runtime_that_is_not_there_is_left_out_and_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "compile", no_compiler)
    monkeypatch.setitem(sys.modules, "onnx", None)
    ways = ("compiled", "onnxruntime", "eager")
    rows = rows_of(tmp_path / "a.csv", "--rounds", "1", "--ways", *ways)
    assert {row["way"] for row in rows} == {"eager"}
    compiled, onnx = capsys.readouterr().err.splitlines()
    assert compiled == (
        "tiny compiled is left out: InvalidCxxCompiler: No working C++ compiler found."
    )
    assert onnx.startswith("tiny onnxruntime is left out: The format onnx needs the package onnx")


def test_onnx_runtime_computes_the_same(tmp_path: Path) -> None:
    for row in rows_of(tmp_path / "a.csv", "--rounds", "1", "--ways", "onnxruntime"):
        assert float(row["difference"]) < 1e-3 * float(row["apart"])


def test_every_runtime_gets_its_own_copy_of_the_weights() -> None:
    network = inference._network(inference.NETWORKS["tiny"], "cpu")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.zeros(2, 3, 32, 16)
    for way in QUICK:
        WAYS[way](network, images)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.is_contiguous()
