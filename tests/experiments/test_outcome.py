"""What is printed of a finished run says which network was tested, on what, and where it lies."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.outcome import pretraining_words, run_words
from experiments.table import SCORES, Result

SCORED = dict.fromkeys(SCORES, 0.25)
RESULT = Result(
    "msinet_msmt17", 3, 0.25, 0.25, 0.25, 0.25, 0.25, 1000, 2000, 1.5, "GG", feature="normalised"
)  # fmt: skip


def epoch(number: int, *, best: bool = False, **scores: float) -> dict[str, Any]:
    return {"stage": "retrain", "epoch": number, "best": best, "scores": scores}


def written(folder: Path, epochs: list[dict[str, Any]], **test: Any) -> Path:
    """The files of a run that are looked at."""
    folder.mkdir()
    lines = [{"stage": "search", "epoch": 9}, *epochs]
    (folder / "epochs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    if test:
        targets = [{"dataset": name} for name in test.pop("on")]
        found = {"feature": "normalised", "targets": targets} | test
        (folder / "test.json").write_text(json.dumps(found))
    return folder


def test_the_last_network_was_tested_and_the_best_lies_beside_it(tmp_path: Path) -> None:
    epochs = [epoch(1, best=True), epoch(2, best=True), epoch(3)]
    folder = written(tmp_path / "run", epochs, on=["vehicles_b"], network="last")
    lines = run_words(RESULT, folder, called="network").splitlines()
    assert lines == [
        "Tested last.pt (epoch 3, the last) on vehicles_b by the 'normalised' feature; scores in"
        " percent:",
        "network        seed    mAP  rank-1  rank-5  rank-10   mINP  parameters   MACs  minutes"
        "  genotype",
        "msinet_msmt17     3  25.00   25.00   25.00    25.00  25.00       1,000  2,000      1.5"
        "  GG",
        "",
        f"{folder}: best.pt (epoch 2, of the lowest loss), last.pt (epoch 3, the last), test.json",
        f"next: reid-nas evaluate --checkpoint {folder}/last.pt --data vehicles_b",
    ]


def test_the_best_network_was_tested_where_identities_were_put_aside(tmp_path: Path) -> None:
    epochs = [epoch(1), epoch(2, best=True, mAP=0.5, rank1=0.4), epoch(3), epoch(4, mAP=0.4)]
    folder = written(tmp_path / "a run", epochs, on=["a", "b:c"], network="best")
    (folder / "metrics.json").touch()
    lines = run_words(RESULT, folder, called="strategy").splitlines()
    assert lines[0].startswith("Tested best.pt (epoch 2, of the highest held-out mAP) on a and b:c")
    assert lines[-2].endswith(", last.pt (epoch 4, the last), test.json, metrics.json")
    assert lines[-1].endswith(f"--checkpoint '{folder}/best.pt' --data a --data b:c")


@pytest.mark.parametrize("genotype", ["", "GG"])
@pytest.mark.parametrize("scored", [True, False])
def test_a_pretraining_says_its_numbers_as_one_reads_them(
    tmp_path: Path, genotype: str, *, scored: bool
) -> None:
    scores = {"top1": 0.8333, "top5": 1.0} if scored else {}
    folder = written(tmp_path / "run", [epoch(1, best=True, **scores), epoch(2)])
    result = {
        "network": "msinet", "seed": 0, "pictures": "shapes", "classes": 1000, "epoch": 1,
        "loss": 0.81234, **scores, "parameters": 2000000, "macs": 5000, "minutes": 1.25,
        "genotype": genotype,
    }  # fmt: skip
    lines = pretraining_words(result, folder, ["--network", "resnet50"]).splitlines()
    assert lines[:5] == [
        *("network     msinet", "seed        0", "pictures    shapes, 1,000 classes"),
        *("best epoch  1 of 2", "loss        0.812"),
    ]
    shares = [
        "top-1       83.33 % of the pictures of val",
        "top-5       100.00 % of the pictures of val",
    ]
    assert [line for line in lines if line.startswith("top")] == (shares if scored else [])
    without = "parameters  2,000,000 (without the local head, from which no class is told)"
    assert (without in lines) == bool(genotype)
    assert lines[-1] == (
        "next: reid-nas train --recipe RECIPE --network resnet50"
        f" --weights {folder}/best.pt --out FOLDER"
    )


def test_where_the_best_is_the_last_both_are_called_so(tmp_path: Path) -> None:
    """Without labels the last is the best, whatever its loss."""
    folder = written(
        tmp_path / "run", [epoch(1, best=True), epoch(2, best=True)], on=["a"], network="last"
    )
    lines = run_words(RESULT, folder, called="network").splitlines()
    assert "best.pt (epoch 2, the last), last.pt (epoch 2, the last)" in lines[-2]
