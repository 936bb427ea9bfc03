"""Lines that show how trials stand: redrawn in place on a terminal, appended to a log."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from experiments.points import differing, short_names, shown
from experiments.trials import Trial

_LONGEST_VALUE, _LONGEST_NAME = 24, 48
"""Letters of a setting's value, and of all that a trial is called by; the rest is cut off."""


@dataclass(frozen=True)
class Line:
    """How one trial stands.

    Attributes:
        text: what it does; a change of it is worth a line in a log.
        left: the time it still needs, or an empty text.
        ended: whether it will change no more.
        name: what it is, where texts are to begin in one column behind the names; or empty.
    """

    text: str
    left: str = ""
    ended: bool = False
    name: str = ""

    def __str__(self) -> str:
        return self.beside(0)

    def beside(self, column: int) -> str:
        """The line, with its name filled up to ``column`` letters."""
        return f"{self.name:<{column}} {self._rest}" if self.name else self._rest

    @property
    def _rest(self) -> str:
        return f"{self.text}, {self.left} left" if self.left else self.text


@runtime_checkable
class Screen(Protocol):
    """What `Live` needs of a stream."""

    def write(self, text: str, /) -> object:
        """Append ``text``."""

    def flush(self) -> object:
        """Let readers have it now."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


class Live:
    """Shows the lines on a stream.

    Args:
        stream: a terminal, or a file or pipe that is to be read later.
        quiet: seconds a log keeps silent about a trial after a line on it, unless it ends.
        clock: seconds that only grow.
    """

    def __init__(
        self, stream: Screen, *, quiet: float = 15.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._clock = clock
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = 0
        self._said: dict[int, tuple[str, float]] = {}

    def show(self, lines: Sequence[Line]) -> None:
        """Bring the display up to date; a trial keeps its place in ``lines``."""
        if self._terminal:
            self._redraw(lines)
        else:
            self._append(lines)
        self._stream.flush()

    def _redraw(self, lines: Sequence[Line]) -> None:
        width, height = shutil.get_terminal_size()
        seen = lines[-max(1, height - 1) :]
        column = _column(seen, width - 1)
        shown = [line.beside(column)[: width - 1] for line in seen]
        up = f"\x1b[{self._drawn}F\x1b[0J" if self._drawn else ""
        self._stream.write(up + "".join(f"{line}\n" for line in shown))
        self._drawn = len(shown)

    def _append(self, lines: Sequence[Line]) -> None:
        now = self._clock()
        for place, line in enumerate(lines):
            text, since = self._said.get(place, ("", -self._quiet))
            first = place not in self._said
            if line.text != text and (first or line.ended or now - since >= self._quiet):
                self._stream.write(f"{line.beside(_column(lines))}\n")
                self._said[place] = (line.text, now)


def _column(lines: Sequence[Line], width: int | None = None) -> int:
    """How long names are made: as the longest, where no line of ``width`` loses its end by that."""
    named = [(len(line.name), len(str(line))) for line in lines if line.name]
    longest = max((name for name, _ in named), default=0)
    if width is None:
        return longest
    return min([longest, *(name + width - whole for name, whole in named if whole <= width)])


def describe_all(trials: Sequence[Trial], now: float) -> list[Line]:
    """How trials stand at ``now``, in seconds since 1970, each called by what tells it apart."""
    return [
        describe(trial, now, what) for trial, what in zip(trials, _told_apart(trials), strict=True)
    ]


def describe(trial: Trial, now: float, what: str | None = None) -> Line:
    """How one trial stands.

    Args:
        trial: of an experiment.
        now: in seconds since 1970.
        what: it is called besides its number; None for its strategy.
    """
    try:
        progress = trial.progress()
        result = trial.result()
    except ValueError as error:
        return Line(f"trial {trial.number}  {error}", ended=trial.ended)
    name, seed = f"trial {trial.number} ", ""
    if progress is not None:
        what = progress.strategy if what is None else what
        name, seed = f"{name} {what:<6}", f"seed {progress.seed}  "
    if trial.ended:
        return Line(f"{seed}{_outcome(trial)}", ended=True, name=name)
    if progress is None:
        return Line("starting" if trial.status == "RUNNING" else "waiting", name=name)
    text = f"{seed}{progress.stage}"
    if progress.epochs:
        text += f" {progress.epoch}/{progress.epochs}"
    if result is None and progress.retrieval is not None:
        text += f"  held-out mAP {100 * progress.retrieval:.2f} %"
    left = None if progress.stage == "stopped" else progress.seconds_left_at(now)
    return Line(text, "" if left is None else duration(left), name=name)


def _told_apart(trials: Sequence[Trial]) -> list[str | None]:
    """The settings that differ among the trials that have begun, and the strategy if that does."""
    points = [trial.recipe() for trial in trials]
    names = short_names(differing(filter(None, points)))
    if not names:
        return [None] * len(trials)
    strategies = [_strategy(trial) for trial in trials]
    words = [
        [f"{name}={_cut(shown(point[key]))}" if key in point else "" for key, name in names.items()]
        for point in points
    ]
    if len(set(filter(None, strategies))) > 1:
        words = [[strategy, *own] for strategy, own in zip(strategies, words, strict=True)]
    widths = [max(map(len, column)) for column in zip(*words, strict=True)]
    return [_cut("  ".join(map(str.ljust, own, widths)).rstrip(), _LONGEST_NAME) for own in words]


def _strategy(trial: Trial) -> str:
    try:
        progress = trial.progress()
    except ValueError:
        return ""
    return "" if progress is None else progress.strategy


def _cut(text: str, length: int = _LONGEST_VALUE) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _outcome(trial: Trial) -> str:
    if trial.cancelled:
        return "cancelled"
    if trial.stopped:
        return "stopped"
    failure = trial.failure()
    if failure is not None:
        return f"failed: {failure.splitlines()[-1]}"
    result = trial.result()
    if result is None:
        return trial.status.lower()
    return (
        f"done  mAP {100 * result.mAP:.2f} %  rank-1 {100 * result.rank1:.2f} %"
        f"  in {result.minutes:.1f} min"
    )
