"""``reid-nas search``: one search, retraining and test without a manager."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.interrupts import Interrupted, raising
from experiments.progress import begun
from experiments.startup import prepare
from experiments.trial import guarded_against_tracebacks
from experiments.trials import ERROR_FILE


def main(argv: Sequence[str]) -> int:
    """Run one recipe.

    Args:
        argv: ``--recipe NAME [--set FIELD=VALUE ...] --out FOLDER [--resume]``.

    Returns:
        0 when the run finished, 1 when it failed (``error.txt`` in its folder then says in a
        sentence why, unless an earlier run lies there), 128 plus the signal's number if
        interrupted.
    """
    parser = argparse.ArgumentParser(prog="reid-nas search", description=__doc__)
    parser.add_argument("--recipe", required=True, help="name of a recipe")
    parser.add_argument(
        "--set",
        action="append",
        nargs="+",
        default=[],
        metavar="FIELD=VALUE",
        help="set a field of the recipe by its dotted name",
    )
    parser.add_argument("--out", type=Path, required=True, help="the run folder")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run that lies in the run folder"
    )
    arguments = parser.parse_args(argv)
    out: Path = arguments.out
    settings = [setting for group in arguments.set for setting in group]
    used = begun(out) and not arguments.resume
    prepare()

    def work() -> None:
        if not used:
            (out / ERROR_FILE).unlink(missing_ok=True)
        from experiments.diary import Reporter
        from experiments.recipes import resolve
        from experiments.run import run
        from experiments.table import table

        recipe = resolve(arguments.recipe, _pairs(settings))
        print(table([run(recipe, out, Reporter(), resume=arguments.resume)]))

    try:
        with raising():
            return guarded_against_tracebacks(work, lambda: None if used else out)
    except Interrupted as interrupt:
        done = f"--resume goes on with {out}" if out.is_dir() else "nothing was done yet"
        print(f"Stopped; {done}.", file=sys.stderr)
        return interrupt.exit_status


def _pairs(settings: Sequence[str]) -> dict[str, Any]:
    """``FIELD=VALUE`` texts as a mapping."""
    pairs: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting!r} names no value: write FIELD=VALUE.")
        pairs[name] = value
    return pairs
