"""What the commands that run something have in common: their options, and how they end."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import fill, indent
from typing import Any

from experiments.interrupts import Interrupted, raising
from experiments.names import (
    GENOTYPE_NAMES,
    PEER_NAMES,
    RECIPE_NAMES,
    genotype_name,
    peer_name,
    recipe_name,
)
from experiments.presets import PRESETS
from experiments.progress import RECIPE_FILE, failure_in, require_free
from experiments.startup import prepare
from experiments.trial import guarded_against_tracebacks


def _listed(names: Iterable[str]) -> str:
    return indent(fill(", ".join(names), 76), "  ")


_KNOWN = f"""recipes (fields and defaults: experiments/recipe.py):
{_listed(RECIPE_NAMES)}
presets, for --set preset=A or preset=A+B:
{_listed(PRESETS)}"""

_NETWORKS = f"""
genotypes known by name:
{_listed(GENOTYPE_NAMES)}
peers:
{_listed(PEER_NAMES)}"""


def parser_of(command: str, description: str, example: str) -> argparse.ArgumentParser:
    """With a recipe, fields of it, a folder, and whether to go on in it.

    Args:
        command: name of the command.
        description: of it, the docstring of its module.
        example: a command line that works.
    """
    parser = argparse.ArgumentParser(
        prog=f"reid-nas {command}",
        description=description.replace("``", "'"),
        epilog=f"example:\n  {example}\n\n{_KNOWN}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--recipe", type=recipe_name, required=True, metavar="RECIPE", help="one of those below"
    )
    parser.add_argument(
        "--set",
        action="append",
        nargs="+",
        default=[],
        metavar="FIELD=VALUE",
        help="set a field of the recipe by its dotted name, as retrain.epochs=20, or a preset;"
        " it wins over an option of the field's own",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="gets all files of the run"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run that lies in the run folder"
    )
    return parser


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which network is trained: one of the two options has to be given."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--genotype",
        type=genotype_name,
        metavar="FILE_OR_NAME",
        help="train MSINet with this genotype: the genotype.json of a search, or a name below",
    )
    which.add_argument(
        "--network",
        type=peer_name,
        metavar="PEER",
        help="train a known network, one of those below",
    )
    parser.epilog = f"{parser.epilog}{_NETWORKS}"


def settings_of(arguments: argparse.Namespace, **fields: Any) -> dict[str, Any]:
    """Fields of the recipe that were set; those by ``--set`` win.

    Args:
        arguments: of a parser of ``parser_of``.
        fields: dotted name, with ``__`` for the point -> value of an option of its own, or None.

    Raises:
        ValueError: if a setting names no value.
    """
    own = {name.replace("__", "."): value for name, value in fields.items() if value is not None}
    return own | _pairs([setting for group in arguments.set for setting in group])


def carried_out(out: Path, work: Callable[[], None], *, resume: bool) -> int:
    """Do the work of a command in its run folder.

    Args:
        out: the run folder.
        work: prints what came of it.
        resume: whether an earlier run in the folder is gone on with.

    Returns:
        0 when it finished, 1 when it failed, 128 plus the signal's number if interrupted. A run
        that had begun says in ``error.txt`` too why it failed; one that was refused leaves the
        folder as it was.
    """
    before = failure_in(out)
    prepare()

    def worked() -> None:
        if not resume:
            require_free(out)
        work()

    try:
        with raising():
            return guarded_against_tracebacks(
                worked, lambda: None if failure_in(out) == before else out
            )
    except Interrupted as interrupt:
        begun = (out / RECIPE_FILE).is_file()
        done = f"--resume goes on with {out}" if begun else "nothing was done yet"
        print(f"Stopped; {done}.", file=sys.stderr)
        return interrupt.exit_status


def size(text: str) -> tuple[int, int]:
    """Height and width of ``256x128``, for argparse."""
    found = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size: write height x width in pixels, as in 256x128."
        )
    return int(found[1]), int(found[2])


def _pairs(settings: Sequence[str]) -> dict[str, Any]:
    """``FIELD=VALUE`` texts as a mapping."""
    pairs: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting!r} names no value: write FIELD=VALUE.")
        pairs[name] = value
    return pairs
