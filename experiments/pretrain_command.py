"""``reid-nas pretrain``: a network learns classes of pictures first, as those of ImageNet.

Its ``best.pt`` is what ``reid-nas train --weights`` begins with.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.run_command import add_network, carried_out, parser_of, settings_of, size
from experiments.score_options import whole

_EXAMPLE = """\
reid-nas pretrain --recipe pretraining --genotype msinet_msmt17 --data classes --out runs/first"""


def main(argv: Sequence[str]) -> int:
    """Pre-train one network.

    Args:
        argv: ``--data FOLDER --recipe NAME (--genotype FILE_OR_NAME | --network PEER) --out
            FOLDER`` and the options that ``--help`` lists.

    Returns:
        0 when the run finished, 1 when it failed (``error.txt`` in its folder then says in a
        sentence why) or was refused, 128 plus the signal's number if interrupted.
    """
    arguments = _parser().parse_args(argv)
    out: Path = arguments.out

    def work() -> None:
        from experiments.diary import Reporter
        from experiments.effects import require_effect
        from experiments.outcome import pretraining_words
        from experiments.pretraining import pretrain
        from experiments.recipes import resolve
        from nas_space.genotype import Genotype

        height, width = arguments.size or (None, None)
        settings = settings_of(
            arguments,
            retrain__network=arguments.network,
            data__height=height,
            data__width=width,
            retrain__epochs=arguments.epochs,
        )
        recipe = resolve(arguments.recipe, settings)
        require_effect(settings, recipe, "pre-training")
        result = pretrain(
            recipe,
            None if arguments.genotype is None else Genotype.load(arguments.genotype),
            arguments.data,
            out,
            Reporter(),
            workers=arguments.workers,
            resume=arguments.resume,
        )
        genotype, peer = arguments.genotype, arguments.network
        network = ["--network", peer] if genotype is None else ["--genotype", genotype]
        print(pretraining_words(result, out, network))

    return carried_out(out, work, resume=arguments.resume)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("pretrain", __doc__, _EXAMPLE)
    add_network(parser)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="with train/CLASS/ and perhaps val/CLASS/",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of the training (default: the recipe's)"
    )
    parser.add_argument(
        "--size", type=size, metavar="HxW", help="of a picture, pixels (default: the recipe's)"
    )
    parser.add_argument(
        "--workers",
        type=whole(0),
        default=4,
        metavar="N",
        help="threads that decode pictures (default: 4)",
    )
    return parser
