"""``reid-nas nnictl ARGS...``: NNI's own command, with its manager kept on this machine.

``create`` first checks what would stop the experiment; every other command is passed on at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.guard import guarded_environment
from experiments.interrupts import Interrupted, raising

# -P keeps the current folder off the module search path, as NNI's console script does.
NNICTL = (sys.executable, "-P", "-m", "nni.tools.nnictl.nnictl")

_PORT = 8080
_NO_PREFLIGHT = "--no-preflight"


def main(argv: Sequence[str]) -> int:
    """Become ``nnictl argv...``: its output, signals and exit status are this command's own.

    Args:
        argv: the arguments after ``nnictl``, passed on as they are but for ``--no-preflight``.

    Returns:
        Only if a check before ``create`` says so: 1 if something stands in its way, 2 if there is
        no such YAML, 128 plus the signal's number if interrupted.
    """
    passed_on = list(argv)
    if passed_on[:1] == ["create"]:
        status = _check(passed_on[1:])
        if status != 0:
            return status
        passed_on = [word for word in passed_on if not _goes_past(word)]
    sys.stdout.flush()
    os.execve(NNICTL[0], [*NNICTL, *passed_on], guarded_environment(os.environ))  # noqa: S606


def _goes_past(word: str) -> bool:
    """Whether ``word`` is ``--no-preflight``, or short for it as argparse has it."""
    return len(word) > len("--") and _NO_PREFLIGHT.startswith(word)


def _check(argv: Sequence[str]) -> int:
    """Check what ``create`` is told to start; what NNI's own parser must refuse is left to it."""
    parser = argparse.ArgumentParser(prog="reid-nas nnictl create", add_help=False)
    parser.add_argument("--config", "-c", type=Path)
    parser.add_argument("--port", "-p", type=int, default=_PORT)
    parser.add_argument(_NO_PREFLIGHT, action="store_true")
    arguments, others = parser.parse_known_args(argv)
    if arguments.no_preflight or arguments.config is None or {"-h", "--help"} & set(others):
        return 0
    from experiments.preflight.examination import passes

    try:
        with raising():
            return passes(arguments.config, arguments.port)
    except Interrupted as interrupt:
        print(f"Stopped by {interrupt}; nothing was started.", file=sys.stderr)
        return interrupt.exit_status
