"""Pictures whose file names say who was seen, by which camera."""

import logging
import re
from pathlib import Path

from reid_data.layout import first_few, pictures_in
from reid_data.records import Sighting

_log = logging.getLogger(__name__)

_FILE_NAME = re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d+)")


def named(folder: Path, *, example: str = "0001_c1s1_000151_00.jpg") -> list[Sighting]:
    """Every picture of a folder whose name begins with identity and camera, sorted by name.

    Args:
        folder: of the pictures; other files in it are passed over.
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
    matches = [(path, _FILE_NAME.match(path.name)) for path in paths]
    read = [Sighting(int(m["identity"]), int(m["camera"]), path) for path, m in matches if m]
    unread = [path.name for path, match in matches if match is None]
    if not read:
        raise ValueError(
            f"None of the {len(paths)} picture names in {folder} (such as {paths[0].name}) says an"
            f" identity and a camera as {example} does: rename the files."
        )
    if unread:
        _log.warning(
            "%d pictures of %s are left out, for their names say no identity and camera: %s",
            len(unread),
            folder,
            first_few(unread),
        )
    return read
