"""``reid-nas nnictl ARGS...``: NNI's own command, with its manager kept on this machine."""

import os
import sys
from collections.abc import Sequence

from experiments.guard import guarded_environment

# -P keeps the current folder off the module search path, as NNI's console script does.
NNICTL = (sys.executable, "-P", "-m", "nni.tools.nnictl.nnictl")


def main(argv: Sequence[str]) -> int:
    """Become ``nnictl argv...``: its output, signals and exit status are this command's own.

    Args:
        argv: the arguments after ``nnictl``, passed on unread.
    """
    sys.stdout.flush()
    os.execve(NNICTL[0], [*NNICTL, *argv], guarded_environment(os.environ))  # noqa: S606
