"""``reid-nas``: the project's command line."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

COMMANDS: Mapping[str, str] = {
    "check": "a data set: its counts, cameras and faults",
    "compare": "run an NNI experiment, watch its trials, and end with a table",
    "nnictl": "NNI's own command, kept on this machine",
    "score": "metrics of a file of features, without a network",
    "search": "one search, retraining and test, as a trial does it",
}
"""Command -> what it does; each is a module of this package with a ``main``."""

_MODULES = {name: f"experiments.{name}_command" for name in ("check", "score", "search")}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: command and arguments; by default those of the process.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"reid-nas has no command {name!r}.\n{_usage()}", file=sys.stderr)
        return 2
    command: Callable[[Sequence[str]], int] = import_module(
        _MODULES.get(name, f"experiments.{name}")
    ).main
    return command(rest)


def _usage() -> str:
    lines = [f"  {name:<8}  {words}" for name, words in COMMANDS.items()]
    return "\n".join(["usage: reid-nas COMMAND [ARGUMENTS]", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
