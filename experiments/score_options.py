"""Options that every command has which scores features."""

import argparse
from collections.abc import Callable, Mapping
from types import MappingProxyType

RERANKING: Mapping[str, float] = MappingProxyType({"k1": 20, "k2": 6, "lambda": 0.3})
"""As in Zhong et al., CVPR 2017."""


def add_reranking(parser: argparse.ArgumentParser) -> None:
    """``--rerank`` and its parameters."""
    add = parser.add_argument
    add("--rerank", action="store_true", help="score after k-reciprocal re-ranking as well")
    add("--k1", type=whole(1), help="nearest pictures that are compared (default: 20)")
    add("--k2", type=whole(1), help="nearest pictures that are averaged (default: 6)")
    add("--lambda", type=_share, help="weight of the plain distance (default: 0.3)")


def reranking_of(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> dict[str, float] | None:
    """The parameters that were asked for, or None for no re-ranking."""
    given = {name: value for name in RERANKING if (value := vars(arguments)[name]) is not None}
    if arguments.rerank:
        return dict(RERANKING) | given
    if given:
        parser.error(f"--{next(iter(given))} does nothing without --rerank")
    return None


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="default: a GPU if any",
    )


def whole(smallest: int) -> Callable[[str], int]:
    """Reads a whole number from ``smallest`` on."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = smallest - 1
        if value < smallest:
            raise argparse.ArgumentTypeError(
                f"{text!r} was given and a whole number from {smallest} is needed"
            )
        return value

    return number


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} was given and a number in [0, 1] is needed")
    return value
