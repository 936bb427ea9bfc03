"""``reid-nas evaluate``: what a network or its exported file scores, and what it looks like."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.command import parser_of, told
from experiments.score_options import add_device, add_reranking, reranking_of, whole

_DESCRIPTION = """\
Embeds query and gallery of one or more data sets with a trained network and scores them by cosine
similarity: mAP, CMC and mINP, each data set under its own protocol.

A file that 'reid-nas export' wrote is scored as it is, in its own runtime on the processor.

--data may be given several times:
  NAME=ROOT  a data set of the catalog (NAME:FOLDER as well), and the folder that holds it
  NAME       the same, below $REID_DATA_ROOT; embedded data sets need none
  PATH       a folder in any known layout, or a CSV manifest
With several, FILE.csv becomes FILE_NAME.csv for each, and pages lie in DIR/NAME.
"""

_LOOKS = {
    "queries": "--gallery-html or --maps-html",
    "count": "--gallery-html or --maps-html",
    "ranks": "--gallery-html",
}
"""Option -> what it does nothing without."""


def main(argv: Sequence[str]) -> int:
    """Evaluate one network.

    Args:
        argv: ``--checkpoint FILE``, ``--data`` and the options of ``--help``.

    Returns:
        0, 1 if a data set cannot be scored or a result not be written (what was finished before is
        printed and written), 128 plus the signal's number if interrupted. A wrong command line
        ends the process with status 2.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    reranking = reranking_of(parser, arguments)
    _refuse_idle(parser, arguments)

    def work() -> int:
        from experiments.evaluate_pages import Looks
        from experiments.evaluate_places import Places
        from experiments.evaluate_run import Request, run
        from experiments.evaluate_targets import targets_of
        from nas_space.speed import keep_large_blocks

        keep_large_blocks()
        targets = targets_of(arguments.data)
        looks = {name: value for name in _LOOKS if (value := vars(arguments)[name]) is not None}
        request = Request(
            checkpoint=arguments.checkpoint,
            targets=targets,
            places=Places(
                targets,
                json=arguments.json,
                per_query=arguments.per_query,
                features=arguments.features,
                gallery_html=arguments.gallery_html,
                maps_html=arguments.maps_html,
            ),
            feature=arguments.feature,
            flip=arguments.flip,
            reranking=reranking,
            batch_size=arguments.batch_size,
            device=arguments.device,
            cached=arguments.cache,
            maps_against=arguments.maps_against,
            thresholds=arguments.thresholds,
            looks=Looks(**looks),
        )
        return run(request)

    return told(work)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("evaluate", _DESCRIPTION)
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="best.pt, or what export wrote",
    )
    add("--data", action="append", required=True, metavar="NAME=ROOT", help="what is searched")
    add(
        "--feature",
        choices=("pooled", "normalised"),
        help="what describes a picture (default: what the file says)",
    )
    add("--flip", action="store_true", help="mean of a picture's features and its mirror image's")
    add_reranking(parser)
    add(
        "--thresholds",
        action="store_true",
        help="exported file: also say what its thresholds accept of these pictures",
    )
    add("--json", type=Path, metavar="FILE", help="write the scores, as fractions in [0, 1]")
    add("--per-query", type=Path, metavar="FILE.csv", help="write the scores of every query")
    add("--features", type=Path, metavar="FILE.npz", help="write the features, for 'score'")
    add("--gallery-html", type=Path, metavar="DIR", help="write a page of ranked lists there")
    add("--maps-html", type=Path, metavar="DIR", help="write a page of activation maps there")
    add(
        "--maps-against",
        type=Path,
        metavar="FILE",
        help="another checkpoint, whose maps stand beside",
    )
    add(
        "--queries",
        choices=("worst", "best", "random"),
        help="pages: those seen first, and those that have maps (default: worst)",
    )
    add("--count", type=whole(1), help="pages: queries of either kind (default: 20)")
    add("--ranks", type=whole(1), help="ranked lists: pictures of each query (default: 10)")
    add("--batch-size", type=whole(1), default=128, help="pictures at a time (default: 128)")
    add("--cache", action="store_true", help="keep the decoded pictures for the next time")
    add_device(parser)
    return parser


def _refuse_idle(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Options that would do nothing are mistakes."""
    pages = {
        "--gallery-html": arguments.gallery_html is not None,
        "--maps-html": arguments.maps_html is not None,
    }
    needs = _LOOKS | {"maps_against": "--maps-html"}
    for name, needed in needs.items():
        idle = not any(given for option, given in pages.items() if option in needed)
        if vars(arguments)[name] is not None and idle:
            parser.error(f"--{name.replace('_', '-')} does nothing without {needed}")
