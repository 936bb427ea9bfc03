"""Decoded pictures kept between runs, so that small networks do not wait for JPEG.

One store for each height x width serves all data sets. It may be deleted at any time: runs that
use it go on, later ones decode again. Pictures that were replaced keep their place in it until
then.
"""

import errno
import logging
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from jaxtyping import Int64, UInt8
from numpy import ndarray

from reid_data.bars import Bar, bar
from reid_data.decoding import Unreadable, attempts, decoded, refusal, require_readable
from reid_data.image_store import Entry, Source, Store, growing, opened

# N pictures, S slots, H x W pixels

_log = logging.getLogger(__name__)

VERSION = 1
"""Raised whenever the same file would give other pixels."""

_BATCH = 1 << 25
"""Bytes that are decoded before they are committed: what a killed process loses."""
_ENTRY = 512
"""Bytes of a picture's line in the index, generously."""
_MB = 1_000_000

_ELSEWHERE = "set XDG_CACHE_HOME to a folder elsewhere, or do without the cache (cached=False)"
_REMEDIES = {
    "free some space": (errno.ENOSPC, errno.EDQUOT),
    "allow this user to write there": (errno.EACCES, errno.EPERM, errno.EROFS),
    "end the program that holds its index": (errno.EBUSY,),
    "raise the limit of open files (ulimit -n)": (errno.EMFILE, errno.ENFILE),
}
_AS_SYSTEM = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
}
"""What the system would say in place of SQLite."""

_Found = tuple[UInt8[ndarray, "S 3 H W"], dict[Path, int]]
"""The pixels of a whole store, and where in it each picture lies."""


class Cached(NamedTuple):
    """Pictures in memory that the system fills from the disk, and empties, as it sees fit.

    Attributes:
        pixels: of the whole store; cannot be written.
        slots: where each picture lies.
    """

    pixels: UInt8[ndarray, "S 3 H W"]
    slots: Int64[ndarray, " N"]


