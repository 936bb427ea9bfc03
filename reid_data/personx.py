"""PersonX (Sun & Zheng, CVPR 2019): rendered persons, before one or several backgrounds."""

from pathlib import Path

from reid_data.layout import Place, calls_itself, in_words
from reid_data.market1501 import GALLERY, QUERY, SIGNS, TRAIN, read_folder
from reid_data.records import Inventory

FOLDER_NAMES = ("PersonX", "personX", "personx", "PersonX_v1", "personx/PersonX_v1")
PLACE = Place(
    needed=(TRAIN, QUERY, GALLERY),
    names=(*FOLDER_NAMES, *(f"{folder}/*" for folder in FOLDER_NAMES)),
    signs=SIGNS,
)
KNOWN_COUNTS = {
    "training": 9_840,
    "query": 5_136,
    "gallery": 30_816,
    "training identities": 410,
    "test identities": 856,
    "cameras": 6,
}
"""Of the edition whose three folders lie in PersonX itself; of sub-domains no counts are known."""


def read(root: Path, *, name: str = "personx") -> Inventory:
    """Read PersonX or one sub-domain of it, laid out as Market-1501 is.

    Args:
        root: the folder with ``bounding_box_train``, ``query`` and ``bounding_box_test``, or one
            that holds it under one of ``FOLDER_NAMES``, or as the only sub-domain in one of these
            (``PersonX/1``).
        name: what the data set is called in results.

    Raises:
        ValueError: If several sub-domains lie there, the root or a folder is missing, a folder has
            no picture, or no file name can be read.
    """
    folder = PLACE.locate(root, name=name)
    beside = [other for other in PLACE.find(root) if other.parent.samefile(folder.parent)]
    if folder != root and len(beside) > 1:
        raise ValueError(
            f"{folder.parent} holds {len(beside)} sub-domains of PersonX,"
            f" {in_words([other.name for other in beside])}: name one, as in"
            f" personx:{folder.name}."
        )
    if calls_itself(folder, "personx"):
        return read_folder(folder, name, "PersonX", KNOWN_COUNTS)
    return read_folder(folder, name, f"PersonX, sub-domain {folder.resolve().name}", {})
