"""``reid-nas``: the project's command line."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from experiments.names import meant

COMMANDS: Mapping[str, str] = {
    "check": "a data set: its counts, cameras and faults",
    "compare": "run an NNI experiment, watch its trials, and end with a table",
    "cost": "parameters, multiply-adds and latency of a network",
    "evaluate": "a trained network on any data sets, with ranked lists to look at",
    "export": "a file for production, whose scores are checked",
    "nnictl": "NNI's own command, kept on this machine",
    "pretrain": "classification, for weights to begin with",
    "score": "metrics of a file of features, without a network",
    "search": "one search, retraining and test, as a trial does it",
    "train": "a genotype or a peer from scratch or from weights, and its test",
}
"""Command -> what it does; each is a module of this package with a ``main``."""

_MODULES = {
    name: f"experiments.{name}_command" for name in COMMANDS if name not in ("compare", "nnictl")
}


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
        print(
            f"reid-nas has no command {name!r}: {meant(name, list(COMMANDS))}'reid-nas --help'"
            " lists all.",
            file=sys.stderr,
        )
        return 2
    command: Callable[[Sequence[str]], int] = import_module(
        _MODULES.get(name, f"experiments.{name}")
    ).main
    return command(rest)


def _usage() -> str:
    lines = [f"  {name:<8}  {words}" for name, words in COMMANDS.items()]
    more = ["'reid-nas COMMAND --help' says more of one."]
    return "\n".join(["usage: reid-nas COMMAND [ARGUMENTS]", "", *lines, "", *more])


if __name__ == "__main__":
    sys.exit(main())
