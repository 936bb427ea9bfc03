"""VeRi-776 (Liu et al., ECCV 2016): vehicles seen by 20 cameras, asked for by picture."""

from collections.abc import Sequence
from pathlib import Path

from reid_data.layout import first_few, locate
from reid_data.names import named
from reid_data.parts import assemble, compare_counts, counts_of
from reid_data.records import Protocol, ReidDataset, Sighting

PARTS = {
    "image_train": "name_train.txt",
    "image_query": "name_query.txt",
    "image_test": "name_test.txt",
}
"""Folder of each part -> the list of its files, which some copies of the data set lack."""

FOLDER_NAMES = ("VeRi", "veri", "VeRi-776")
KNOWN_COUNTS = {"training": 37_778, "query": 1_678, "gallery": 11_579}
"""Pictures of 576 training and 200 test vehicles."""


def load(root: Path, *, name: str = "veri776") -> ReidDataset:
    """Read the three folders of VeRi-776.

    File names are ``0001_c001_00016450_0.jpg``: identity 1, camera 1. Where the lists of file
    names lie beside the folders, exactly the listed pictures are taken. The data set's XML files
    say the same as the names, besides colour and type, and are not read. Evaluated image to image
    with the camera rule, which also takes care that a query, whose file lies in the gallery as
    well, never finds itself.

    Args:
        root: the folder with ``image_train``, ``image_query`` and ``image_test``, or one that
            holds it under one of ``FOLDER_NAMES``.
        name: what the data set is called in results.

    Raises:
        ValueError: If the root, a folder or a listed picture is missing, a folder has no picture,
            no file name can be read, or an identity is in both the training and the test part.
    """
    folder = locate(root, name=name, below=FOLDER_NAMES, needed=tuple(PARTS))
    train, query, gallery = (_part(folder / part, folder / names) for part, names in PARTS.items())
    dataset = assemble(name, train=train, query=query, gallery=gallery, protocol=Protocol())
    compare_counts(folder, counts_of(dataset), called="VeRi-776", known=KNOWN_COUNTS)
    return dataset


def _part(folder: Path, listing: Path) -> Sequence[Sighting]:
    """The pictures of a folder, or of its list where there is one."""
    found = named(folder, example="0001_c001_00016450_0.jpg")
    if not listing.is_file():
        return found
    names = set(listing.read_text(encoding="utf-8").split())
    missing = sorted(names - {sighting.path.name for sighting in found})
    if missing:
        raise ValueError(
            f"{len(missing)} of the {len(names)} pictures in {listing} are not in {folder}"
            f" ({first_few(missing)}): unpack the data set again."
        )
    return [sighting for sighting in found if sighting.path.name in names]
