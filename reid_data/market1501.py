"""Market-1501 (Zheng et al., ICCV 2015) and every folder laid out like it."""

import re
from collections.abc import Mapping
from pathlib import Path

from reid_data.layout import Place, calls_itself
from reid_data.names import named
from reid_data.records import Inventory

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
FOLDER_NAMES = (
    "Market-1501-v15.09.15",
    "market1501/Market-1501-v15.09.15",
    "market1501",
    "Market-1501",
)
SIGNS = (TRAIN, GALLERY)
"""Folders that only this layout has."""
PLACE = Place(needed=(TRAIN, QUERY, GALLERY), names=FOLDER_NAMES, signs=SIGNS)
KNOWN_COUNTS = {
    "training": 12_936,
    "query": 3_368,
    "gallery": 15_913,
    "training identities": 751,
    "test identities": 750,
    "cameras": 6,
}
"""Of Market-1501: 3,819 junk pictures left out, 2,798 distractors counted in the gallery."""


def read(root: Path, *, name: str = "market1501") -> Inventory:
    """Read the three folders of a data set in Market-1501's layout.

    File names are ``0001_c1s1_000151_00.jpg``: identity 1, camera 1. Identity -1 is junk, identity
    0 a distractor. Counts are known where the folder calls itself Market-1501.

    Args:
        root: the folder with ``bounding_box_train``, ``query`` and ``bounding_box_test``, or one
            that holds it under one of ``FOLDER_NAMES``.
        name: what the data set is called in results.

    Raises:
        ValueError: If the root or a folder is missing, a folder has no picture, or no file name
            can be read.
    """
    folder = PLACE.locate(root, name=name)
    if calls_itself(folder, "market1501"):
        layout = f"Market-1501{_version(folder)}"
        return read_folder(folder, name, layout, KNOWN_COUNTS, people="Market-1501")
    return read_folder(folder, name, "Market-1501's layout", {})


def read_folder(
    folder: Path, name: str, layout: str, known: Mapping[str, int], *, people: str = ""
) -> Inventory:
    """Read three folders in Market-1501's layout, wherever they are.

    Args:
        folder: that holds ``bounding_box_train``, ``query`` and ``bounding_box_test``.
        name: what the data set is called in results.
        layout: what the data set is, in words.
        known: counts it is known by.
        people: the published data set that shows the same identities.

    Raises:
        ValueError: If a folder has no picture, or no file name can be read.
    """
    train, query, gallery = (named(folder / part) for part in (TRAIN, QUERY, GALLERY))
    return Inventory(
        name,
        layout,
        folder,
        train=train.sightings,
        query=query.sightings,
        gallery=gallery.sightings,
        known=known,
        people=people,
        remarks=train.remarks + query.remarks + gallery.remarks,
    )


def _version(folder: Path) -> str:
    """The version that a folder's name states, behind a blank."""
    found = re.search(r"v[0-9]+(\.[0-9]+)*", folder.resolve().name)
    return f" {found[0]}" if found else ""