def cache_root() -> Path:
    """Where this package keeps what it can make again."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "nni-reid"


class ImageCache:
    """The pictures of one size.

    Args:
        height: ``H``, pixels.
        width: ``W``, pixels.
        folder: of the files; by default ``$XDG_CACHE_HOME/nni-reid/pictures``, or
            ``~/.cache/nni-reid/pictures``.
    """

    def __init__(self, *, height: int, width: int, folder: Path | None = None) -> None:
        self._height, self._width = height, width
        self._folder = folder or cache_root() / "pictures"
        # Another Pillow may decode a JPEG to other bytes.
        self._stem = self._folder / f"{height}x{width}-v{VERSION}-pillow{PIL.__version__}"

    def open(self, paths: Sequence[Path], *, progress: str | None = None) -> Cached:
        """The pixels of some pictures; those that are missing or changed are decoded first.

        Runs that need pictures at the same time wait for each other and decode none twice.

        Args:
            paths: of the pictures; one may come twice.
            progress: what to call the decoding in a progress bar, or None for no bar.

        Raises:
            ValueError: If files cannot be read, which are named while the others are kept; or if
                the disk has not the space, the folder cannot be written, or another program
                holds the index for minutes.
        """
        sources, unreadable = _sources([path.absolute() for path in paths])
        count = len(sources) + len(unreadable)
        cached = self._complete(sources)
        if cached is None:
            try:
                cached = self._filled(sources, unreadable, progress)
            except (OSError, sqlite3.Error) as error:
                raise ValueError(
                    f"The picture cache in {self._folder} cannot be written ({_reason(error)}):"
                    f" {_remedy(error)}."
                ) from error
        require_readable(unreadable, count)
        pixels, slots = cached
        return Cached(pixels, np.array([slots[p.absolute()] for p in paths], dtype=np.int64))

    @property
    def _shape(self) -> tuple[int, int, int]:
        return 3, self._height, self._width

    def _complete(self, sources: Mapping[Path, Source]) -> _Found | None:
        """All of the pictures, if they are there; waits for nobody."""
        if not sources:
            return np.empty((0, *self._shape), np.uint8), {}
        try:
            with opened(self._stem, self._shape) as store:
                slots = {} if store is None else store.find(sources)
                if store is None or len(slots) < len(sources):
                    return None
                return store.pixels(), slots
        except (OSError, sqlite3.Error):  # somebody writes, or we may not read: look once alone
            return None

    def _filled(
        self, sources: Mapping[Path, Source], unreadable: list[Unreadable], progress: str | None
    ) -> _Found:
        """All of the pictures that can be read; the others are added to the unreadable ones."""
        with growing(self._stem, self._shape) as store:
            slots = store.find(sources)
            missing = [path for path in sources if path not in slots]
            if missing:
                self._announce(len(missing), store.free())
            kept = True
            with bar(total=len(missing), desc=progress, unit="picture") as shown:
                for batch in self._batches(missing):
                    outcomes = self._decoded(batch, shown)
                    unreadable += [o for o in outcomes if isinstance(o, Unreadable)]
                    entries = [
                        store.append(path, sources[path], outcome)
                        for path, outcome in zip(batch, outcomes, strict=True)
                        if not isinstance(outcome, Unreadable)
                    ]
                    kept = kept and self._committed(store, entries)
                    slots |= {entry.path: entry.slot for entry in entries}
            return store.pixels(), slots

    def _batches(self, paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
        size = max(16, _BATCH // math.prod(self._shape))
        return (paths[start : start + size] for start in range(0, len(paths), size))

    def _decoded(self, paths: Sequence[Path], shown: Bar[Any]) -> list[ndarray | Unreadable]:
        outcomes = []
        for outcome in attempts(partial(decoded, height=self._height, width=self._width), paths):
            outcomes.append(outcome)
            shown.update()
        return outcomes

    def _committed(self, store: Store, entries: Sequence[Entry]) -> bool:
        """Whether other runs will find the pictures; this one has them in any case."""
        try:
            if store.is_in_place():
                store.commit(entries)
                return True
        except sqlite3.Error:
            if store.is_in_place():
                raise
        _log.info("The picture cache in %s was deleted while it grew", self._folder)
        return False

    def _announce(self, count: int, free: int) -> None:
        """Say what the disk will hold.

        Args:
            count: of the pictures.
            free: bytes.

        Raises:
            ValueError: If it has not the space.
        """
        needed = count * (math.prod(self._shape) + _ENTRY)
        work = f"{count} pictures at {self._height}x{self._width}"
        if needed > free:
            raise ValueError(
                f"The picture cache needs {needed / _MB:.0f} MB for {work} in {self._folder} and"
                f" {free / _MB:.0f} MB are free there: free some, {_ELSEWHERE}."
            )
        _log.info(
            "Decoding %s once into %s: %.1f MB, %.0f MB are free; the folder may be deleted"
            " at any time",
            *(work, self._folder, needed / _MB, free / _MB),
        )


def _sources(paths: Sequence[Path]) -> tuple[dict[Path, Source], list[Unreadable]]:
    """The files as they are now, each once, and those that are not there."""
    sources: dict[Path, Source] = {}
    unreadable: dict[Path, Unreadable] = {}
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            unreadable[path] = Unreadable(path, refusal(error).reason)
        else:
            sources[path] = Source(found.st_size, found.st_mtime_ns)
    return sources, list(unreadable.values())


def _reason(error: OSError | sqlite3.Error) -> str:
    """In the system's words or SQLite's, without the path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _remedy(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        code = error.errno
    else:
        code = _AS_SYSTEM.get(error.sqlite_errorcode & 0xFF)
    fitting = [remedy for remedy, codes in _REMEDIES.items() if code in codes]
    return ", ".join([*fitting, _ELSEWHERE])
