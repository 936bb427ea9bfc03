"""VehicleID (Liu et al., CVPR 2016): vehicles without a camera, tested in three sizes."""

from collections.abc import Mapping
from pathlib import Path

from reid_data.layout import OTHER_ENDINGS, PICTURE_ENDINGS, Place, of_other_formats, pictures_in
from reid_data.lists import listed, whole_number
from reid_data.reading import Reading
from reid_data.records import UNKNOWN_CAMERA, Inventory, Protocol, Sighting

SIZES = (800, 1600, 2400)
"""Identities of the test lists."""

FOLDER_NAMES = ("VehicleID_V1.0", "VehicleID", "vehicleid")
KNOWN_COUNTS: Mapping[int, Mapping[str, int]] = {
    size: {
        "training": 113_346,
        "test": test,
        "training identities": 13_164,
        "test identities": size,
    }
    for size, test in ((800, 6_493), (1600, 13_377), (2400, 19_777))
}
"""Identities of a test list -> what the data set has, tested on it."""

PROTOCOL = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset(), repeats=10)
"""One picture of each identity is drawn for the gallery, ten times; no camera is known."""

_IMAGES, _TRAIN_LIST = "image", "train_test_split/train_list.txt"
_TEST_LISTS = {size: f"train_test_split/test_list_{size}.txt" for size in SIZES}
PLACES = {
    size: Place(
        needed=(_IMAGES, _TRAIN_LIST, test_list),
        names=FOLDER_NAMES,
        signs=("train_test_split",),
        shared=(_IMAGES,),
    )
    for size, test_list in _TEST_LISTS.items()
}
"""Size -> how the folder is told that can be tested in it."""


def read(root: Path, *, size: int = 800, name: str = "vehicleid") -> Inventory:
    """Read VehicleID from its training list and one of its test lists.

    All pictures of the test list are the query part; the gallery is drawn from it at the
    evaluation, as ``PROTOCOL`` says.

    Args:
        root: the folder with ``image`` and ``train_test_split``, or one that holds it under one of
            ``FOLDER_NAMES``.
        size: one of ``SIZES``, the test list to use.
        name: the result is called ``<name>_<size>``.

    Raises:
        ValueError: If the root, a list or the folder is missing, a line cannot be read, or there
            is no test list of that size.
    """
    if size not in SIZES:
        raise ValueError(
            f"A test list of {size} identities was asked for: VehicleID has"
            f" {', '.join(map(str, SIZES))}."
        )
    folder = PLACES[size].locate(root, name=name)
    files = _by_stem(folder / _IMAGES)
    others = [path.name for path in pictures_in(folder / _IMAGES, OTHER_ENDINGS)]
    train = _listed(folder / _TRAIN_LIST, folder / _IMAGES, files)
    test = _listed(folder / _TEST_LISTS[size], folder / _IMAGES, files)
    return Inventory(
        name=f"{name}_{size}",
        layout=f"VehicleID, tested on {size:,} identities",
        folder=folder,
        train=train.sightings,
        query=test.sightings,
        gallery=(),
        protocol=PROTOCOL,
        known=KNOWN_COUNTS[size],
        people="VehicleID",
        remarks=train.remarks + test.remarks + of_other_formats(others, where=_IMAGES),
    )


def _listed(listing: Path, folder: Path, files: Mapping[str, Path]) -> Reading:
    """The pictures of a list whose lines are ``0000001 12345``: a file without ending, and who.

    Args:
        listing: the list.
        folder: of the pictures.
        files: name without ending -> the picture that lies there.
    """

    def sighting_of(line: str) -> Sighting:
        picture, identity = line.split()
        stem = _without_ending(picture)
        path = files.get(stem, folder / f"{stem}.jpg")
        return Sighting(whole_number(identity), UNKNOWN_CAMERA, path)

    return listed(listing, sighting_of, expected="a picture such as 0000001 and an identity")


def _by_stem(folder: Path) -> dict[str, Path]:
    """Name without ending -> the picture, a ``.jpg`` file where several endings lie there."""
    found: dict[str, Path] = {}
    for path in pictures_in(folder):
        other = found.setdefault(path.stem, path)
        found[path.stem] = min(path, other, key=lambda one: (one.suffix != ".jpg", one.suffix))
    return found


def _without_ending(picture: str) -> str:
    path = Path(picture)
    return path.stem if path.suffix.lower() in PICTURE_ENDINGS else picture
