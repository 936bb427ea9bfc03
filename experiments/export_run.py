"""From a checkpoint to a file that needs neither NNI nor Lightning, and scores the same."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from experiments.command import step
from experiments.device import device_of
from experiments.evaluate_network import Checkpoint
from experiments.evaluate_targets import open_target, targets_of
from experiments.export_formats import FORMATS, OPSET, Written, require_opening, require_packages
from experiments.export_graph import Colours, Precision, ship
from experiments.export_metadata import of_network, of_test
from experiments.export_parity import compare, first_pixels
from experiments.exported import Exported
from experiments.outputs import refuse_unwritable, writing
from nas_space.heads import Feature
from nas_space.inference import IMAGENET
from nas_space.replacing import replaced
from reid_data.catalog import NAMES
from reid_data.records import ReidDataset


@dataclass(frozen=True)
class Request:
    """What to export, and how.

    Attributes:
        checkpoint: file of a trained network.
        file_format: one of ``FORMATS``.
        out: the file to be written.
        data: ``NAME=ROOT`` of the set the file is tested on, or None for the checkpoint's own.
        feature: which features are the output, or None for those the checkpoint says.
        normalise: where the colours are normalised.
        precision: of weights and maps.
        opset: of ONNX.
        device: of the checkpoint in the test: ``"cpu"``, ``"cuda"``, or ``"auto"``.
        cached: keep the decoded pictures for the next time.
    """

    checkpoint: Path
    file_format: str
    out: Path
    data: str | None = None
    feature: Feature | None = None
    normalise: Literal["inside", "outside"] = "inside"
    precision: Precision = "32"
    opset: int = OPSET
    device: str = "auto"
    cached: bool = False


def run(request: Request) -> dict[str, Any]:
    """Export, test the file beside its checkpoint, and print what was found.

    Returns:
        The metadata of the file.

    Raises:
        ValueError: if the checkpoint or the data cannot be read, a package is missing, or the file
            does not compute what the checkpoint does; then there is no file.
    """
    refuse_unwritable({"--out": request.out}, {"--checkpoint": request.checkpoint})
    require_packages(request.file_format)
    checkpoint = Checkpoint.open(
        request.checkpoint, feature=request.feature, device=device_of(request)
    )
    dataset = evaluation_set(request.data, checkpoint.info)
    written, metadata = _converted(request, checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        tested = _opened(request, Path(folder) / request.out.name, written(json.dumps(metadata)))
        step(f"Scoring the checkpoint and {request.out.name} on {dataset.name}.")
        found = compare(
            checkpoint, tested, dataset, precision=request.precision, cached=request.cached
        )
        metadata |= of_test(dataset, found)
        _hand_over(request.out, written(json.dumps(metadata)), tested, dataset)
    print(_report(request.out, metadata))
    return metadata


def _converted(request: Request, checkpoint: Checkpoint) -> tuple[Written, dict[str, Any]]:
    """What makes the file, and what is known of it before it was tested."""
    step(f"Writing {request.out.name} as {request.file_format}.")
    blueprint = checkpoint.blueprint
    height, width = blueprint.height, blueprint.width
    colours = _colours(checkpoint.info)
    shipped = ship(
        checkpoint.network,
        height=height,
        width=width,
        colours=colours if request.normalise == "inside" else None,
        precision=request.precision,
    )
    written = FORMATS[request.file_format].convert(
        shipped, torch.zeros(2, 3, height, width), request.opset
    )
    metadata = of_network(
        checkpoint,
        file_format=request.file_format,
        colours=colours,
        where=request.normalise,
        precision=request.precision,
    )
    return written, metadata


def _opened(request: Request, draft: Path, content: bytes) -> Exported:
    """The draft in its own runtime."""
    step(f"Reading {request.out.name} back in its own runtime.")
    with writing(draft):
        draft.write_bytes(content)
    require_opening(request.file_format, draft)
    return Exported.load(draft)


def _hand_over(out: Path, content: bytes, tested: Exported, dataset: ReidDataset) -> None:
    """Put the file in its place, if it computes there what was tested."""

    def write(draft: Path) -> None:
        draft.write_bytes(content)
        _require_same(tested, Exported.load(draft), dataset)

    with writing(out):
        replaced(out.resolve(), write)


def evaluation_set(data: str | None, info: dict[str, Any]) -> ReidDataset:
    """What a checkpoint is tested on.

    Args:
        data: ``NAME=ROOT``, or None for what the checkpoint was tested on, or else its run's first
            target, or else what it was trained on.
        info: of the checkpoint.

    Raises:
        ValueError: if nothing is named, or it cannot be read.
    """
    candidates = (info.get("tested_on"), *info.get("targets", ())[:1], info.get("trained_on"))
    own = next((str(one) for one in candidates if one), None)
    named = data or (own and _catalogued(own))
    if data is None and info.get("training") == "classification":
        raise ValueError(
            "The checkpoint was pre-trained on classes, which have no query and no gallery: name a"
            " data set to test the file on with --data NAME=ROOT."
        )
    if not named:
        raise ValueError(
            "The checkpoint does not say which data set it is tested on: name one with --data"
            " NAME=ROOT."
        )
    (target,) = targets_of([named])
    return open_target(target).dataset


def _catalogued(name: str) -> str:
    """What the catalog calls a data set whose name says its edition or size, as msmt17_v2 does."""
    known, colon, below = name.partition(":")
    shorter = known.rpartition("_")[0]
    return name if known in NAMES or shorter not in NAMES else shorter + colon + below


def _colours(info: dict[str, Any]) -> Colours:
    colours = info.get("normalisation", IMAGENET)
    return Colours(tuple(colours["mean"]), tuple(colours["std"]))


def _require_same(tested: Exported, final: Exported, dataset: ReidDataset) -> None:
    """Whether what was tested is what lies on the disk."""
    pixels = first_pixels(dataset, 1, height=final.height, width=final.width)
    if not torch.allclose(tested(pixels), final(pixels), atol=1e-5):
        raise ValueError(
            "The file that was written computes something else than the one that was tested:"
            " check the disk, and export again."
        )


def _report(out: Path, metadata: dict[str, Any]) -> str:
    height, width = metadata["input_size"]
    after, before = metadata["metrics"], metadata["checkpoint_mAP"]
    lines = [
        f"{out.name}: {metadata['file_format']}, {out.stat().st_size / 1e6:.1f} MB,"
        f" {metadata['precision']} bit; images [B, 3, {height}, {width}] RGB in"
        f" {metadata['input_range']} -> features [B, {metadata['feature_dimension']}]",
        f"{metadata['evaluation_data']}: mAP {100 * after['mAP']:.2f} %, rank-1"
        f" {100 * after['rank1']:.2f} % over {metadata['queries']:,} queries; the checkpoint's mAP"
        f" {100 * before:.2f} %",
        "largest difference of a feature, 1 minus cosine:"
        f" {metadata['largest_cosine_distance']:.1e}",
        *_in_words(metadata["thresholds"]),
    ]
    return "\n".join(lines)


def _in_words(thresholds: dict[str, Any]) -> list[str]:
    pairs = thresholds["pairs_of_two"]
    return [
        _of_rate(at["rate"], at["similarity"], at["true_accepts"], pairs) for at in thresholds["at"]
    ]


def _of_rate(rate: float, similarity: float | None, true_accepts: float, pairs: int) -> str:
    allowed = f"{100 * rate:g} % false accepts of {pairs:,} pairs of two identities"
    if rate * pairs < 1:
        allowed = (
            f"no false accept of {pairs:,} pairs of two identities, too few for {100 * rate:g} %"
        )
    if similarity is None:
        return f"{allowed}: no similarity is high enough"
    return (
        f"{allowed}: similarity {similarity:.4f} and more, which accepts {100 * true_accepts:.1f} %"
        " of the pairs of one identity"
    )
