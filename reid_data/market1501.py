"""Market-1501 (Zheng et al., ICCV 2015) and every folder laid out like it."""

import logging
import re
from pathlib import Path

from reid_data.layout import first_few, locate, pictures_in
from reid_data.parts import assemble
from reid_data.records import Protocol, ReidDataset, Sighting

_log = logging.getLogger(__name__)

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
FOLDER_NAMES = (
    "Market-1501-v15.09.15",
    "market1501/Market-1501-v15.09.15",
    "market1501",
    "Market-1501",
)
KNOWN_COUNTS = (12_936, 3_368, 15_913)
"""Training, query and gallery pictures of Market-1501, junk left out, distractors counted."""

_FILE_NAME = re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d+)")


def load(root: Path, *, name: str = "market1501") -> ReidDataset:
    """Read the three folders of a data set in Market-1501's layout.

    File names are ``0001_c1s1_000151_00.jpg``: identity 1, camera 1. Identity -1 is junk and
    dropped, identity 0 is a distractor and stays in the gallery only.

    Args:
        root: the folder with ``bounding_box_train``, ``query`` and ``bounding_box_test``, or one
            that holds it under one of ``FOLDER_NAMES``.
        name: what the data set is called in results.

    Raises:
        ValueError: If the root or a folder is missing, a folder has no picture, no file name can
            be read, or an identity is in both the training and the test part.
    """
    folder = locate(root, name=name, below=FOLDER_NAMES, needed=(TRAIN, QUERY, GALLERY))
    dataset = assemble(
        name,
        train=_sightings(folder / TRAIN),
        query=_sightings(folder / QUERY),
        gallery=_sightings(folder / GALLERY),
        protocol=Protocol(),
    )
    _compare_counts(folder, dataset)
    return dataset


def _sightings(folder: Path) -> list[Sighting]:
    """Every picture of a folder whose name says who was seen, by which camera."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file where a folder of pictures was expected: replace it.")
    paths = sorted(pictures_in(folder))
    if not paths:
        raise ValueError(
            f"{folder} holds no jpg or png picture, and every part of a data set needs some:"
            " check that it was unpacked completely."
        )
    matches = [(path, _FILE_NAME.match(path.name)) for path in paths]
    read = [Sighting(int(m["identity"]), int(m["camera"]), path) for path, m in matches if m]
    unread = [path.name for path, match in matches if match is None]
    if not read:
        raise ValueError(
            f"None of the {len(paths)} picture names in {folder} (such as {paths[0].name}) says an"
            " identity and a camera as 0001_c1s1_000151_00.jpg does: rename the files."
        )
    if unread:
        _log.warning(
            "%d pictures of %s are left out, for their names say no identity and camera: %s",
            len(unread),
            folder,
            first_few(unread),
        )
    return read


def _compare_counts(folder: Path, dataset: ReidDataset) -> None:
    """Warn when a folder that calls itself Market-1501 has other counts."""
    if not re.sub(r"\W", "", folder.name).lower().startswith("market1501"):
        return
    counts = (len(dataset.train), len(dataset.query), len(dataset.gallery))
    if counts != KNOWN_COUNTS:
        _log.warning(
            "%s has %d training, %d query and %d gallery pictures where Market-1501 has %d, %d and"
            " %d: its scores cannot be compared with published ones",
            folder,
            *counts,
            *KNOWN_COUNTS,
        )
