"""What the commands that run something have in common: their options, and how they end."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.interrupts import Interrupted, raising
from experiments.progress import begun
from experiments.startup import prepare
from experiments.trial import guarded_against_tracebacks
from experiments.trials import ERROR_FILE


def parser_of(command: str, description: str | None) -> argparse.ArgumentParser:
    """With a recipe, fields of it, a folder, and whether to go on in it."""
    parser = argparse.ArgumentParser(prog=f"reid-nas {command}", description=description)
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
    return parser


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which network is trained: one of the two options has to be given."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--genotype", metavar="FILE_OR_NAME", help="train MSINet with this genotype")
    which.add_argument("--network", metavar="PEER", help="train a known network, as resnet50")


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
        0 when it finished, 1 when it failed (``error.txt`` in the folder then says in a sentence
        why, unless an earlier run lies there), 128 plus the signal's number if interrupted.
    """
    used = begun(out) and not resume
    prepare()

    def worked() -> None:
        if not used:
            (out / ERROR_FILE).unlink(missing_ok=True)
        work()

    try:
        with raising():
            return guarded_against_tracebacks(worked, lambda: None if used else out)
    except Interrupted as interrupt:
        done = f"--resume goes on with {out}" if out.is_dir() else "nothing was done yet"
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
