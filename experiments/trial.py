"""A trial: one whole search, the retraining of what it found, and the test of that.

NNI starts it as ``python -m experiments.trial --recipe NAME`` with a point of the YAML's search
space, whose keys are field names of the recipe. Without NNI it is ``reid-nas search``.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.config import digest
from experiments.guard import warn_if_unguarded
from experiments.interrupts import Interrupted, raising
from experiments.parameters import next_parameters
from experiments.startup import prepare
from experiments.trials import ERROR_FILE


def main(argv: Sequence[str]) -> int:
    """Run one trial of an NNI experiment, or go on with it.

    ``nnictl resume`` starts an unfinished trial again under its name, with its parameters and its
    output folder: its run folder is the one it left.

    Args:
        argv: ``--recipe NAME``.

    Returns:
        0 when the trial finished, 1 when it failed; ``error.txt`` then says in a sentence why. It
        lies in the run folder, or in ``failed`` beside it if there is no such recipe. 128 plus the
        signal's number where NNI or somebody else stopped it.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments.trial", description=__doc__)
    parser.add_argument("--recipe", required=True, help="name of a recipe")
    arguments = parser.parse_args(argv)
    prepare()
    warn_if_unguarded()
    output = Path(os.environ.get("NNI_OUTPUT_DIR", "."))
    folder = output / "failed"

    def work() -> None:
        nonlocal folder
        import nni

        from experiments.diary import Reporter
        from experiments.recipes import point_of, resolve
        from experiments.run import run

        parameters = next_parameters()
        recipe = resolve(arguments.recipe, parameters)
        folder = output / f"{nni.get_experiment_id()}-{nni.get_trial_id()}-{digest(recipe)}"
        reporter = Reporter(
            nni.report_intermediate_result,
            nni.report_final_result,
            nni.trial.overwrite_intermediate_seq,
        )
        point = point_of(recipe, parameters)
        run(recipe, folder, reporter, point=point, board=output / "tensorboard", resume=True)

    try:
        with raising():
            return guarded_against_tracebacks(work, lambda: folder)
    except Interrupted as interrupt:
        print("Stopped; 'reid-nas nnictl resume' of the experiment goes on.", file=sys.stderr)
        return interrupt.exit_status


def guarded_against_tracebacks(
    work: Callable[[], object], folder: Callable[[], Path | None]
) -> int:
    """Run ``work`` and end with one sentence if it fails, also where that cannot be written.

    Args:
        work: what it returns is dropped.
        folder: asked after a failure where ``error.txt`` goes, None for nowhere; made if need be.

    Returns:
        0, or 1 if it failed.
    """
    try:
        work()
    except (ValueError, OSError) as error:
        words = " ".join(str(error).split())
        if isinstance(error, OSError) and error.errno is not None:  # the system's own few words
            words = (
                f"A file could not be used ({words}): check its folder, its rights and the disk."
            )
    except Exception as error:  # noqa: BLE001 - the last line must be a sentence whatever broke
        traceback.print_exc()
        words = (
            f"The run broke with {type(error).__name__}: {' '.join(str(error).split())} (the"
            " traceback stands above); this is a fault of the program, please report it."
        )
    else:
        return 0
    place = folder()
    if place is not None:
        _save(words, place / ERROR_FILE)
    print(words, file=sys.stderr, flush=True)
    return 1


def _save(words: str, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(words + "\n", encoding="utf-8")
    except OSError as error:
        print(f"{file} could not be written ({error.strerror}).", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
