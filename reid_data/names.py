"""Pictures whose file names say who was seen, by which camera."""

import re
from pathlib import Path

from reid_data.layout import (
    OTHER_ENDINGS,
    counted,
    first_few,
    of_other_formats,
    pictures_in,
)
from reid_data.reading import Reading
from reid_data.records import Sighting

# More than 18 digits would not fit into a tensor of int64.
_FILE_NAME = re.compile(r"(?P<identity>-1|[0-9]{1,18})_c(?P<camera>[0-9]{1,18})(?![0-9])")


def named(folder: Path, *, example: str = "0001_c1s1_000151_00.jpg") -> Reading:
    """Every picture of a folder whose name begins with identity and camera, sorted by name.

    Args:
        folder: of the pictures; hidden files in it are passed over, and so are others, in silence
            unless they are pictures in another format.
        example: a name as it should be, for the error.

    Raises:
        ValueError: If it is not a folder, holds no picture, or no name can be read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file where a folder of pictures was expected: replace it.")
    paths = sorted(pictures_in(folder))
    others = sorted(path.name for path in pictures_in(folder, OTHER_ENDINGS))
    if not paths:
        raise ValueError(
            f"{folder} holds no jpg or png picture, and every part of a data set needs some: "
            + (f"convert {first_few(others)}." if others else "unpack it again, completely.")
        )
    read = [(path, _FILE_NAME.match(path.name)) for path in paths]
    sightings = tuple(_sighting(path, match) for path, match in read if match)
    unread = [path.name for path, match in read if match is None]
    if not sightings:
        raise ValueError(
            f"None of the {len(paths)} picture names in {folder} (such as {paths[0].name}) says an"
            f" identity and a camera as {example} does: rename the files."
        )
    remark = (
        f"Left out of {folder.name} for a name without identity and camera, of at most 18 digits"
        f" each: {counted(len(unread), 'picture', 'pictures')} ({first_few(unread)})."
    )
    formats = of_other_formats(others, where=folder.name)
    return Reading(sightings, ((remark,) if unread else ()) + formats)


def sighting_named(path: Path) -> Sighting:
    """What the name of one picture says.

    Raises:
        ValueError: If it does not begin with identity and camera.
    """
    match = _FILE_NAME.match(path.name)
    if match is None:
        raise ValueError(
            f"{path.name} says no identity and camera, of at most 18 digits each, as"
            " 0001_c1s1_000151_00.jpg does: rename it."
        )
    return _sighting(path, match)


def _sighting(path: Path, match: re.Match[str]) -> Sighting:
    return Sighting(int(match["identity"]), int(match["camera"]), path)
