"""What the picture files of a data set are: whole or broken, how large, and which are equal."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from reid_data.bars import bar
from reid_data.decoding import UNREADABLE

_MOST_THREADS = 16
_AT_ONCE = 1024
"""Files handed to the threads together, so that what waits for them stays small."""


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
        content = path.read_bytes()
    except FileNotFoundError:
        return Fault(missing=True, reason="no such file")
    except OSError as error:
        return Fault(missing=False, reason=error.strerror or type(error).__name__)
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            if image.format == "JPEG" and _ends_in_zeros(content):
                return Fault(missing=False, reason="the end of the file is zeros")
            digest = hashlib.blake2b(content, digest_size=16).digest()
            return PictureFile(image.width, image.height, image.mode, digest)
    except UNREADABLE as error:
        return Fault(missing=False, reason=_reason(error, content))


def survey(paths: Iterable[Path], *, progress: bool = False) -> dict[Path, PictureFile | Fault]:
    """Look at every file once, on a few threads.

    About 100 bytes are kept of each file, whatever its size.

    Args:
        paths: of the files, in any order; one that is named twice is looked at once.
        progress: whether to show a bar with the time left.

    Returns:
        What each file is, sorted by path.
    """
    ordered = sorted(set(paths))
    seen: dict[Path, PictureFile | Fault] = {}
    said = "checking the pictures" if progress else None
    with (
        ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool,
        bar(total=len(ordered), desc=said, unit="picture") as shown,
    ):
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            for path, found in zip(some, pool.map(look_at, some), strict=True):
                seen[path] = found
                shown.update()
    return seen


def _ends_in_zeros(content: bytes) -> bool:
    """Whether the rest of a JPEG was never copied, into a file that has its full length already.

    Pillow decodes such zeros without complaint. What is missing is the marker that ends a picture,
    behind the one that begins its last scan.
    """
    return content.endswith(bytes(2)) and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")


def _reason(error: BaseException, content: bytes) -> str:
    if not content:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):  # its own words name an address in memory
        return "not a picture in a format that Pillow knows"
    return " ".join(str(error).split()) or type(error).__name__
