"""Market-1501 (Zheng et al., ICCV 2015) and every folder laid out like it."""

import re
from pathlib import Path

from reid_data.layout import locate
from reid_data.names import named
from reid_data.parts import assemble, compare_counts, counts_of
from reid_data.records import Protocol, ReidDataset

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
FOLDER_NAMES = (
    "Market-1501-v15.09.15",
    "market1501/Market-1501-v15.09.15",
    "market1501",
    "Market-1501",
)
KNOWN_COUNTS = {"training": 12_936, "query": 3_368, "gallery": 15_913}
"""Pictures of Market-1501, junk left out, distractors counted."""


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
        train=named(folder / TRAIN),
        query=named(folder / QUERY),
        gallery=named(folder / GALLERY),
        protocol=Protocol(),
    )
    _compare_counts(folder, dataset)
    return dataset


def _compare_counts(folder: Path, dataset: ReidDataset) -> None:
    """Warn when a folder that calls itself Market-1501 has other counts."""
    if re.sub(r"\W", "", folder.name).lower().startswith("market1501"):
        compare_counts(folder, counts_of(dataset), called="Market-1501", known=KNOWN_COUNTS)
