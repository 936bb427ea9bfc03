"""Progress bars: live on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from tqdm import tqdm

T = TypeVar("T")

_PAUSE = 30.0
"""Seconds between two lines of a log, and before the first: shorter work leaves none."""


class Bar(Generic[T]):
    """Counts what is done; made by `bar`.

    Args:
        shown: draws it.
    """

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def __iter__(self) -> Iterator[T]:
        """Pass on the iterable, counting."""
        return iter(self._shown)

    def __enter__(self) -> "Bar[T]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def update(self, done: int = 1) -> None:
        """So many more are done."""
        self._shown.update(done)

    def close(self) -> None:
        """Nothing more will be done; the last count stays where one was shown."""
        self._shown.close()


@overload
def bar(
    iterable: Iterable[T], *, total: int | None = None, desc: str | None, unit: str = "it"
) -> Bar[T]: ...


@overload
def bar(
    iterable: None = None, *, total: int | None = None, desc: str | None, unit: str = "it"
) -> Bar[Any]: ...


def bar(
    iterable: Iterable[T] | None = None,
    *,
    total: int | None = None,
    desc: str | None,
    unit: str = "it",
) -> Bar[Any]:
    """A progress bar with the time that is left, on the error stream.

    On a terminal it is live. Elsewhere it writes a line every 30 seconds at most, and none for
    work that ends sooner, so that log files stay readable.

    Args:
        iterable: what to pass on and count, or None to count with ``update`` in a ``with`` block.
        total: how many there will be; asked of the iterable if not given.
        desc: what to call the work, or None for no bar at all.
        unit: what is counted.
    """
    silent = desc is None or sys.stderr is None
    settings: dict[str, Any] = {"total": total, "desc": desc, "unit": unit, "disable": silent}
    if _on_terminal():
        return Bar(tqdm(iterable, **settings))
    rare: dict[str, Any] = {
        "delay": _PAUSE,
        "mininterval": _PAUSE,
        "maxinterval": _PAUSE,
        "miniters": 1,
    }
    return Bar(_Log(iterable, **settings, **rare, leave=False))


class _Log(tqdm):  # type: ignore[type-arg]  # tqdm is generic for the checker only
    """A bar whose every drawing is a line of its own."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write where the work is; what would clear a live line is passed over."""
        if msg is None:
            print(self, file=self.fp, flush=True)

    def close(self) -> None:
        """Write the last count, unless the work was short or the count was written already."""
        written = not self.disable and self.last_print_t > self.start_t
        if written and self.n > self.last_print_n:
            self.display()
        super().close()


def _on_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is no error stream, or it is closed
        return False
