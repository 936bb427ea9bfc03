"""VeRi-776 (Liu et al., ECCV 2016): vehicles seen by 20 cameras, asked for by picture."""

from pathlib import Path

from reid_data.layout import (
    OTHER_ENDINGS,
    PICTURE_ENDINGS,
    Place,
    counted,
    first_few,
    pictures_in,
)
from reid_data.lists import listed
from reid_data.names import named, sighting_named
from reid_data.reading import Reading
from reid_data.records import Inventory, Sighting

PARTS = {
    "image_train": "name_train.txt",
    "image_query": "name_query.txt",
    "image_test": "name_test.txt",
}
"""Folder of each part -> the list of its files, which some copies of the data set lack."""

FOLDER_NAMES = ("VeRi", "veri", "VeRi-776")
PLACE = Place(needed=tuple(PARTS), names=FOLDER_NAMES, signs=tuple(PARTS))
KNOWN_COUNTS = {
    "training": 37_778,
    "query": 1_678,
    "gallery": 11_579,
    "training identities": 576,
    "test identities": 200,
    "cameras": 20,
}

_EXAMPLE = "0001_c001_00016450_0.jpg"


def read(root: Path, *, name: str = "veri776") -> Inventory:
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
        ValueError: If the root or a folder is missing, a folder has no picture, or no file name
            or a line of a list cannot be read.
    """
    folder = PLACE.locate(root, name=name)
    train, query, gallery = (_part(folder / part, folder / names) for part, names in PARTS.items())
    return Inventory(
        name,
        "VeRi-776",
        folder,
        train=train.sightings,
        query=query.sightings,
        gallery=gallery.sightings,
        known=KNOWN_COUNTS,
        people="VeRi-776",
        remarks=train.remarks + query.remarks + gallery.remarks,
    )


def _part(folder: Path, listing: Path) -> Reading:
    """The pictures of a folder, or of its list where there is one."""
    if not listing.is_file():
        return named(folder, example=_EXAMPLE)

    def sighting_of(line: str) -> Sighting:
        return sighting_named(folder / line)

    taken = listed(listing, sighting_of, expected=f"a picture such as {_EXAMPLE}")
    known = {sighting.path.name for sighting in taken.sightings}
    lying = {path.name for path in pictures_in(folder, PICTURE_ENDINGS | OTHER_ENDINGS)}
    unlisted = sorted(lying - known)
    remark = (
        f"Left out of {folder.name} for not being in {listing.name}:"
        f" {counted(len(unlisted), 'picture', 'pictures')} ({first_few(unlisted)})."
    )
    return Reading(taken.sightings, taken.remarks + ((remark,) if unlisted else ()))
