"""What every run has in common: a folder of its own, and a word on how it ended."""

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
from experiments.interrupts import Interrupted
from experiments.plan import Plan
from experiments.progress import PROGRESS_FILE, RECIPE_FILE, Progress, begun
from experiments.train import course_of

R = TypeVar("R")


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
    if not resume and begun(folder):
        raise ValueError(
            f"The folder {folder.name!r} holds a run already: go on with it by --resume, name"
            " another one, or delete it first."
        )
    with alone_in(folder):
        if resume and finished(folder):
            refuse_other_plan(folder, plan)
            result = again(folder)
            _bring_to_its_end(folder)
            return result
        if not resume:
            (folder / RECIPE_FILE).unlink(missing_ok=True)  # of a run that never began
        earlier = read_earlier(folder, plan) if resume else Earlier()
        use_threads(plan.recipe)
        ask_for_repeatable_kernels(device_of(plan.recipe))
        course_of(plan.recipe)  # refuses now what the device cannot do after a long search
        diary = Diary(folder, plan, reporter, board or folder / "tensorboard", earlier)
        try:
            return way(diary)
        except (KeyboardInterrupt, Interrupted):
            diary.enter("stopped")
            raise
        except BaseException:
            diary.enter("failed")
            raise


def _bring_to_its_end(folder: Path) -> None:
    """Do what a finished run that was killed left undone behind its result."""
    progress = Progress.read(folder / PROGRESS_FILE)
    if progress.stage != "done":
        (folder / RETRAIN_STATE).unlink(missing_ok=True)
        replace(progress, stage="done", seconds_left=0.0).write(folder)
