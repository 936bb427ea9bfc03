"""What every run has in common: a folder of its own, and a word on how it ended."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from experiments.device import ask_for_repeatable_kernels, device_of, use_threads
from experiments.diary import Diary, Reporter
from experiments.earlier import (
    RETRAIN_STATE,
    Earlier,
    alone_in,
    finished,
    read_earlier,
    refuse_other_plan,
)
from experiments.first_weights import WEIGHTS_FILE
from experiments.interrupts import Interrupted
from experiments.plan import Plan
from experiments.progress import (
    GENOTYPE_FILE,
    PROGRESS_FILE,
    RECIPE_FILE,
    Progress,
    require_free,
)
from experiments.train import course_of
from experiments.trials import ERROR_FILE

R = TypeVar("R")

_SAID_FIRST = (RECIPE_FILE, GENOTYPE_FILE, WEIGHTS_FILE, "network.svg")
"""What a run writes before its first epoch."""


def carry_out(
    plan: Plan,
    folder: Path,
    reporter: Reporter,
    *,
    way: Callable[[Diary], R],
    again: Callable[[Path], R],
    board: Path | None = None,
    resume: bool = False,
) -> R:
    """Go the way in its folder, which nobody else uses meanwhile.

    Args:
        plan: of the run.
        folder: gets all files, as the README lists them; made here.
        reporter: told of metrics.
        way: the run itself; it goes on with what the diary says of an earlier one.
        again: reads the result of a finished run, and reports it once more.
        board: gets TensorBoard's files; by default ``tensorboard`` in the run folder.
        resume: go on with what the folder holds, if anything; a finished run is not run again.

    Raises:
        ValueError: if the data or the recipe is not as needed, or the folder holds a run already
            and is not to be resumed, a run of another plan, or one that is running.
    """
    if not resume:
        require_free(folder)
    if not finished(folder):
        course_of(plan.recipe)  # refuses now what the device cannot do after a long search
    with alone_in(folder):
        if resume and finished(folder):
            refuse_other_plan(folder, plan)
            result = again(folder)
            _bring_to_its_end(folder)
            return result
        _clear(folder, goes_on=resume)
        earlier = read_earlier(folder, plan) if resume else Earlier()
        use_threads(plan.recipe)
        ask_for_repeatable_kernels(device_of(plan.recipe))
        diary = Diary(folder, plan, reporter, board or folder / "tensorboard", earlier)
        try:
            return way(diary)
        except (KeyboardInterrupt, Interrupted):
            diary.enter("stopped")
            raise
        except BaseException:
            diary.enter("failed")
            raise


def _clear(folder: Path, *, goes_on: bool) -> None:
    """Remove what a killed run was writing, and what it said unless the new one goes on with it."""
    for draft in folder.glob(".draft_*"):
        shutil.rmtree(draft)
    for draft in folder.glob(f".{PROGRESS_FILE}.*"):
        draft.unlink()
    if not goes_on and (folder / RECIPE_FILE).exists():
        for name in _SAID_FIRST:
            (folder / name).unlink(missing_ok=True)


def _bring_to_its_end(folder: Path) -> None:
    """Do what a finished run that was killed left undone behind its result."""
    (folder / ERROR_FILE).unlink(missing_ok=True)
    progress = Progress.read(folder / PROGRESS_FILE)
    if progress.stage != "done":
        (folder / RETRAIN_STATE).unlink(missing_ok=True)
        replace(progress, stage="done", seconds_left=0.0).write(folder)
