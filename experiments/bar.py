"""How far a run is: one live line on a terminal, a line per finished epoch in a log."""

import codecs
import os
import shutil
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from experiments.live import Screen, duration
from experiments.progress import Progress, Stage

_PAUSE = 0.1
"""Seconds between two drawings: more often than that, nobody sees it."""
_BAR = 24
"""Characters of a full bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Bar:
    """Shows the run on a stream; a stream that cannot be written any more never ends the run.

    A terminal keeps the last epoch of every stage; a log, every epoch.

    Args:
        stream: a terminal, or a file or pipe that is to be read later.
        clock: seconds that only grow.
        called: stage -> what it is shown as, where that is not its name.
    """

    def __init__(
        self,
        stream: Screen,
        *,
        clock: Callable[[], float] = time.monotonic,
        called: Mapping[Stage, str] = MappingProxyType({}),
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._called = called
        self._encoding = _encoding_of(stream)
        self._terminal = _is_terminal(stream)
        self._blocks = _EIGHTHS if self._can_write(_EIGHTHS) else " #"
        self._stage: Stage | None = None
        self._head, self._words = "", ""
        self._share, self._batches = 0.0, ""
        self._ends: float | None = None
        self._next = float("-inf")
        self._drawn = False

    def batch(self, stage: Stage, epoch: int, epochs: int, done: int, batches: int) -> None:
        """A batch is done; cheap, as most calls draw nothing.

        Args:
            stage: of the run.
            epoch: that runs, counted from 1.
            epochs: of the stage.
            done: batches of the epoch that are done.
            batches: of the epoch.
        """
        if not self._terminal or self._clock() < self._next:
            return
        if stage != self._stage:
            self._stage, self._words = stage, ""
        self._head, self._batches = self._titled(stage, epoch, epochs), f"{done}/{batches}"
        self._share = (epoch - 1 + done / max(1, batches)) / max(1, epochs)
        self._draw()

    def epoch(self, progress: Progress, words: str) -> None:
        """An epoch is finished.

        Args:
            progress: behind it.
            words: what came of it.
        """
        left, now = progress.seconds_left, self._clock()
        self._ends = None if left is None else now + left
        self._stage, self._words = progress.stage, " ".join(words.split())
        self._head = self._titled(progress.stage, progress.epoch, progress.epochs)
        self._batches = ""
        self._share = progress.epoch / max(1, progress.epochs)
        if self._terminal and progress.epoch < progress.epochs:
            self._draw()
            return
        eta = self._left(now)
        self.say(f"{self._head}: {self._words}{eta and ', '}{eta}")

    def say(self, words: str) -> None:
        """A line that stays, above the live one."""
        self._write(f"{self._clearing()}{words}\n")
        self._drawn = False

    def close(self) -> None:
        """Leave the live line as it stands; the next line begins below it."""
        if self._drawn:
            self._write("\n")
        self._drawn = False

    def _titled(self, stage: Stage, epoch: int, epochs: int) -> str:
        return f"{self._called.get(stage, stage)} {epoch}/{epochs}"

    def _draw(self) -> None:
        now = self._clock()
        self._next = now + _PAUSE
        said = [self._batches, self._words, self._left(now)]
        width = shutil.get_terminal_size().columns - 1
        line = _joined(self._head, self._filled(), *said)
        if len(line) > width:
            line = _joined(self._head, *said)[: max(0, width)]
        self._write(self._clearing() + line)
        self._drawn = True

    def _left(self, now: float) -> str:
        return "" if self._ends is None else f"{duration(max(0.0, self._ends - now))} left"

    def _clearing(self) -> str:
        return "\r\x1b[K" if self._drawn else ""

    def _filled(self) -> str:
        parts = len(self._blocks) - 1
        full, rest = divmod(round(min(self._share, 1.0) * _BAR * parts), parts)
        text = self._blocks[-1] * full + (self._blocks[rest] if rest else "")
        return f"|{text:<{_BAR}}|"

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text.encode(self._encoding, "replace").decode(self._encoding))
            self._stream.flush()
        except (OSError, ValueError):  # closed, or its reader is gone: the run matters more
            self._stream, self._terminal = _Nowhere(), False

    def _can_write(self, text: str) -> bool:
        return text.encode(self._encoding, "replace").decode(self._encoding) == text


class _Nowhere:
    """Takes the place of a stream that is gone."""

    def write(self, text: str, /) -> None:
        """Nobody reads."""

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        return False


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _encoding_of(stream: Screen) -> str:
    """The stream's own; UTF-8 where it names none, ASCII where it names one nobody knows."""
    try:
        return codecs.lookup(str(getattr(stream, "encoding", None) or "utf-8")).name
    except LookupError:
        return "ascii"


def _is_terminal(stream: Screen) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (OSError, ValueError):  # closed already
        return False
