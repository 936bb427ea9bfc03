"""VehicleID (Liu et al., CVPR 2016): vehicles without a camera, tested in three sizes."""

from pathlib import Path

from reid_data.layout import locate
from reid_data.lists import listed
from reid_data.parts import assemble, compare_counts
from reid_data.records import Protocol, ReidDataset, Sighting

SIZES = (800, 1600, 2400)
"""Identities of the test lists."""

FOLDER_NAMES = ("VehicleID_V1.0", "VehicleID", "vehicleid")
KNOWN_TRAIN = 113_346
"""Pictures of the training list, of 13,164 identities."""

KNOWN_TESTS = {800: 6_493, 1600: 13_377, 2400: 19_777}
"""Identities of a test list -> its pictures."""

PROTOCOL = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset(), repeats=10)
"""One picture of each identity is drawn for the gallery, ten times; no camera is known."""

_IMAGES, _LISTS = "image", "train_test_split"
_UNKNOWN_CAMERA = -1


def load(root: Path, *, size: int = 800, name: str = "vehicleid") -> ReidDataset:
    """Read VehicleID from its training list and one of its test lists.

    All pictures of the test list are the query part; the gallery is drawn from it at the
    evaluation, as ``PROTOCOL`` says.

    Args:
        root: the folder with ``image`` and ``train_test_split``, or one that holds it under one of
            ``FOLDER_NAMES``.
        size: one of ``SIZES``, the test list to use.
        name: the result is called ``<name>_<size>``.

    Raises:
        ValueError: If the root, a list, the folder or a listed picture is missing, a line cannot be
            read, an identity is in both the training and the test list, or there is no test list
            of that size.
    """
    if size not in SIZES:
        raise ValueError(
            f"A test list of {size} identities was asked for: VehicleID has"
            f" {', '.join(map(str, SIZES))}."
        )
    lists = [f"{_LISTS}/train_list.txt", f"{_LISTS}/test_list_{size}.txt"]
    folder = locate(root, name=name, below=FOLDER_NAMES, needed=(_IMAGES, *lists))
    train, test = (_listed(folder / listing, folder / _IMAGES) for listing in lists)
    compare_counts(
        folder,
        {"training": len(train), "test": len(test)},
        called="VehicleID",
        known={"training": KNOWN_TRAIN, "test": KNOWN_TESTS[size]},
    )
    return assemble(f"{name}_{size}", train=train, query=test, gallery=(), protocol=PROTOCOL)


def _listed(listing: Path, folder: Path) -> list[Sighting]:
    """The pictures of a list whose lines are ``0000001 12345``: a file without ending, and who."""

    def sighting_of(line: str) -> Sighting:
        picture, identity = line.split()
        path = folder / (picture if picture.endswith(".jpg") else f"{picture}.jpg")
        return Sighting(int(identity), _UNKNOWN_CAMERA, path)

    return listed(listing, sighting_of, expected="a picture such as 0000001 and an identity")
