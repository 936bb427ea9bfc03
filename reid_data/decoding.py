"""Picture files to bytes, several files at a time."""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, UnidentifiedImageError

from reid_data.layout import first_few

# H x W pixels

T = TypeVar("T")
S = TypeVar("S")

_MOST_THREADS = 16
_AT_ONCE = 1024
"""Files handed to the threads together, so that what waits for them stays small."""
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    TypeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for files that are no pictures, or only the beginning of one."""


class PictureError(ValueError):
    """A file that is no picture, or that cannot be read.

    Attributes:
        reason: in a few words, without its name.
        missing: it does not exist.
    """

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.missing = reason, missing


class Picture(NamedTuple):
    """A picture file that was decoded to its last pixel.

    Attributes:
        image: in RGB.
        mode: Pillow's word for the colours of the file, such as ``RGB``, ``L`` (grey) or ``I;16``.
        content: the file's bytes.
    """

    image: Image.Image
    mode: str
    content: bytes


class Unreadable(NamedTuple):
    """A file that is no picture, or that cannot be read.

    Attributes:
        path: of the file.
        reason: why not, in a few words.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def read(path: Path) -> Picture:
    """A picture, whole; whoever asks whether a file is one asks here, so that all agree.

    Raises:
        PictureError: If it is none, or only the beginning of one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise refusal(error) from error
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            _require_whole(image, content)
            return Picture(image.convert("RGB"), image.mode, content)
    except UNREADABLE as error:
        raise PictureError(_reason(error, content)) from error


def refusal(error: OSError) -> PictureError:
    """What the system's refusal to open a picture comes to."""
    if isinstance(error, FileNotFoundError):
        return PictureError("no such file", missing=True)
    return PictureError(error.strerror or type(error).__name__)


def decoded(path: Path, *, height: int, width: int) -> UInt8[ndarray, "3 H W"]:
    """One picture in RGB, resized with Pillow's antialiased bilinear filter.

    These are the pixels of torchvision's ``Resize((height, width))`` on a Pillow image.

    Raises:
        PictureError: As `read`.
    """
    resized = read(path).image.resize((width, height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def on_threads(work: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
    """What ``work`` makes of every item, on a few threads and in order."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), _AT_ONCE):
            yield from pool.map(work, items[start : start + _AT_ONCE])


def attempts(work: Callable[[Path], T], paths: Sequence[Path]) -> Iterator[T | Unreadable]:
    """What ``work`` makes of every picture, on a few threads and in order.

    Args:
        work: reads a picture.
        paths: of the pictures.
    """

    def attempt(path: Path) -> T | Unreadable:
        try:
            return work(path)
        except PictureError as error:
            return Unreadable(path, error.reason)

    return on_threads(attempt, paths)


def sorted_out(outcomes: Iterable[T | Unreadable]) -> tuple[list[T], list[Unreadable]]:
    """What came of the pictures that could be read, and those that could not."""
    good: list[T] = []
    unreadable: list[Unreadable] = []
    for outcome in outcomes:
        if isinstance(outcome, Unreadable):
            unreadable.append(outcome)
        else:
            good.append(outcome)
    return good, unreadable


def require_readable(unreadable: Sequence[Unreadable], count: int) -> None:
    """Nothing happens where there is none.

    Args:
        unreadable: the files that are.
        count: of all files that were looked at.

    Raises:
        ValueError: If there is one; it names them.
    """
    if unreadable:
        raise ValueError(
            f"{len(unreadable)} of {count} pictures cannot be read: replace or remove"
            f" {first_few(unreadable)}."
        )


def _require_whole(image: Image.Image, content: bytes) -> None:
    """Refuse what Pillow decodes without complaint though it is not all there.

    Raises:
        ValueError: If the rest of a JPEG was never copied, into a file that has its full length
            already: it ends in zeros, and what is missing is the marker that ends a picture,
            behind the one that begins its last scan.
    """
    ends_in_zeros = image.format == "JPEG" and content.endswith(bytes(2))
    if ends_in_zeros and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise ValueError("the end of the file is zeros")


def _reason(error: BaseException, content: bytes) -> str:
    if not content:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):  # its own words name an address in memory
        return "not a picture in a format that Pillow knows"
    return " ".join(str(error).split()) or type(error).__name__
