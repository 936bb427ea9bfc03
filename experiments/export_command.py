"""``reid-nas export``: a trained network as a file that needs neither NNI nor Lightning."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.command import parser_of, told
from experiments.score_options import add_device, whole

_OLDEST_OPSET = 18

_DESCRIPTION = """\
Writes a trained network as ONNX, TorchScript or torch.export's program.

The file takes images [B, 3, H, W], float32, RGB, one or more, and gives features [B, D] of unit
length. Classifiers and what the chosen feature does not need are left out, batch normalisations
folded. The file is opened in its own runtime and scored on the query and gallery of a data set: if
its mAP is not that of the checkpoint within 0.1 points, there is no file. Its metadata say what it
is, what it scores, and from which similarity on two pictures show one identity.
"""


def main(argv: Sequence[str]) -> int:
    """Export one checkpoint.

    Args:
        argv: ``--checkpoint C --format onnx|torchscript|pt2 --out FILE`` and the options of
            ``--help``.

    Returns:
        0, 1 if the file would not compute what the checkpoint does or cannot be written, 128 plus
        the signal's number if interrupted. A wrong command line ends the process with status 2.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.opset is not None and arguments.format != "onnx":
        parser.error("--opset does nothing without --format onnx")

    def work() -> None:
        from experiments.export_formats import OPSET
        from experiments.export_run import Request, run
        from nas_space.speed import keep_large_blocks

        keep_large_blocks()
        run(
            Request(
                checkpoint=arguments.checkpoint,
                file_format=arguments.format,
                out=arguments.out,
                data=arguments.data,
                feature=arguments.feature,
                normalise=arguments.normalise,
                precision=arguments.precision,
                opset=arguments.opset or OPSET,
                device=arguments.device,
                cached=arguments.cache,
            )
        )

    return told(work, stopped="; no file was written")


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("export", _DESCRIPTION)
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="what a training wrote: best.pt, last.pt",
    )
    add("--format", choices=("onnx", "torchscript", "pt2"), required=True, help="of the file")
    add("--out", type=Path, required=True, metavar="FILE", help="is written, or replaced")
    add(
        "--data",
        metavar="NAME=ROOT",
        help="test the file there (default: where the checkpoint was tested)",
    )
    add(
        "--feature",
        choices=("pooled", "normalised"),
        help="before or behind the heads' normalisation (default: as the checkpoint says)",
    )
    add(
        "--normalise",
        choices=("inside", "outside"),
        default="inside",
        help="where mean and deviation are taken out of colours in [0, 1] (default: inside)",
    )
    add(
        "--precision",
        choices=("32", "16"),
        default="32",
        help="bits of the weights (default: 32); images and features are float32",
    )
    add("--cache", action="store_true", help="keep the decoded pictures for the next time")
    add_device(parser)
    add(
        "--opset",
        type=whole(_OLDEST_OPSET),
        metavar="N",
        help=f"of ONNX (default: {_OLDEST_OPSET}, the oldest)",
    )
    return parser
