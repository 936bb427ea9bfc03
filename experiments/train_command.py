"""``reid-nas train``: the full training of a known network, and its test."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.command import step
from experiments.run_command import add_network, carried_out, parser_of, settings_of, size

_EXAMPLE = "reid-nas train --recipe quickstart --genotype msinet_msmt17 --out runs/published"


def main(argv: Sequence[str]) -> int:
    """Train one network.

    Args:
        argv: ``--recipe NAME (--genotype FILE_OR_NAME | --network PEER) --out FOLDER`` and the
            options that ``--help`` lists.

    Returns:
        0 when the run finished, 1 when it failed (``error.txt`` in its folder then says in a
        sentence why) or was refused, 128 plus the signal's number if interrupted.
    """
    arguments = _parser().parse_args(argv)
    out: Path = arguments.out

    def work() -> None:
        from experiments.diary import Reporter
        from experiments.effects import RunKind, require_effect
        from experiments.outcome import run_words
        from experiments.recipes import point_of, resolve
        from experiments.training_run import run_training
        from nas_space.genotype import Genotype

        height, width = arguments.size or (None, None)
        settings = settings_of(
            arguments,
            retrain__network=arguments.network,
            data__name=arguments.source,
            data__targets=arguments.target,
            data__height=height,
            data__width=width,
            retrain__epochs=arguments.epochs,
            retrain__alignment__mode=arguments.sam_mode,
        )
        named = arguments.genotype
        recipe = resolve(arguments.recipe, settings)
        kind: RunKind = "training without labels" if arguments.unsupervised else "training"
        require_effect(settings, recipe, kind)
        if arguments.unsupervised and arguments.weights is None:
            step(
                "No --weights: groups of what an untrained network sees are those of chance; begin"
                " with weights that retrieve a little."
            )
        result = run_training(
            recipe,
            None if named is None else Genotype.load(named),
            out,
            Reporter(),
            weights=arguments.weights,
            kind="unsupervised" if arguments.unsupervised else "supervised",
            point=point_of(recipe, settings),
            resume=arguments.resume,
        )
        print(run_words(result, out, called="network"))

    return carried_out(out, work, resume=arguments.resume)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("train", __doc__, _EXAMPLE)
    add_network(parser)
    parser.add_argument(
        "--source", metavar="DATA", help="data set to train on (default: the recipe's)"
    )
    parser.add_argument(
        "--target",
        nargs="+",
        action="extend",
        metavar="DATA",
        help="data sets to test on, each under its own protocol (default: the recipe's, which of"
        " *_cross_domain are others than the source, and of the rest the source)",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of the training (default: the recipe's)"
    )
    parser.add_argument(
        "--sam-mode",
        choices=("none", "pos", "neg", "pos_neg"),
        help="which pairs of pictures are spatially aligned (default: the recipe's)",
    )
    parser.add_argument(
        "--size", type=size, metavar="HxW", help="of a picture, pixels (default: the recipe's)"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="begin with these weights (default: random ones)",
    )
    parser.add_argument(
        "--unsupervised",
        action="store_true",
        help="train by clusters of the pictures, without their identities",
    )
    return parser
