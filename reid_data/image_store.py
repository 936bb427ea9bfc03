"""A file of equally large pictures that only grows, and the index of what lies where in it.

The pixel file begins with a block that holds its name; behind it lie the pictures, ``3 H W`` bytes
each, red, green and blue planes one behind the other. The index (SQLite) says of a source file's
path, size and time of change in which slot its pixels lie and what their checksum is. Pixels are on
the disk before the index speaks of them, so that nothing it says is wrong whenever a process ends.
"""

import logging
import mmap
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

# S slots, H x W pixels

_log = logging.getLogger(__name__)

_MAGIC = "nni-reid pictures"
_HEADER = 4096
"""Bytes in front of the pictures, a page of memory."""

_SCHEMA = """
CREATE TABLE store (name TEXT NOT NULL);
CREATE TABLE pictures (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL,
    slot INTEGER NOT NULL UNIQUE, checksum INTEGER NOT NULL
) WITHOUT ROWID;
"""


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
    """One pixel file with its index, both open; made by `opened` or `created`.

    Args:
        file: of the pixels.
        index: a connection.
        shape: ``(3, H, W)``.
    """

    def __init__(self, file: BinaryIO, index: sqlite3.Connection, shape: tuple[int, ...]) -> None:
        self._file, self._index, self._shape = file, index, shape
        self._record = int(np.prod(shape))
        [(last,)] = index.execute("SELECT max(slot) FROM pictures").fetchall()
        self._next = 0 if last is None else int(last) + 1

    def pixels(self) -> UInt8[ndarray, "S 3 H W"]:
        """All slots, mapped and not to be written; what is appended later is not among them."""
        size = os.fstat(self._file.fileno()).st_size
        count = max(0, size - _HEADER) // self._record
        mapped = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
        return np.ndarray((count, *self._shape), np.uint8, buffer=mapped, offset=_HEADER)

    def find(self, sources: Mapping[Path, Source]) -> dict[Path, int]:
        """Path -> slot of the pictures that are here, unchanged and whole.

        Args:
            sources: the pictures as they are now.
        """
        pixels = self.pixels()
        listed = [entry for path, now in sources.items() if (entry := self._entry(path, now))]

        def is_whole(entry: Entry) -> bool:
            return (
                entry.slot < len(pixels) and zlib.crc32(pixels[entry.slot].data) == entry.checksum
            )

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            whole = pool.map(is_whole, listed)
            return {e.path: e.slot for e, good in zip(listed, whole, strict=True) if good}

    def append(self, path: Path, source: Source, pixels: UInt8[ndarray, "3 H W"]) -> Entry:
        """Write a picture behind all others; `commit` makes it count."""
        entry = Entry(path, source, self._next, zlib.crc32(pixels.data))
        rest, offset = pixels.data.cast("B"), _HEADER + entry.slot * self._record
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

    def close(self) -> None:
        """Mapped pixels stay."""
        self._index.close()
        self._file.close()

    def _entry(self, path: Path, source: Source) -> Entry | None:
        query = "SELECT slot, checksum FROM pictures WHERE path = ? AND size = ? AND changed = ?"
        row = self._index.execute(query, (os.fsencode(path), *source)).fetchone()
        return None if row is None else Entry(path, source, *row)


@contextmanager
def opened(stem: Path, shape: tuple[int, ...], *, growing: bool = False) -> Iterator[Store | None]:
    """The store whose files are called so, or None where there is none that can be trusted.

    Args:
        stem: the files' path without ending.
        shape: ``(3, H, W)``.
        growing: it will be appended to; the caller sees to it that nobody else does.
    """
    store = _joined(stem, shape, "rw" if growing else "ro")
    try:
        yield store
    finally:
        if store is not None:
            store.close()


def trusted(stem: Path, shape: tuple[int, ...]) -> bool:
    """Whether there is a store that can be appended to; as for `opened`."""
    with opened(stem, shape, growing=True) as store:
        return store is not None


def create(stem: Path) -> None:
    """Put an empty store in the place of whatever bears the name; what is mapped stays."""
    pixel_file, index_file = _files(stem)
    for file in (pixel_file, index_file, index_file.with_name(f"{index_file.name}-journal")):
        file.unlink(missing_ok=True)
    name = secrets.token_hex(16)
    pixel_file.write_bytes(_block(name))
    index = sqlite3.connect(index_file)
    try:
        index.executescript(_SCHEMA)
        with index:
            index.execute("INSERT INTO store VALUES (?)", (name,))
    finally:
        index.close()


def _files(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(f"{stem.name}.u8"), stem.with_name(f"{stem.name}.sqlite")


def _joined(stem: Path, shape: tuple[int, ...], mode: str) -> Store | None:
    """Both files open, if they are of one store and can be read."""
    pixel_file, index_file = _files(stem)
    try:
        file = pixel_file.open("r+b" if mode == "rw" else "rb", buffering=0)
    except FileNotFoundError:
        return None
    try:
        index = sqlite3.connect(f"{index_file.absolute().as_uri()}?mode={mode}", uri=True)
    except sqlite3.Error:
        file.close()
        return None
    try:
        if _header(index) == file.read(_HEADER):
            return Store(file, index, shape)
    except sqlite3.DatabaseError:
        _log.info("The index %s is damaged or not ours", index_file)
    index.close()
    file.close()
    return None


def _header(index: sqlite3.Connection) -> bytes:
    """What the pixel file that belongs to an index begins with.

    Raises:
        sqlite3.DatabaseError: If the index is damaged or has other tables.
    """
    [(verdict,)] = index.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    names = [str(name) for (name,) in index.execute("SELECT name FROM store")]
    return _block(" ".join(names))


def _block(name: str) -> bytes:
    return f"{_MAGIC} {name}\n".encode().ljust(_HEADER, b"\0")
