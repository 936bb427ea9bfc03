"""``reid-nas train``: the full training of a known network, and its test."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.run_command import add_network, carried_out, parser_of, settings_of, size


def main(argv: Sequence[str]) -> int:
    """Train one network.

    Args:
        argv: ``--recipe NAME (--genotype FILE_OR_NAME | --network PEER) --out FOLDER`` and the
            options that ``--help`` lists.

    Returns:
        0 when the run finished, 1 when it failed (``error.txt`` in its folder then says in a
        sentence why, unless an earlier run lies there), 128 plus the signal's number if
        interrupted.
    """
    arguments = _parser().parse_args(argv)
    out: Path = arguments.out

    def work() -> None:
        from experiments.diary import Reporter
        from experiments.recipes import resolve
        from experiments.table import table
        from experiments.training_run import genotype_named, run_training

        height, width = arguments.size or (None, None)
        settings = settings_of(
            arguments,
            retrain__network=arguments.network,
            data__name=arguments.source,
            data__target=arguments.target,
            data__height=height,
            data__width=width,
            retrain__epochs=arguments.epochs,
            retrain__alignment__mode=arguments.sam_mode,
        )
        named = arguments.genotype
        result = run_training(
            resolve(arguments.recipe, settings),
            None if named is None else genotype_named(named),
            out,
            Reporter(),
            weights=arguments.weights,
            kind="unsupervised" if arguments.unsupervised else "supervised",
            resume=arguments.resume,
        )
        print(table([result]))

    return carried_out(out, work, resume=arguments.resume)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("train", __doc__)
    add_network(parser)
    parser.add_argument("--source", help="data set to train on")
    parser.add_argument("--target", help="data set to test on; default: the source")
    parser.add_argument("--epochs", type=int, help="of the training")
    parser.add_argument(
        "--sam-mode",
        choices=("none", "pos", "neg", "pos_neg"),
        help="which pairs of pictures are spatially aligned",
    )
    parser.add_argument("--size", type=size, metavar="HxW", help="of a picture, pixels")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="begin with these weights")
    parser.add_argument(
        "--unsupervised",
        action="store_true",
        help="train by clusters of the pictures, without their identities",
    )
    return parser
