"""``reid-nas score``: the metrics of features in a file, without any network."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.command import parser_of, told
from experiments.score_options import add_device, add_reranking, reranking_of, whole

_DRAWING = ("seed", "repeats", "splits")

_DESCRIPTION = """\
Scores features by cosine similarity: mAP, CMC and mINP.

FILE.npz holds query_features [Q, D], query_ids [Q], query_cameras [Q] and the same for the gallery.

protocols:
  market     a query's own identity is left out of the gallery where the camera is its own as well;
             identity -1 is junk, left out everywhere; identity 0 is a distractor: it counts as
             wrong, and never asks. Cameras are needed.
  vehicleid  both parts are pooled, the gallery's rows behind the query's, and one picture of each
             identity is drawn for the gallery, the others ask; repeated, scores are means, and
             queries are counted in every repeat. No camera rule, no junk, no distractors; cameras
             may be missing.
  none       nothing is left out, and -1 and 0 are identities as any other; cameras may be missing.
"""


def main(argv: Sequence[str]) -> int:
    """Score one file.

    Args:
        argv: ``--features FILE.npz`` and the options of ``--help``.

    Returns:
        0, 1 if the file cannot be scored or a result not be written, 128 plus the signal's number
        if interrupted. A wrong command line ends the process with status 2.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    reranking = reranking_of(parser, arguments)
    _refuse_idle_drawing(parser, arguments)

    def work() -> None:
        from experiments.score_run import Request, run

        run(
            Request(
                features=arguments.features,
                protocol=arguments.protocol,
                seed=arguments.seed,
                repeats=arguments.repeats,
                splits=arguments.splits,
                reranking=reranking,
                device=arguments.device,
                against=arguments.against,
                json=arguments.json,
                per_query=arguments.per_query,
            )
        )

    return told(work)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("score", _DESCRIPTION)
    add = parser.add_argument
    add("--features", type=Path, required=True, metavar="FILE.npz", help="what is scored")
    add(
        "--protocol",
        choices=("market", "vehicleid", "none"),
        default="market",
        help="default: market",
    )
    add_reranking(parser)
    add("--json", type=Path, metavar="FILE", help="write the scores, as fractions in [0, 1]")
    add("--per-query", type=Path, metavar="FILE.csv", help="write the scores of every query")
    add(
        "--against",
        type=Path,
        metavar="FILE.csv",
        help="compare the scores by cosine with what --per-query wrote for another run on the same"
        " pictures",
    )
    add("--seed", type=whole(0), help="vehicleid: of the drawn galleries (default: 0)")
    add("--repeats", type=whole(1), help="vehicleid: drawn galleries (default: 10)")
    add(
        "--splits",
        type=Path,
        metavar="FILE",
        help="vehicleid: use the galleries in this file, or save them there if there is none yet",
    )
    add_device(parser)
    return parser


def _refuse_idle_drawing(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    given = [name for name in _DRAWING if vars(arguments)[name] is not None]
    if given and arguments.protocol != "vehicleid":
        parser.error(f"--{given[0]} does nothing without --protocol vehicleid")
