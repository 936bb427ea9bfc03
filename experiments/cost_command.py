"""``reid-nas cost``: parameters, multiply-adds, and the time of a forward pass on this machine."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.command import parser_of, told
from experiments.run_command import size
from experiments.score_options import add_device, whole

_DESCRIPTION = """\
Says what a network costs: counts, which hold anywhere, and times, which are this machine's.

parameters            all of the network's; identity classifiers are no part of it
parameters_inference  those that the feature depends on: 'pooled' needs no neck
macs                  multiply-adds of one image, those of the necks included
latency_ms            of a batch: median over rounds in which the network and torchvision's
                      ResNet-50 take turns, in float32 and channels-last order, not compiled
slowdown              how many times as long as that ResNet-50 it takes: median of the ratios
                      within a round
"""


def main(argv: Sequence[str]) -> int:
    """Measure one network.

    Args:
        argv: which network, and the options of ``--help``.

    Returns:
        0, 1 if there is no such network or the result cannot be written, 128 plus the signal's
        number if interrupted. A wrong command line ends the process with status 2.
    """
    arguments = _parser().parse_args(argv)

    def work() -> None:
        from experiments.cost_run import Request, run
        from nas_space.speed import keep_large_blocks

        keep_large_blocks()
        run(
            Request(
                genotype=arguments.genotype,
                network=arguments.network,
                checkpoint=arguments.checkpoint,
                feature=arguments.feature,
                size=arguments.size,
                batches=tuple(sorted(set(arguments.batch))),
                rounds=arguments.rounds,
                threads=arguments.threads,
                device=arguments.device,
                json=arguments.json,
            )
        )

    return told(work)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("cost", _DESCRIPTION)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--genotype", metavar="FILE_OR_NAME", help="MSINet with this genotype, untrained"
    )
    which.add_argument("--network", metavar="PEER", help="another network by its name, untrained")
    which.add_argument("--checkpoint", type=Path, metavar="FILE", help="what a training wrote")
    add = parser.add_argument
    add(
        "--size",
        type=size,
        metavar="HxW",
        help="of an image, pixels (default: 256x128, or the checkpoint's)",
    )
    add(
        "--feature",
        choices=("pooled", "normalised"),
        help="that describes an image (default: pooled, or the checkpoint's)",
    )
    add("--batch", type=whole(1), nargs="+", default=[1, 32], help="images at a time (1 32)")
    add("--rounds", type=whole(1), default=5, help="whose median is taken (default: 5)")
    add("--threads", type=whole(1), help="of the processor (default: torch's own)")
    add_device(parser)
    add("--json", type=Path, metavar="FILE", help="write all of it there too")
    return parser
