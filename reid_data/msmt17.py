"""MSMT17 (Wei et al., CVPR 2018) in its two editions.

V2 is V1 with faces masked; scores on the two differ by 2 to 4 points of mAP, so that the name of
the data set says which one it is.
"""

from pathlib import Path

from reid_data.layout import locate
from reid_data.lists import listed
from reid_data.parts import assemble, compare_counts
from reid_data.records import Protocol, ReidDataset, Sighting

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
KNOWN_COUNTS = {"training": 32_621, "query": 11_659, "gallery": 82_161}
"""Pictures of the training and validation lists together, of the query and the gallery list."""

_EDITIONS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}
_LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
_NOBODY = Protocol(junk=frozenset(), distractors=frozenset())


def load(root: Path, *, part: str = "trainval", name: str = "msmt17") -> ReidDataset:
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
        ValueError: If the root, a list, a folder or a listed file is missing, a line cannot be
            read, or ``part`` is unknown.
    """
    if part not in PARTS:
        raise ValueError(
            f"Training part '{part}' of MSMT17 is unknown: take one of {', '.join(PARTS)}."
        )
    folder = locate(root, name=name, below=FOLDER_NAMES, needed=_LISTS)
    edition = _edition(folder)
    train_folder, test_folder = (folder / part_folder for part_folder in _EDITIONS[edition])

    train = _listed(folder / "list_train.txt", train_folder, first_identity=1)
    trainval = train + _listed(folder / "list_val.txt", train_folder, first_identity=1)
    after = 1 + max(sighting.identity for sighting in trainval)
    query = _listed(folder / "list_query.txt", test_folder, first_identity=after)
    gallery = _listed(folder / "list_gallery.txt", test_folder, first_identity=after)
    counts = {"training": len(trainval), "query": len(query), "gallery": len(gallery)}
    compare_counts(folder, counts, called="MSMT17", known=KNOWN_COUNTS)

    name = f"{name}_{edition.lower()}" + ("" if part == "trainval" else f"_{part}")
    if part == "all":
        everything = tuple(sorted(trainval + query + gallery))
        return ReidDataset(name, train=everything, query=(), gallery=(), protocol=_NOBODY)
    chosen = train if part == "train" else trainval
    return assemble(name, train=chosen, query=query, gallery=gallery, protocol=_NOBODY)


def _edition(folder: Path) -> str:
    for edition, folders in _EDITIONS.items():
        if all((folder / part_folder).is_dir() for part_folder in folders):
            return edition
    raise ValueError(
        f"{folder} has MSMT17's lists and neither the folders train and test (V1) nor"
        " mask_train_v2 and mask_test_v2 (V2): unpack the pictures there."
    )


def _listed(listing: Path, folder: Path, *, first_identity: int) -> list[Sighting]:
    """The pictures of a list whose lines are ``relative-path identity``.

    ``0000/0000_000_01_0303morning_0008_0.jpg 0``: the third field of the name is the camera.
    """

    def sighting_of(line: str) -> Sighting:
        relative, identity = line.split()
        camera = Path(relative).name.split("_")[2]
        return Sighting(first_identity + int(identity), int(camera), folder / relative)

    return listed(
        listing,
        sighting_of,
        expected="a path such as 0000/0000_000_01_0303morning_0008_0.jpg and an identity",
    )
