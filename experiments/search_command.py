"""``reid-nas search``: one search, retraining and test without a manager."""

from collections.abc import Sequence
from pathlib import Path

from experiments.run_command import carried_out, parser_of, settings_of


def main(argv: Sequence[str]) -> int:
    """Run one recipe.

    Args:
        argv: ``--recipe NAME [--set FIELD=VALUE ...] --out FOLDER [--resume]``.

    Returns:
        0 when the run finished, 1 when it failed (``error.txt`` in its folder then says in a
        sentence why, unless an earlier run lies there), 128 plus the signal's number if
        interrupted.
    """
    arguments = parser_of("search", __doc__).parse_args(argv)
    out: Path = arguments.out

    def work() -> None:
        from experiments.diary import Reporter
        from experiments.recipes import resolve
        from experiments.run import run
        from experiments.table import table

        recipe = resolve(arguments.recipe, settings_of(arguments))
        print(table([run(recipe, out, Reporter(), resume=arguments.resume)]))

    return carried_out(out, work, resume=arguments.resume)
