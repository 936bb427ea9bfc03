"""What a broken-off run had finished, read from its folder.

An epoch's line is written before the epoch's checkpoint. Lines beyond the checkpoint belong to an
epoch that will be run again; they are left out, as is a line cut short.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from evaluators.epoch_report import EpochReport, TrainingEpoch
from evaluators.state import finished_epochs
from experiments.plan import Plan
from experiments.progress import EPOCHS_FILE, RECIPE_FILE, Stage
from experiments.table import RESULT_FILE
from experiments.unsupervised import UnsupervisedEpoch

SEARCH_STATE = "search.pt"
RETRAIN_STATE = "retrain.pt"
_LOCK = ".lock"

E = TypeVar("E", EpochReport, TrainingEpoch)


@dataclass(frozen=True)
class Earlier:
    """What a broken-off run had finished.

    Attributes:
        search: reports of the epochs behind the search's checkpoint.
        retrain: the epochs behind the retraining's.
    """

    search: tuple[EpochReport, ...] = ()
    retrain: tuple[TrainingEpoch, ...] = ()

    @property
    def seconds(self) -> float:
        """What these epochs took."""
        return sum(e.seconds for e in self.search) + sum(e.seconds for e in self.retrain)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else runs in the folder meanwhile; the system lets go of it whatever ends us.

    Raises:
        ValueError: if somebody does already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"A run in the folder {folder.name!r} is still going on: wait for its end, or end"
                " it first."
            ) from error
        yield


def finished(folder: Path) -> bool:
    """Whether the folder holds a run that came to its end."""
    return (folder / RESULT_FILE).is_file()


def read_earlier(folder: Path, plan: Plan) -> Earlier:
    """What the run in the folder had finished; nothing where there is no run.

    Raises:
        ValueError: if the folder holds a run of another plan, or one that cannot be read.
    """
    if not (folder / RECIPE_FILE).exists():
        if (folder / SEARCH_STATE).exists() or (folder / RETRAIN_STATE).exists():
            raise ValueError(
                f"The folder {folder.name!r} holds a run without its {RECIPE_FILE}: delete it and"
                " start anew."
            )
        return Earlier()
    refuse_other_plan(folder, plan)
    lines = _lines(folder / EPOCHS_FILE)
    kind = UnsupervisedEpoch if plan.given.get("training") == "unsupervised" else TrainingEpoch
    return Earlier(
        _epochs(lines, EpochReport, "search", finished_epochs(folder / SEARCH_STATE)),
        _epochs(lines, kind, "retrain", finished_epochs(folder / RETRAIN_STATE)),
    )


def refuse_other_plan(folder: Path, plan: Plan) -> None:
    """Nothing happens where the folder's run is of this plan.

    Raises:
        ValueError: if it is of another, or cannot be read.
    """
    try:
        found = _fields(json.loads((folder / RECIPE_FILE).read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{RECIPE_FILE} of the folder {folder.name!r} cannot be read ({type(error).__name__}):"
            " delete the folder and start anew."
        ) from error
    wanted = _fields(json.loads(json.dumps(plan.settings)))
    names = [n for n in {**found, **wanted} if found.get(n, _ABSENT) != wanted.get(n, _ABSENT)]
    if names:
        raise ValueError(
            f"The folder {folder.name!r} holds a run that differs in {', '.join(sorted(names))}:"
            " go on with the settings it was started with, or name another folder."
        )


_ABSENT = object()


def _fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names of the recipe's fields, and of what was given besides it."""
    return _flat(content["recipe"]) | _flat(content.get("given", {}), "given.")


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        inside = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{name}.") if inside else {prefix + name: value}
    return flat


def _lines(file: Path) -> list[dict[str, Any]]:
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break  # cut short when the run was killed; its epoch has no checkpoint
    return lines


def _epochs(
    lines: list[dict[str, Any]], kind: type[E], stage: Stage, checkpointed: int
) -> tuple[E, ...]:
    names = [f.name for f in fields(kind)]
    found = {
        line["epoch"]: kind(**{name: line[name] for name in names})
        for line in lines
        if line["stage"] == stage and line["epoch"] <= checkpointed
    }
    if sorted(found) != list(range(1, checkpointed + 1)):
        raise ValueError(
            f"{EPOCHS_FILE} lacks epochs of the {stage} that are behind the checkpoint: delete the"
            " run folder and start anew."
        )
    return tuple(found[epoch] for epoch in sorted(found))
