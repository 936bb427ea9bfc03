"""The two files of a picture store: which can be trusted, and who may write.

A damaged index, one of another pixel file, or none makes a store worthless; an index that is only
locked, on a full disk or refused does not. Whoever appends holds a lock on the pixel file itself,
so that nothing that is deleted meanwhile lets two in.
"""

import fcntl
import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

_log = logging.getLogger(__name__)

_MAGIC = b"nni-reid pictures"
HEADER = 4096
"""Bytes in front of the pictures, a page of memory."""

_TABLES = (
    "CREATE TABLE store (name TEXT NOT NULL)",
    """CREATE TABLE pictures (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL,
    slot INTEGER NOT NULL UNIQUE, checksum INTEGER NOT NULL
) WITHOUT ROWID""",
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""What SQLite says of a file that no try will make readable; all else may pass, such as a lock."""


def files_of(stem: Path) -> tuple[Path, Path]:
    """The pixel file and the index that are called so, without ending."""
    return stem.with_name(f"{stem.name}.u8"), stem.with_name(f"{stem.name}.sqlite")


@contextmanager
def alone(pixel_file: Path) -> Iterator[BinaryIO]:
    """A pixel file, made where there is none, and nobody else in here with the same one."""
    descriptor = os.open(pixel_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("Another run fills the picture cache in %s: waiting", pixel_file.parent)
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing does not, while pixels are mapped


def begin(file: BinaryIO, index_file: Path) -> None:
    """Make a store of an empty pixel file, and a new index."""
    name = secrets.token_hex(16)
    for old in (index_file, index_file.with_name(f"{index_file.name}-journal")):
        old.unlink(missing_ok=True)
    with closing(sqlite3.connect(index_file)) as index, index:
        for table in _TABLES:
            index.execute(table)
        index.execute("INSERT INTO store VALUES (?)", (name,))
    file.write(_block(name.encode()))


def index_of(
    file: BinaryIO, index_file: Path, *, mode: Literal["ro", "rw"], patience: float
) -> sqlite3.Connection | None:
    """The index of a pixel file, if it is there, can be read and is no other's.

    Args:
        file: of the pixels.
        index_file: as `files_of` says.
        mode: "ro" to read, "rw" to write.
        patience: seconds that others may hold it.

    Raises:
        OSError: If the system refuses it.
        sqlite3.Error: If it cannot be read now, but perhaps later.
    """
    if not index_file.exists():
        return None
    with ExitStack() as stack:
        index = stack.enter_context(closing(_connected(index_file, mode, patience)))
        index.text_factory = bytes  # of a damaged one, not every text is one
        try:
            header = _header(index, "quick_check" if mode == "ro" else "integrity_check")
            belongs = header == os.pread(file.fileno(), HEADER, 0)
        except UnicodeDecodeError:  # SQLite cites what it found
            belongs = False
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGE:
                raise
            belongs = False
        if belongs:
            stack.pop_all()
            return index
    _log.info("The index %s is damaged or not of its pixel file", index_file)
    return None


def is_at(found: os.stat_result, path: Path) -> bool:
    """Whether the file that was found is the one that bears a name now."""
    try:
        return os.path.samestat(found, path.stat())
    except FileNotFoundError:
        return False


def _connected(index_file: Path, mode: str, patience: float) -> sqlite3.Connection:
    uri = f"{index_file.absolute().as_uri()}?mode={mode}"
    try:
        return sqlite3.connect(uri, uri=True, timeout=patience)
    except sqlite3.OperationalError:
        index_file.open("rb").close()  # where the system refuses it, it says why
        raise


def _header(index: sqlite3.Connection, check: str) -> bytes:
    """What the pixel file that belongs to an index begins with; empty if it is of no store.

    Args:
        index: just opened.
        check: SQLite's, that it has to pass; a quick one leaves out what only a writer meets.

    Raises:
        sqlite3.DatabaseError: If the index cannot be read.
    """
    verdict = index.execute(f"PRAGMA {check}(1)").fetchall()
    tables = index.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    if verdict != [(b"ok",)] or {sql for (sql,) in tables} != {t.encode() for t in _TABLES}:
        return b""
    return _block(
        b" ".join(name for (name,) in index.execute("SELECT CAST(name AS BLOB) FROM store"))
    )


def _block(name: bytes) -> bytes:
    return (b"%b %b\n" % (_MAGIC, name)).ljust(HEADER, b"\0")
