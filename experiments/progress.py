"""Where a trial stands: the file it keeps for whoever watches, and the time it still needs.

A trial replaces ``progress.json`` in its run folder after every epoch. NNI's own intermediate
metrics cannot say this much: they carry no stage and no time left.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

Stage = Literal["data", "search", "retrain", "test", "done", "stopped", "failed"]

ENDS: tuple[Stage, ...] = ("done", "stopped", "failed")
"""Stages no run leaves."""

PROGRESS_FILE = "progress.json"
RECIPE_FILE = "recipe.json"
EPOCHS_FILE = "epochs.jsonl"
GENOTYPE_FILE = "genotype.json"


def begun(folder: Path) -> bool:
    """Whether a run has finished an epoch in the folder, or a genotype lies there without a run."""
    # os.path: False, not an error, where nobody may look
    epochs = folder / EPOCHS_FILE
    if os.path.exists(epochs) and os.path.getsize(epochs) > 0:
        return True
    return os.path.exists(folder / GENOTYPE_FILE) and not os.path.exists(folder / RECIPE_FILE)


def require_free(folder: Path) -> None:
    """Nothing happens where a run can begin in the folder.

    Raises:
        ValueError: if it holds a run.
    """
    if begun(folder):
        raise ValueError(
            f"The folder {folder.name!r} holds a run already: go on with it by --resume, name"
            " another one, or delete it first."
        )


def failure_in(folder: Path) -> "Progress | None":
    """The last word of a run that failed in the folder, None where none says that it did."""
    try:
        found = Progress.read(folder / PROGRESS_FILE)
    except (OSError, ValueError):
        return None
    return found if found.stage == "failed" else None


@dataclass(frozen=True)
class Progress:
    """One look at a running trial.

    Attributes:
        strategy: name of the search strategy.
        seed: the trial's seed.
        stage: what the trial is doing.
        epoch: epochs of this stage that are finished; of an end, those of the stage that it broke
            off or came after.
        epochs: epochs that stage has in the whole; 0 where it has none.
        retrieval: latest mAP on held-out training identities, a fraction; None before the first.
        seconds_left: for the whole trial, counted from ``updated``; None while unknown.
        updated: when this was written, in seconds since 1970.
    """

    strategy: str
    seed: int
    stage: Stage
    epoch: int = 0
    epochs: int = 0
    retrieval: float | None = None
    seconds_left: float | None = None
    updated: float = field(default_factory=time.time)

    def write(self, folder: Path) -> Path:
        """Replace ``folder/progress.json`` at once: a reader sees the old file or the new one."""
        target = folder / PROGRESS_FILE
        draft = folder / f".{PROGRESS_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        return draft.replace(target)

    @classmethod
    def read(cls, file: Path) -> "Progress":
        """The progress in ``file``; fields it has besides are ignored.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is no progress file.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if found["stage"] not in get_args(Stage):
                raise ValueError(
                    f"stage {found['stage']!r} is none of {', '.join(get_args(Stage))}"
                )
            return cls(**{f.name: found[f.name] for f in fields(cls)})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{file} is no progress file ({error!r}): a JSON object with the fields"
                f" {', '.join(f.name for f in fields(cls))} was needed; delete it."
            ) from error

    def seconds_left_at(self, now: float) -> float | None:
        """``seconds_left`` less the time gone by since, never below zero; None while unknown."""
        if self.seconds_left is None:
            return None
        return max(0.0, self.seconds_left - max(0.0, now - self.updated))


@dataclass(frozen=True)
class Ledger:
    r"""The epochs a trial has planned, and what those behind it have cost.

    .. math:: T = \sum_s (n_s - d_s) \, c_s, \qquad
        c_s = \begin{cases} \text{mean of the last } k \text{ epochs of } s & d_s > 0 \\
        c_m \, w_s / w_m & d_s = 0 \end{cases}

    with ``n`` epochs planned and ``d`` done in stage ``s``, and ``m`` the stage measured last. Only
    the last ``k = 5`` epochs count, as the first of a stage is slower than the rest.

    Attributes:
        planned: ``n``, epochs per stage.
        weight: ``w``, cost of one epoch of a stage relative to the other stages; 1 where not given.
        spent: stage and seconds of every finished epoch, oldest first.
    """

    planned: Mapping[Stage, int]
    weight: Mapping[Stage, float] = field(default_factory=dict)
    spent: tuple[tuple[Stage, float], ...] = ()

    def after(self, stage: Stage, seconds: float) -> "Ledger":
        """The ledger after one more epoch of ``stage`` that took so many seconds.

        Raises:
            ValueError: if the stage is not planned.
        """
        if stage not in self.planned:
            raise ValueError(
                f'An epoch of stage "{stage}" was reported, but only {", ".join(self.planned)}'
                " are planned: name the stage when the ledger is made."
            )
        return Ledger(self.planned, self.weight, (*self.spent, (stage, seconds)))

    def done(self, stage: Stage) -> int:
        """``d``: finished epochs of ``stage``."""
        return sum(s == stage for s, _ in self.spent)

    def behind(self, stage: Stage) -> Stage:
        """The stage whose epochs count: itself, or the one an end broke off or came after.

        That is the first stage with epochs to come, or the last one.
        """
        if stage not in ENDS:
            return stage
        open_ones = [s for s, planned in self.planned.items() if self.done(s) < planned]
        return open_ones[0] if open_ones else [stage, *self.planned][-1]

    def seconds_left(self) -> float | None:
        """``T``; None until the first epoch is measured."""
        if not self.spent:
            return None
        return sum(
            max(0, planned - self.done(stage)) * self._cost(stage)
            for stage, planned in self.planned.items()
        )

    def _cost(self, stage: Stage) -> float:
        recent = [seconds for s, seconds in self.spent if s == stage][-5:]
        if recent:
            return sum(recent) / len(recent)
        measured = self.spent[-1][0]
        return self._cost(measured) * self.weight.get(stage, 1.0) / self.weight.get(measured, 1.0)


def report_progress(
    folder: Path,
    ledger: Ledger,
    *,
    strategy: str,
    seed: int,
    stage: Stage,
    retrieval: float | None = None,
) -> Progress:
    """Write where the trial stands, as the ledger has it, into its run folder.

    Args:
        folder: the run folder.
        ledger: epochs planned and spent so far.
        strategy: name of the search strategy.
        seed: the trial's seed.
        stage: what the trial is doing now.
        retrieval: latest held-out mAP, a fraction, or None.
    """
    counted = ledger.behind(stage)
    progress = Progress(
        strategy=strategy,
        seed=seed,
        stage=stage,
        epoch=ledger.done(counted),
        epochs=ledger.planned.get(counted, 0),
        retrieval=retrieval,
        seconds_left=0.0 if stage in ENDS else ledger.seconds_left(),
    )
    progress.write(folder)
    return progress
