"""A file of equally large pictures that only grows, and the index of what lies where in it.

The pixel file begins with a block that holds its name; behind it lie the pictures, ``3 H W`` bytes
each, red, green and blue planes one behind the other. The index (SQLite) says of a source file's
path, size and time of change in which slot its pixels lie and what their checksum is. Pixels are on
the disk before the index speaks of them, so that nothing it says is wrong whenever a process ends.

Who appends holds a lock on the pixel file itself. A file that cannot be trusted is never written
again, others may have mapped it: its name passes to a new one.
"""

import errno
import mmap
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reid_data.decoding import on_threads
from reid_data.image_files import HEADER, alone, begin, files_of, index_of, is_at

# S slots, H x W pixels

_READER_WAITS, _WRITER_WAITS = 5.0, 300.0
"""Seconds for whoever has the index to let go of it: a reader can look again behind the lock, a
writer would lose what it decoded."""
_TRIES = 10
"""Stores begun one behind the other, at most, while somebody deletes them."""

_whole: dict[tuple[int, int], tuple[int, dict[int, int]]] = {}
"""Device and inode of a pixel file -> its last change, and the slots that this process has read
and found whole since, with their checksums."""


class Source(NamedTuple):
    """A picture file as it is now; the pixels of an earlier or later one are others.

    Attributes:
        size: bytes.
        changed: nanoseconds since 1970.
    """

    size: int
    changed: int


class Entry(NamedTuple):
    """A picture that lies in the store.

    Attributes:
        path: of its source.
        source: as it was before it was decoded.
        slot: where its pixels lie.
        checksum: of its pixels, CRC-32.
    """

    path: Path
    source: Source
    slot: int
    checksum: int


class Store:
    """One pixel file with its index, both open; made by `opened` or `growing`.

    Args:
        stem: the files' path without ending.
        file: of the pixels.
        index: a connection.
        shape: ``(3, H, W)``.
    """

    def __init__(
        self, stem: Path, file: BinaryIO, index: sqlite3.Connection, shape: tuple[int, ...]
    ) -> None:
        self._file, self._index, self._shape = file, index, shape
        self._record = int(np.prod(shape))
        pixel_file, index_file = files_of(stem)
        self._places = {pixel_file: os.fstat(file.fileno()), index_file: index_file.stat()}
        # Behind what a killed run left, too: no byte is written twice, whatever the index says.
        self._next = -((HEADER - os.fstat(file.fileno()).st_size) // self._record)

    def pixels(self) -> UInt8[ndarray, "S 3 H W"]:
        """All slots, mapped and not to be written; what is appended later is not among them."""
        size = os.fstat(self._file.fileno()).st_size
        count = max(0, size - HEADER) // self._record
        mapped = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
        return np.ndarray((count, *self._shape), np.uint8, buffer=mapped, offset=HEADER)

    def find(self, sources: Mapping[Path, Source]) -> dict[Path, int]:
        """Path -> slot of the pictures that are here, unchanged and whole.

        Every slot is read and its checksum taken, 98 kB at 256 x 128 and 12 GB for all of MSMT17,
        once by each process and again only when somebody has written into the pixel file.

        Args:
            sources: the pictures as they are now.
        """
        pixels, whole = self.pixels(), _found_whole(self._file)
        listed = [entry for path, now in sources.items() if (entry := self._entry(path, now))]
        unsure = [entry for entry in listed if whole.get(entry.slot) != entry.checksum]

        def is_whole(entry: Entry) -> bool:
            there = entry.slot in range(len(pixels))
            return there and zlib.crc32(pixels[entry.slot].data) == entry.checksum

        verdicts = zip(unsure, on_threads(is_whole, unsure), strict=True)
        whole |= {entry.slot: entry.checksum for entry, good in verdicts if good}
        return {e.path: e.slot for e in listed if whole.get(e.slot) == e.checksum}

    def free(self) -> int:
        """Bytes that are free on the disk."""
        return shutil.disk_usage(self._file.fileno()).free

    def is_in_place(self) -> bool:
        """Whether the files that bear the names are still these: who finds others fills them."""
        return all(is_at(found, path) for path, found in self._places.items())

    def append(self, path: Path, source: Source, pixels: UInt8[ndarray, "3 H W"]) -> Entry:
        """Write a picture behind all others; `commit` makes it count."""
        entry = Entry(path, source, self._next, zlib.crc32(pixels.data))
        rest, offset = pixels.data.cast("B"), HEADER + entry.slot * self._record
        while rest:
            written = os.pwrite(self._file.fileno(), rest, offset)
            rest, offset = rest[written:], offset + written
        self._next += 1
        return entry

    def commit(self, entries: Iterable[Entry]) -> None:
        """Let appended pictures count, once their pixels are on the disk."""
        os.fsync(self._file.fileno())
        rows = [(os.fsencode(e.path), *e.source, e.slot, e.checksum) for e in entries]
        with self._index:
            self._index.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)", rows)

    def _entry(self, path: Path, source: Source) -> Entry | None:
        query = "SELECT slot, checksum FROM pictures WHERE path = ? AND size = ? AND changed = ?"
        row = self._index.execute(query, (os.fsencode(path), *source)).fetchone()
        return None if row is None else Entry(path, source, *row)


@contextmanager
def opened(stem: Path, shape: tuple[int, ...]) -> Iterator[Store | None]:
    """The store whose files are called so, to read, or None where none can be trusted.

    Args:
        stem: the files' path without ending.
        shape: ``(3, H, W)``.

    Raises:
        OSError: If a file cannot be read now.
        sqlite3.Error: If the index cannot.
    """
    pixel_file, index_file = files_of(stem)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(pixel_file.open("rb", buffering=0))
        except FileNotFoundError:
            yield None
            return
        index = index_of(file, index_file, mode="ro", patience=_READER_WAITS)
        if index is None:
            yield None
            return
        with closing(index):
            yield Store(stem, file, index, shape)


@contextmanager
def growing(stem: Path, shape: tuple[int, ...]) -> Iterator[Store]:
    """The store whose files are called so, to append to; an empty one where none can be trusted.

    Whoever else wants to append waits until this ends, or the process does.

    Args:
        stem: the files' path without ending; folders above them are made.
        shape: ``(3, H, W)``.

    Raises:
        OSError: If a file cannot be read or written.
        sqlite3.Error: If the index cannot; the store stays as it is.
    """
    pixel_file, index_file = files_of(stem)
    for _ in range(_TRIES):
        stem.parent.mkdir(parents=True, exist_ok=True)
        with alone(pixel_file) as file:
            now = os.fstat(file.fileno())
            if not is_at(now, pixel_file):  # it was deleted or replaced while we waited
                continue
            if now.st_size == 0:
                begin(file, index_file)
            index = index_of(file, index_file, mode="rw", patience=_WRITER_WAITS)
            if index is None:
                pixel_file.unlink(missing_ok=True)
                continue
            with closing(index):
                yield Store(stem, file, index, shape)
                return
    raise FileNotFoundError(errno.ENOENT, "its files are gone as soon as they are made")


def _found_whole(file: BinaryIO) -> dict[int, int]:
    """Slot -> checksum of what was read since a pixel file last changed; to be added to."""
    now = os.fstat(file.fileno())
    place = now.st_dev, now.st_ino
    changed, whole = _whole.get(place, (None, {}))
    if changed != now.st_ctime_ns:  # which, unlike the time of change, nobody can set
        whole = {}
        _whole[place] = now.st_ctime_ns, whole
    return whole
