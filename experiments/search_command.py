"""``reid-nas search``: one search, retraining and test without a manager."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.config import override
from experiments.interrupts import Interrupted, raising
from experiments.startup import prepare
from experiments.trial import guarded_against_tracebacks
from experiments.trials import ERROR_FILE


def main(argv: Sequence[str]) -> int:
    """Run one recipe.

    Args:
        argv: ``--recipe NAME [--set FIELD=VALUE ...] --out FOLDER``.

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
    arguments = parser.parse_args(argv)
    out: Path = arguments.out
    settings = [setting for group in arguments.set for setting in group]
    used = os.path.exists(out / "recipe.json")  # False, not an error, where nobody may look
    prepare()

    def work() -> None:
        if not used:
            (out / ERROR_FILE).unlink(missing_ok=True)
        from experiments.recipes import recipe_named
        from experiments.run import Reporter, run
        from experiments.table import table

        recipe = override(recipe_named(arguments.recipe), _pairs(settings))
        print(table([run(recipe, out, Reporter())]))

    try:
        with raising():
            return guarded_against_tracebacks(work, lambda: None if used else out)
    except Interrupted as interrupt:
        done = f"what was done so far lies in {out}" if out.is_dir() else "nothing was done yet"
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
