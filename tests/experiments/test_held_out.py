"""The score among identities put aside is the mAP of their pictures, each asking for the others."""

from pathlib import Path

import pytest
from PIL import Image

from experiments.held_out import HeldOut, seen_twice
from experiments.recipe import Data
from reid_data.records import Sighting

DATA = Data(height=8, width=8, cached=False)


def sightings(folder: Path, *pairs: tuple[int, int]) -> list[Sighting]:
    found = [Sighting(*pair, folder / f"{number}.png") for number, pair in enumerate(pairs)]
    for sighting in found:
        Image.new("RGB", (8, 8)).save(sighting.path)
    return found


@pytest.mark.parametrize("camera_rule", [True, False])
def test_identities_of_one_picture_each_are_refused_before_a_training(
    tmp_path: Path, camera_rule: bool
) -> None:
    alone = sightings(tmp_path, (1, 1), (2, 2), (3, 1))
    with pytest.raises(ValueError, match=r"^Of the 3 pictures put aside .* retrain\.held_out"):
        HeldOut(alone, DATA, camera_rule=camera_rule)
    HeldOut([*alone, alone[0]], DATA, camera_rule=camera_rule)


def test_the_camera_rule_holds_where_an_identity_was_seen_by_two_cameras(tmp_path: Path) -> None:
    assert not seen_twice(sightings(tmp_path, (1, 1), (1, 1), (2, 2)))
    assert seen_twice(sightings(tmp_path, (1, 1), (1, 2), (2, 2)))
