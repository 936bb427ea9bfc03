"""MSMT17 (Wei et al., CVPR 2018) in its two editions.

V2 is V1 with faces masked; scores on the two differ by 2 to 4 points of mAP, so that the name of
the data set says which one it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reid_data.layout import Place, calls_itself
from reid_data.lists import listed, whole_number
from reid_data.reading import Reading
from reid_data.records import Inventory, Protocol, Sighting

PARTS = ("train", "trainval", "all")
"""Training pictures: without the validation list, with it, or the test pictures besides."""

FOLDER_NAMES = (
    "MSMT17_V1",
    "MSMT17_V2",
    "MSMT17",
    "msmt17/MSMT17_V1",
    "msmt17/MSMT17_V2",
    "msmt17",
)
_EDITIONS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}
_LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
PLACE = Place(needed=_LISTS, names=FOLDER_NAMES, signs=_EDITIONS["V2"], shared=_EDITIONS["V1"])

_TEST = {"query": 11_659, "gallery": 82_161, "test identities": 3_060, "cameras": 15}
KNOWN_COUNTS: Mapping[str, Mapping[str, int]] = {
    "train": {"training": 30_248, "training identities": 1_041, **_TEST},
    "trainval": {"training": 32_621, "training identities": 1_041, **_TEST},
    "all": {
        "training": 32_621 + 11_659 + 82_161,
        "query": 0,
        "gallery": 0,
        "training identities": 1_041 + 3_060,
        "test identities": 0,
        "cameras": 15,
    },
}
"""Training part -> what both editions have."""

_NOBODY = Protocol(junk=frozenset(), distractors=frozenset())


class _Lists(NamedTuple):
    train: Reading
    val: Reading
    query: Reading
    gallery: Reading


def read(root: Path, *, part: str = "trainval", name: str = "msmt17") -> Inventory:
    """Read MSMT17 from its four lists.

    The lists number training and test identities from 0 each. Here training identities are
    numbered from 1 and test identities after them, so that no two share a number and none is
    taken for a distractor.

    Args:
        root: the folder with the lists, or one that holds it under one of ``FOLDER_NAMES``.
        part: one of ``PARTS``, what is searched and trained on. With ``"all"`` the query and the
            gallery part are empty, for nothing is left to test on: another data set has to be the
            target.
        name: the result is called ``<name>_v1`` or ``<name>_v2``, and ``_train`` or ``_all`` is
            added where ``part`` is not the default.

    Raises:
        ValueError: If the root, a list or a folder is missing, a line cannot be read, ``part`` is
            unknown, or both editions lie there and the folder's name says neither.
    """
    if part not in PARTS:
        raise ValueError(
            f"Training part '{part}' of MSMT17 is unknown: take one of {', '.join(PARTS)}."
        )
    folder = PLACE.locate(root, name=name)
    edition = _edition(folder)
    lists = _read_lists(folder, *(folder / below for below in _EDITIONS[edition]))
    train = {
        "train": lists.train.sightings,
        "trainval": _each_once(lists.train, lists.val),
        "all": _each_once(*lists),
    }[part]
    tested = ((), ()) if part == "all" else (lists.query.sightings, lists.gallery.sightings)
    return Inventory(
        name=f"{name}_{edition.lower()}" + ("" if part == "trainval" else f"_{part}"),
        layout=f"MSMT17 {edition}, trained on {part}",
        folder=folder,
        train=train,
        query=tested[0],
        gallery=tested[1],
        protocol=_NOBODY,
        known=KNOWN_COUNTS[part],
        people="MSMT17",
        remarks=tuple(remark for reading in lists for remark in reading.remarks),
    )


def _edition(folder: Path) -> str:
    """The edition whose pictures lie there; of both, the one that the folder is called after."""
    there = [
        edition
        for edition, folders in _EDITIONS.items()
        if all((folder / part_folder).is_dir() for part_folder in folders)
    ]
    if len(there) > 1:
        there = [edition for edition in there if calls_itself(folder, f"msmt17{edition.lower()}")]
        if len(there) != 1:
            raise ValueError(
                f"{folder} has the folders of both editions of MSMT17, train and test (V1) and"
                " mask_train_v2 and mask_test_v2 (V2), and lists for one of them: keep the edition"
                " that the lists belong to, or call the folder MSMT17_V1 or MSMT17_V2."
            )
    for edition in there:
        return edition
    raise ValueError(
        f"{folder} has MSMT17's lists and neither the folders train and test (V1) nor"
        " mask_train_v2 and mask_test_v2 (V2): unpack the pictures there."
    )


def _read_lists(folder: Path, train_folder: Path, test_folder: Path) -> _Lists:
    train_list, val_list, query_list, gallery_list = (folder / name for name in _LISTS)
    train = _listed(train_list, train_folder, first_identity=1)
    val = _listed(val_list, train_folder, first_identity=1)
    after = 1 + max(sighting.identity for sighting in _each_once(train, val))
    query = _listed(query_list, test_folder, first_identity=after)
    gallery = _listed(gallery_list, test_folder, first_identity=after)
    return _Lists(train, val, query, gallery)


def _each_once(*lists: Reading) -> tuple[Sighting, ...]:
    """The pictures of several lists, each once."""
    return tuple(dict.fromkeys(sighting for one in lists for sighting in one.sightings))


def _listed(listing: Path, folder: Path, *, first_identity: int) -> Reading:
    """The pictures of a list whose lines are ``relative-path identity``.

    ``0000/0000_000_01_0303morning_0008_0.jpg 0``: the third field of the name is the camera.
    """

    def sighting_of(line: str) -> Sighting:
        relative, identity = line.rsplit(maxsplit=1)
        camera = Path(relative).name.split("_")[2]
        number = first_identity + whole_number(identity)
        return Sighting(number, whole_number(camera), folder / relative)

    return listed(
        listing,
        sighting_of,
        expected="a path such as 0000/0000_000_01_0303morning_0008_0.jpg and an identity",
    )
