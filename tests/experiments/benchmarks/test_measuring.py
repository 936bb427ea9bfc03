"""A benchmark divides within a round, and counts memory beyond what was held."""

from pathlib import Path

import torch

from experiments.benchmarks.measuring import held, median_ratio, peak, save


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    # round 0: 2 / 1 = 2, round 1: 30 / 10 = 3, round 2: 8 / 1 = 8; of the medians it were 8 / 1
    seconds = [(0, 2, 1), (1, 30, 10), (2, 8, 1)]
    rows = [
        {"round": number, "way": way, "seconds": value}
        for number, *both in seconds
        for way, value in zip(("ours", "mm"), both, strict=True)
    ]
    assert median_ratio(rows, "ours", "mm", "seconds") == 3


def test_what_is_made_adds_to_the_peak_and_the_peak_is_never_below_what_is_held() -> None:
    before = held("cpu")
    made = torch.ones(64 << 18)  # 64 MiB
    assert held("cpu") - before > 32
    assert peak("cpu") >= before + 32
    assert len(made)


def test_a_record_has_its_columns(tmp_path: Path) -> None:
    save(tmp_path / "a.csv", ("round", "way"), [{"round": 0, "way": "mm"}])
    assert (tmp_path / "a.csv").read_text() == "round,way\n0,mm\n"
