"""CUHK03 (Li et al., CVPR 2014) in its new protocol, CUHK03-NP (Zhong et al., CVPR 2017).

Persons before two cameras, in two editions: their boxes were found by a detector, or drawn by hand.
"""

from collections.abc import Mapping
from pathlib import Path

from reid_data.layout import Place
from reid_data.market1501 import GALLERY, QUERY, SIGNS, TRAIN, read_folder
from reid_data.records import Inventory

FOLDER_NAMES = ("cuhk03-np", "CUHK03-NP", "cuhk03_np", "CUHK03_NP", "cuhk03", "CUHK03")
"""Usual names of the folder that holds ``detected`` and ``labeled``."""

_PEOPLE = {"training identities": 767, "test identities": 700, "cameras": 2}
KNOWN_COUNTS: Mapping[str, Mapping[str, int]] = {
    "detected": {"training": 7_365, "query": 1_400, "gallery": 5_332, **_PEOPLE},
    "labeled": {"training": 7_368, "query": 1_400, "gallery": 5_328, **_PEOPLE},
}
"""Edition -> what it has."""

PLACES = {
    boxes: Place(
        needed=(TRAIN, QUERY, GALLERY),
        names=(boxes, *(f"{folder}/{boxes}" for folder in FOLDER_NAMES)),
        signs=SIGNS,
    )
    for boxes in KNOWN_COUNTS
}


def read(root: Path, *, boxes: str) -> Inventory:
    """Read one edition, whose three folders are laid out as Market-1501's.

    File names are ``0001_c1_1.png``: identity 1, camera 1.

    Args:
        root: the folder ``detected`` or ``labeled`` itself, under whatever name, or one that holds
            it, directly or in one of ``FOLDER_NAMES``.
        boxes: ``"detected"`` or ``"labeled"``; the result is called ``cuhk03_<boxes>``.

    Raises:
        ValueError: If ``boxes`` is neither, the root is called as the other edition, it or a folder
            is missing, a folder has no picture, or no file name can be read.
    """
    if boxes not in PLACES:
        raise ValueError(f"CUHK03-NP has no boxes '{boxes}': take {' or '.join(PLACES)}.")
    name = f"cuhk03_{boxes}"
    folder = PLACES[boxes].locate(root, name=name)
    others = [other for other in PLACES if other != boxes and PLACES[other].is_usual(folder)]
    if others:
        raise ValueError(
            f"Data set '{name}' was looked for in {folder}, which has the {others[0]} boxes: name"
            f" cuhk03_{others[0]}, or the folder {boxes}."
        )
    layout = f"CUHK03-NP, {boxes} boxes"
    return read_folder(folder, name, layout, KNOWN_COUNTS[boxes], people="CUHK03")
