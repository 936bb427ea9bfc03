"""A search's pictures are divided as asked, each once, and never those held out."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reid_data.batch import Twin
from reid_data.datamodule import SearchData
from reid_data.records import Sighting
from reid_data.twin_split import TwinShares


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SearchData:
    folder = tmp_path_factory.mktemp("pictures")
    sightings = []
    for identity in range(1, 13):
        for picture in range(4):
            path = folder / f"{identity}_{picture}.png"
            Image.fromarray(np.full((8, 4, 3), 20 * identity, np.uint8)).save(path)
            sightings.append(Sighting(identity, picture % 2, path))
    searched = tuple(s for s in sightings if s.identity <= 10)
    held_out = tuple(s for s in sightings if s.identity > 10)
    return SearchData(searched, held_out, height=8, width=4, identities=2, images=2)


@pytest.mark.parametrize("kind", ["twin", "closed_set"])
def test_every_searched_picture_is_on_exactly_one_side(data: SearchData, kind: str) -> None:
    split = data.split(kind, TwinShares())
    assert sorted([*split.train, *split.val]) == sorted(data.searched)


def test_a_twin_split_has_the_shares_and_a_closed_set_all_identities(data: SearchData) -> None:
    """10 identities: 2 train only, 4 shared, 4 val only."""
    twin = data.sides("twin", TwinShares())
    assert (len(twin.train.labels), len(twin.val.labels), twin.identities) == (6, 8, 10)
    assert set(twin.train.labels) | set(twin.val.labels) == set(range(10))
    closed = data.sides("closed_set", TwinShares())
    assert closed.train.labels == closed.val.labels == tuple(range(10))


def test_batches_say_which_side_they_are_of_and_hold_its_identities(data: SearchData) -> None:
    sides = data.sides("twin", TwinShares())
    for twin, side in ((Twin.TRAIN, sides.train), (Twin.VAL, sides.val)):
        for batch in side.loader:
            assert batch.twin == twin
            assert set(batch.identities.tolist()) <= set(side.labels)


def test_an_identity_both_searched_and_held_out_is_refused(data: SearchData) -> None:
    with pytest.raises(ValueError, match="1 identities such as 3 are both"):
        replace(data, held_out=(data.searched[8],))


def test_an_unknown_split_is_refused(data: SearchData) -> None:
    with pytest.raises(ValueError, match="'halves' was asked for: use one of twin, closed_set"):
        data.split("halves", TwinShares())


def test_too_few_identities_for_a_batch_are_refused(data: SearchData) -> None:
    with pytest.raises(ValueError, match="A batch of 9 identities"):
        replace(data, identities=9).sides("twin", TwinShares())
