"""Picture files to bytes, several files at a time."""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from reid_data.layout import first_few

# H x W pixels

T = TypeVar("T")

_MOST_THREADS = 16
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


class Unreadable(NamedTuple):
    """A file that is no picture.

    Attributes:
        path: of the file.
        reason: why not, in Pillow's or the system's words.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def decoded(path: Path, *, height: int, width: int) -> UInt8[ndarray, "3 H W"]:
    """One picture in RGB, resized with Pillow's antialiased bilinear filter.

    These are the pixels of torchvision's ``Resize((height, width))`` on a Pillow image.
    """
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def attempts(work: Callable[[Path], T], paths: Sequence[Path]) -> Iterator[T | Unreadable]:
    """What ``work`` makes of every picture, on a few threads and in order.

    Args:
        work: opens a picture.
        paths: of the pictures.
    """

    def attempt(path: Path) -> T | Unreadable:
        try:
            return work(path)
        except UNREADABLE as error:
            return Unreadable(path, str(error))

    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        yield from pool.map(attempt, paths)


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
