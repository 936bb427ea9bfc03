"""What the commands without a run folder have in common: their parser, and how they end."""

import argparse
import sys
from collections.abc import Callable

from experiments.interrupts import Interrupted, raising
from experiments.trial import guarded_against_tracebacks


def parser_of(command: str, description: str) -> argparse.ArgumentParser:
    """Shows the lines of the description as they are."""
    return argparse.ArgumentParser(
        prog=f"reid-nas {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def step(words: str) -> None:
    """Say what begins and takes a while; in a log too, where bars are seldom seen."""
    print(words, file=sys.stderr, flush=True)


def told(work: Callable[[], int | None], *, stopped: str = "") -> int:
    """Do the work of a command, and end with one sentence if it fails or is interrupted.

    Args:
        work: prints what came of it; gives an exit status, or None for 0.
        stopped: what else is said of an interrupted one.

    Returns:
        What the work gave, 1 if it failed, 128 plus the signal's number if interrupted.
    """
    status: int | None = None

    def worked() -> None:
        nonlocal status
        status = work()

    try:
        with raising():
            return guarded_against_tracebacks(worked, lambda: None) or status or 0
    except Interrupted as interrupt:
        print(f"Stopped by {interrupt}{stopped}.", file=sys.stderr)
        return interrupt.exit_status
