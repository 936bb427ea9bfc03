"""What the picture files of a data set are: whole or broken, how large, and which are equal."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reid_data.bars import bar
from reid_data.decoding import PictureError, on_threads, read


class PictureFile(NamedTuple):
    """A picture that was decoded to its last pixel; the pixels themselves are not kept.

    Attributes:
        width: pixels.
        height: pixels.
        mode: Pillow's word for its colours, such as ``RGB``, ``L`` (grey) or ``I;16``.
        digest: of the file's bytes; equal bytes have equal digests, and others do not.
    """

    width: int
    height: int
    mode: str
    digest: bytes


class Fault(NamedTuple):
    """A file that is no picture.

    Attributes:
        missing: it does not exist.
        reason: in a few words, without its name.
    """

    missing: bool
    reason: str


def look_at(path: Path) -> PictureFile | Fault:
    """Read a file once, decode all of it, and keep what the two classes above say."""
    try:
        image, mode, content = read(path)
    except PictureError as error:
        return Fault(missing=error.missing, reason=error.reason)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return PictureFile(image.width, image.height, mode, digest)


def survey(paths: Iterable[Path], *, progress: bool = False) -> dict[Path, PictureFile | Fault]:
    """Look at every file once, on a few threads.

    About 1 kB is kept of each file, most of it its path, whatever its size.

    Args:
        paths: of the files, in any order; one that is named twice is looked at once.
        progress: whether to show a bar with the time left.

    Returns:
        What each file is, sorted by path.
    """
    ordered = sorted(set(paths))
    said = "checking the pictures" if progress else None
    looks = bar(on_threads(look_at, ordered), total=len(ordered), desc=said, unit="picture")
    return dict(zip(ordered, looks, strict=True))
