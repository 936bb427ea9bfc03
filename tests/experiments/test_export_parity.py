"""What is said of an exported file was measured on that file, by the rules of the data set.

A picture of one grey is described by the direction of that angle, so that all is known of a
gallery, and by the file with a little turn besides.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from evaluators.repeats import evaluated, spread
from evaluators.retrieval import Features
from evaluators.thresholds import similarity_thresholds
from experiments.export_metadata import of_test
from experiments.export_parity import compare, distance, require_near
from experiments.exported import Exported
from reid_data import vehicleid
from reid_data.records import Protocol, ReidDataset, Sighting

STEP = 0.005
"""Radians between two greys; 1 - cos of two steps is 0.00005."""

Turn = Callable[[Tensor], Tensor]


def of_grey(folder: Path, turn: Turn = torch.zeros_like) -> Exported:
    """Describes a picture by its grey, turned by so many radians."""

    def run(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 2"]:
        grey = (255 * images[:, 0, 0, 0]).round()
        angle = STEP * grey + turn(grey)
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    said: dict[str, Any] = {
        "input_size": [1, 1], "feature_dimension": 2, "file_format": "onnx", "precision": "16",
        "normalisation": {"where": "inside", "mean": [0, 0, 0], "std": [1, 1, 1]},
        "network": "grey", "feature": "pooled", "training_data": None,
    }  # fmt: skip
    return Exported(folder / "grey", run, said)


def pictures(folder: Path, greys: Sequence[tuple[int, int, int]]) -> tuple[Sighting, ...]:
    found = []
    for grey, identity, camera in greys:
        file = folder / f"{grey}_{identity}_{camera}.png"
        Image.new("RGB", (1, 1), (grey, grey, grey)).save(file)
        found.append(Sighting(identity=identity, camera=camera, path=file))
    return tuple(found)


def dataset_of(folder: Path, query: Any, gallery: Any, protocol: Protocol) -> ReidDataset:
    train = pictures(folder, [(0, 1, 0)])
    return ReidDataset(
        name="greys", train=train, query=pictures(folder, query),
        gallery=pictures(folder, gallery), protocol=protocol, layout="greys",
    )  # fmt: skip


def swapped(grey: Tensor) -> Tensor:
    """Greys 40 and 41 change places."""
    return STEP * ((grey == 40).float() - (grey == 41).float())


def test_metrics_and_thresholds_are_those_of_the_file(tmp_path: Path) -> None:
    """The query, of grey 0, finds its own at rank 41, and the file finds it at rank 40.

    Greys 1 to 40 are of others, and 41 is its own: AP 1/41 by the checkpoint, 1/40 by the file.
    """
    others = [(grey, 2, 1) for grey in range(1, 41)]
    dataset = dataset_of(tmp_path, [(0, 1, 0)], [*others, (41, 1, 1)], Protocol())
    found = compare(of_grey(tmp_path), of_grey(tmp_path, swapped), dataset, precision="16")
    said = of_test(dataset, found)
    assert said["metrics"]["mAP"] == pytest.approx(1 / 40)
    assert said["checkpoint_mAP"] == pytest.approx(1 / 41)
    assert said["largest_cosine_distance"] == pytest.approx(1 - math.cos(STEP), rel=0.01)
    assert (said["queries"], said["evaluation_data"]) == (1, "greys")
    assert "std" not in said["metrics"]
    # 0.1 % of 40 others is none: as far as grey 1, which is another's, nobody is right
    assert [at["similarity"] for at in said["thresholds"]["at"]] == [None, None]
    assert (said["thresholds"]["pairs_of_one_identity"], found.repeats) == (1, 1)


def test_drawn_galleries_are_drawn_for_the_file_too(tmp_path: Path) -> None:
    """Cameras are unknown and equal: by Market's rules nothing would be left to be found."""
    query = [(grey, 1 + grey % 5, -1) for grey in range(0, 120, 2)]
    dataset = dataset_of(tmp_path, query, [], vehicleid.PROTOCOL)

    def turn(grey: Tensor) -> Tensor:
        return 2e-3 * torch.sin(7 * grey)

    file = of_grey(tmp_path, turn)
    found = compare(of_grey(tmp_path), file, dataset, precision="16")
    said = of_test(dataset, found)
    parts: list[Features] = [file.features(part, batch_size=9) for part in (dataset.query, ())]
    scores = evaluated(parts[0], parts[1], dataset.protocol)
    assert said["metrics"]["mAP"] == spread(scores)["mAP"].mean
    assert said["metrics"]["std"]["rank1"] == spread(scores)["rank1"].deviation > 0
    assert said["queries"] == 10 * (60 - 5)  # five are searched in, ten times
    assert (said["protocol"]["repeats"], said["protocol"]["camera_rule"]) == (10, False)
    own = similarity_thresholds(parts[0], parts[1], dataset.protocol)
    other = [of_grey(tmp_path).features(part, batch_size=9) for part in (dataset.query, ())]
    assert found.thresholds == own != similarity_thresholds(other[0], other[1], dataset.protocol)
    assert said["thresholds"]["pairs_of_two"] == 10 * 55 * 4


def test_an_early_rank_that_changes_is_refused(tmp_path: Path) -> None:
    """From rank 2 to rank 1: mAP 1 instead of 1/2, with features that are near enough."""
    dataset = dataset_of(tmp_path, [(0, 1, 0)], [(40, 2, 1), (41, 1, 1)], Protocol())
    with pytest.raises(ValueError, match=r"mAP 100\.00 % and the checkpoint 50\.00 %"):
        compare(of_grey(tmp_path), of_grey(tmp_path, swapped), dataset, precision="16")


def test_one_picture_behind_the_first_few_is_enough_to_be_refused(tmp_path: Path) -> None:
    """Two tenths of a radian of the one of grey 200, which is the last of the gallery."""
    dataset = dataset_of(tmp_path, [(0, 1, 0)], [(1, 1, 1), (200, 2, 1)], Protocol())
    file = of_grey(tmp_path, lambda grey: 0.2 * (grey == 200).float())
    with pytest.raises(ValueError, match=r"differ from the checkpoint's by up to 0\.02 "):
        compare(of_grey(tmp_path), file, dataset, precision="16")


@pytest.mark.parametrize("wide", [2, 2048])
def test_a_distance_is_one_minus_the_cosine_however_wide_a_feature_is(wide: int) -> None:
    """Angles of 0 and of 0.001: 1 - cos 0.001 = 0.001^2 / 2 = 5e-7. Every number may share it."""
    a, b = torch.ones(2, wide), torch.ones(2, wide)
    b[1] += 0.001 * torch.tensor([1.0, -1.0]).repeat(wide // 2)
    nobody = torch.zeros(2, dtype=torch.int64)
    one, other = Features(7 * a, nobody, nobody), Features(b, nobody, nobody)
    assert distance(one, other) == pytest.approx(5e-7, rel=1e-3)
    assert distance(one, one) == 0


@pytest.mark.parametrize(("precision", "allowed"), [("32", 1e-6), ("16", 1e-4)])
def test_a_precision_explains_so_much_and_no_more(precision: Any, allowed: float) -> None:
    require_near("here", allowed, precision)
    for wrong in (1.001 * allowed, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"{allowed:g} is allowed"):
            require_near("here", wrong, precision)
