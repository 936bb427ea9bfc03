"""What a trial says of itself, read from its folder.

An unguarded NNI mixes up the parameters it shows when trials run side by side; a trial's run folder
does not. A trial keeps one run folder inside NNI's folder for the trial, with ``recipe.json``,
``progress.json``, at the end ``metrics.json``, and ``error.txt`` if it failed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.points import Setting
from experiments.progress import PROGRESS_FILE, RECIPE_FILE, Progress
from experiments.table import RESULT_FILE, Result

ERROR_FILE = "error.txt"

_ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
_TAIL = 15
_BAR = re.compile(r"^.*\[(\d+:)?\d+:\d\d[<,][^]]*\]")  # as tqdm ends one: [00:01<00:09, 10it/s]


@dataclass(frozen=True, order=True)
class Trial:
    """A trial as NNI's manager lists it.

    Attributes:
        number: NNI's sequence number, from 0.
        id: NNI's name for it.
        status: ``WAITING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ...
        folder: NNI's folder for the trial, ``$NNI_OUTPUT_DIR`` of a local one.
    """

    number: int
    id: str
    status: str
    folder: Path

    @property
    def ended(self) -> bool:
        """Whether it will change no more."""
        return self.status in _ENDED

    @property
    def cancelled(self) -> bool:
        """Whether somebody ended it, the user or NNI."""
        return self.status.endswith("_CANCELED")

    @property
    def stopped(self) -> bool:
        """Whether it says that it was interrupted."""
        try:
            progress = self.progress()
        except ValueError:
            return False
        return progress is not None and progress.stage == "stopped"

    def progress(self) -> Progress | None:
        """Where it stands; None before its first report."""
        file = self._newest(PROGRESS_FILE)
        return None if file is None else Progress.read(file)

    def result(self) -> Result | None:
        """What it reached; None if it has not finished."""
        file = self._newest(RESULT_FILE)
        return None if file is None else Result.read(file)

    def origin(self, names: Sequence[str]) -> dict[str, str]:
        """Where the result was made, of which its run folder says so much, as ``origin_of``."""
        file = self._newest(RESULT_FILE)
        return {} if file is None else origin_of(file.parent, names)

    def recipe(self) -> dict[str, Setting]:
        """Fields of its recipe besides strategy and seed, by dotted name; empty while unknown."""
        file = self._newest(RECIPE_FILE)
        found = {} if file is None else _described(file).get("recipe")
        flat = _flat(found, "") if isinstance(found, dict) else {}
        return {name: x for name, x in flat.items() if name not in ("name", "strategy", "seed")}

    def failure(self) -> str | None:
        """Why it failed: the end of its error message; None if it has not.

        Taken from the run folder, or from standard error when the trial broke before it had one.
        A trial that ended without a result failed too, whatever NNI says; of one that was
        cancelled or interrupted, that is the first thing said.
        """
        if not self.ended:
            return None
        try:
            result = self.result()
        except ValueError as error:
            return str(error)
        if self.status == "SUCCEEDED" and result is not None:
            return None
        if self.cancelled:
            return f"It was cancelled.\n{self._last_words()}".rstrip()
        if self.stopped:
            return f"It was interrupted.\n{self._last_words()}".rstrip()
        return self._last_words() or (
            f"It ended as {self.status} without a result or an error message; look into"
            f" {self.folder}."
        )

    def _last_words(self) -> str:
        for file in (self._newest(ERROR_FILE), self.folder / "trial.stderr"):
            if file is not None and file.is_file():
                lines = _readable_lines(file.read_bytes().decode(errors="replace"))
                if lines:
                    return "\n".join(lines[-_TAIL:])
        return ""

    def _newest(self, name: str) -> Path | None:
        found = sorted(self.folder.glob(f"*/{name}"), key=lambda file: (_age(file), file))
        return found[-1] if found else None


def _described(file: Path) -> dict[str, Any]:
    """What a run says of itself; empty if that cannot be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _flat(values: Mapping[str, Any], prefix: str) -> dict[str, Setting]:
    """Plain values by dotted name; a list is a text, its items between colons."""
    flat: dict[str, Setting] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            flat[prefix + name] = ":".join(map(str, value))
        else:
            flat[prefix + name] = "none" if value is None else value
    return flat


def origin_of(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Where a result was made, of which its run folder says so much.

    Args:
        folder: of a run.
        names: of what is asked for, as ``provenance`` calls it. Of a run that was gone on with
            elsewhere, or by another commit, all are said.
    """
    found = _described(folder / RECIPE_FILE)
    again = found.get("resumed")
    again = again if isinstance(again, list) else []
    starts = [one for one in (found, *again) if isinstance(one, dict)]
    said = {name: [str(one[name]) for one in starts if name in one] for name in names}
    return {name: "; ".join(dict.fromkeys(words)) for name, words in said.items() if words}


def _readable_lines(text: str) -> list[str]:
    """The lines as a terminal would show them in the end, without progress bars."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.rstrip().split("\n")]
    return [rest for line in lines if (rest := _BAR.sub("", line)).strip() or not line]


def _age(file: Path) -> float:
    return file.stat().st_mtime
