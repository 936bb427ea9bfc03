"""``reid-nas search``: one search, retraining and test without a manager."""

from collections.abc import Sequence
from pathlib import Path

from experiments.run_command import carried_out, parser_of, settings_of

_EXAMPLE = "reid-nas search --recipe quickstart --set strategy=darts seed=1 --out runs/darts-1"


def main(argv: Sequence[str]) -> int:
    """Run one recipe.

    Args:
        argv: ``--recipe NAME [--set FIELD=VALUE ...] --out FOLDER [--resume]``.

    Returns:
        0 when the run finished, 1 when it failed (``error.txt`` in its folder then says in a
        sentence why) or was refused, 128 plus the signal's number if interrupted.
    """
    arguments = parser_of("search", __doc__, _EXAMPLE).parse_args(argv)
    out: Path = arguments.out

    def work() -> None:
        from experiments.diary import Reporter
        from experiments.outcome import run_words
        from experiments.recipes import point_of, resolve
        from experiments.run import run

        settings = settings_of(arguments)
        recipe = resolve(arguments.recipe, settings)
        point = point_of(recipe, settings)
        result = run(recipe, out, Reporter(), point=point, resume=arguments.resume)
        print(run_words(result, out, called="strategy"))

    return carried_out(out, work, resume=arguments.resume)
