"""Pictures whose file names say who was seen, by which camera."""

import re
from pathlib import Path

from reid_data.layout import first_few, pictures_in
from reid_data.reading import Reading
from reid_data.records import Sighting

_FILE_NAME = re.compile(r"(?P<identity>-1|[0-9]+)_c(?P<camera>[0-9]+)")


def named(folder: Path, *, example: str = "0001_c1s1_000151_00.jpg") -> Reading:
    """Every picture of a folder whose name begins with identity and camera, sorted by name.

    Args:
        folder: of the pictures; other files in it, hidden ones too, are passed over.
        example: a name as it should be, for the error.

    Raises:
        ValueError: If it is not a folder, holds no picture, or no name can be read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file where a folder of pictures was expected: replace it.")
    paths = sorted(pictures_in(folder))
    if not paths:
        raise ValueError(
            f"{folder} holds no jpg or png picture, and every part of a data set needs some:"
            " check that it was unpacked completely."
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
        f"{len(unread)} pictures of {folder} are left out, for their names say no identity and"
        f" camera: {first_few(unread)}."
    )
    return Reading(sightings, (remark,) if unread else ())


def sighting_named(path: Path) -> Sighting:
    """What the name of one picture says.

    Raises:
        ValueError: If it does not begin with identity and camera.
    """
    match = _FILE_NAME.match(path.name)
    if match is None:
        raise ValueError(
            f"{path.name} says no identity and camera as 0001_c1s1_000151_00.jpg does: rename it."
        )
    return _sighting(path, match)


def _sighting(path: Path, match: re.Match[str]) -> Sighting:
    return Sighting(int(match["identity"]), int(match["camera"]), path)
