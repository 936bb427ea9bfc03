"""An exported file: what it says of itself, and what it computes."""

import json
import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from evaluators.retrieval import Features
from experiments.export_formats import FORMATS, METADATA, Runner, require_packages
from experiments.export_graph import Colours
from reid_data.bars import bar
from reid_data.pictures import Pictures
from reid_data.records import Sighting

# B pictures, D numbers of a feature, H x W pixels

FORMAT = "nni-reid export"
VERSION = 1


def read_metadata(file: Path) -> dict[str, Any]:
    """What an exported file says of itself; nothing in it is run.

    Args:
        file: of any format that ``reid-nas export`` writes.

    Raises:
        ValueError: if there is no such file, it is something else, or it is ONNX and the package
            onnx is missing.
    """
    if not file.is_file():
        raise ValueError(f"There is no file {file}: give one that reid-nas export wrote.")
    text = _from_archive(file) if zipfile.is_zipfile(file) else _from_onnx(file)
    content = json.loads(text) if text else {}
    if content.get("format") != FORMAT:
        raise ValueError(f"{file.name} was not written by reid-nas export: export it anew.")
    if content["version"] != VERSION:
        raise ValueError(
            f"{file.name} has version {content['version']} of the metadata, and this release reads"
            f" {VERSION}: read it with the release that wrote it."
        )
    return dict(content)


def _from_archive(file: Path) -> str:
    """The text in a file of torch's, empty where there is none."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(f"/extra/{METADATA}")]
        return archive.read(names[0]).decode() if names else ""


def _from_onnx(file: Path) -> str:
    require_packages("onnx")
    import onnx

    try:
        model = onnx.load_model(str(file), load_external_data=False)
    except import_module("google.protobuf.message").DecodeError as error:
        raise ValueError(
            f"{file.name} is neither ONNX nor a file of torch's: give one that reid-nas export"
            " wrote."
        ) from error
    return next((entry.value for entry in model.metadata_props if entry.key == METADATA), "")


class Exported:
    """A file in its own runtime on the CPU: bytes of pictures in, features out.

    Args:
        run: what the file computes.
        metadata: what it says of itself.
    """

    def __init__(self, run: Runner, metadata: dict[str, Any]) -> None:
        self._run, self.metadata = run, metadata
        self.height, self.width = metadata["input_size"]
        colours = metadata["normalisation"]
        outside = colours["where"] == "outside"
        self._colours = Colours(tuple(colours["mean"]), tuple(colours["std"])) if outside else None

    @classmethod
    def load(cls, file: Path) -> "Exported":
        """Open a file in the runtime of its format.

        Raises:
            ValueError: if there is no such file, it is something else, or its runtime is missing.
        """
        metadata = read_metadata(file)
        require_packages(metadata["file_format"])
        return cls(FORMATS[metadata["file_format"]].open(file), metadata)

    def __call__(self, pixels: UInt8[Tensor, "B 3 H W"]) -> Float32[Tensor, "B D"]:
        """Features of unit length.

        Args:
            pixels: RGB, in the size the file was made for.
        """
        images = pixels.float() / 255
        return self._run(images if self._colours is None else self._colours.normalise(images))

    def features(
        self, sightings: Sequence[Sighting], *, batch_size: int, progress: str | None = None
    ) -> Features:
        """Of pictures, through the cache of decoded ones; no rows for no pictures.

        Args:
            sightings: the pictures.
            batch_size: pictures at a time.
            progress: what to call the work in a progress bar, or None for no bar.

        Raises:
            ValueError: if pictures cannot be read, or the cache cannot be written.
        """
        rows = [torch.empty(0, self.metadata["feature_dimension"])]
        if sightings:
            pictures = Pictures(sightings, height=self.height, width=self.width, progress=progress)
            with bar(total=len(sightings), desc=progress, unit="picture") as done:
                for batch in torch.split(torch.arange(len(sightings)), batch_size):
                    rows.append(self(pictures.read(batch)))
                    done.update(len(batch))
        return Features(
            torch.cat(rows),
            torch.tensor([sighting.identity for sighting in sightings], dtype=torch.int64),
            torch.tensor([sighting.camera for sighting in sightings], dtype=torch.int64),
        )
