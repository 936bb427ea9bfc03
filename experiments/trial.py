"""A trial: one whole search, the retraining of what it found, and the test of that.

NNI starts it as ``python -m experiments.trial --recipe NAME`` with a point of the YAML's search
space, whose keys are field names of the recipe. Without NNI it is ``reid-nas search``.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.config import digest, override
from experiments.guard import warn_if_unguarded
from experiments.startup import prepare
from experiments.trials import ERROR_FILE


def main(argv: Sequence[str]) -> int:
    """Run one trial of an NNI experiment.

    Args:
        argv: ``--recipe NAME``.

    Returns:
        0 when the trial finished, 1 when it failed; the last line of the run folder's
        ``error.txt`` then says in a sentence why.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments.trial", description=__doc__)
    parser.add_argument("--recipe", required=True, help="name of a recipe")
    arguments = parser.parse_args(argv)
    prepare()
    warn_if_unguarded()
    folder = Path(os.environ.get("NNI_OUTPUT_DIR", "."))
    return guarded_against_tracebacks(lambda: _run(arguments.recipe, folder), folder)


def _run(name: str, output: Path) -> None:
    import nni

    from experiments.recipes import recipe_named
    from experiments.run import Reporter, run

    parameters: dict[str, Any] = nni.get_next_parameter() or {}
    recipe = override(recipe_named(name), parameters)
    folder = output / f"{nni.get_experiment_id()}-{nni.get_trial_id()}-{digest(recipe)}"
    reporter = Reporter(nni.report_intermediate_result, nni.report_final_result)
    run(recipe, folder, reporter)


def guarded_against_tracebacks(work: Any, folder: Path) -> int:
    """Run ``work`` and end with one sentence if it fails.

    Args:
        work: takes nothing; what it returns is dropped.
        folder: where ``error.txt`` goes, unless a run folder in it has one already.

    Returns:
        0, or 1 if it failed.
    """
    try:
        work()
    except (ValueError, OSError) as error:
        words = " ".join(str(error).split())
    except Exception as error:  # noqa: BLE001 - the last line must be a sentence whatever broke
        traceback.print_exc()
        words = (
            f"The run broke with {type(error).__name__}: {' '.join(str(error).split())} (the"
            " traceback stands above); this is a fault of the program, please report it."
        )
    else:
        return 0
    print(words, file=sys.stderr, flush=True)
    if not list(folder.glob(f"*/{ERROR_FILE}")):
        failed = folder / "failed"
        failed.mkdir(parents=True, exist_ok=True)
        (failed / ERROR_FILE).write_text(words + "\n", encoding="utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
