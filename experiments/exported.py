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
from experiments.describes import About
from experiments.export_formats import FORMATS, METADATA, Runner, require_packages
from experiments.export_graph import Colours
from nas_space.torch_file import PROGRAM_RECORDS
from reid_data.bars import bar
from reid_data.pictures import Pictures
from reid_data.records import Sighting

# B pictures, D numbers of a feature, H x W pixels

FORMAT = "nni-reid export"
VERSION = 1

_ONNX_BEGINS = b"\x08"
"""The tag of the first field of ONNX's model, ``ir_version``."""

_DESCRIBED = (
    "file_format", "precision", "genotype", "blueprint", "feature", "feature_dimension",
    "input_size", "normalisation",
)  # fmt: skip
"""What of the metadata a result repeats."""


def is_exported(file: Path) -> bool:
    """Whether the content is ONNX, TorchScript or an exported program, whatever its name.

    Whether ``reid-nas export`` wrote it is for ``read_metadata`` to say.
    """
    if not file.is_file():
        return False
    if zipfile.is_zipfile(file):
        return bool(_records(file, *PROGRAM_RECORDS))
    with file.open("rb") as content:
        return content.read(len(_ONNX_BEGINS)) == _ONNX_BEGINS


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
    return next((text.decode() for text in _records(file, f"/extra/{METADATA}")), "")


def _records(file: Path, *ends: str) -> list[bytes]:
    """What lies in an archive under names that end so; nothing in a broken one."""
    try:
        with zipfile.ZipFile(file) as archive:
            return [archive.read(name) for name in archive.namelist() if name.endswith(ends)]
    except zipfile.BadZipFile:
        return []


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
        file: where it lies.
        run: what the file computes.
        metadata: what it says of itself.
    """

    def __init__(self, file: Path, run: Runner, metadata: dict[str, Any]) -> None:
        self._file, self._run, self.metadata = file, run, metadata
        self.height, self.width = metadata["input_size"]
        colours = metadata["normalisation"]
        outside = colours["where"] == "outside"
        self._colours = Colours(tuple(colours["mean"]), tuple(colours["std"])) if outside else None

    @classmethod
    def load(cls, file: Path) -> "Exported":
        """Open a file in the runtime of its format.

        Raises:
            ValueError: if there is no such file, it is something else, or its runtime is missing or
                cannot open it.
        """
        metadata = read_metadata(file)
        name = metadata["file_format"]
        require_packages(name)
        try:
            run = FORMATS[name].open(file)
        except Exception as error:
            raise ValueError(
                f"The runtime of {name} cannot open {file.name} ({type(error).__name__}:"
                f" {error}): export it anew, or take the versions that wrote it."
            ) from error
        return cls(file, run, metadata)

    @property
    def about(self) -> About:
        """What is said of it beside its scores."""
        said = self.metadata
        thresholds = said["thresholds"]["at"] if "thresholds" in said else []  # before its test
        return About(
            self._file,
            said["network"],
            self.height,
            self.width,
            said["feature"],
            said["training_data"],
            f"{said['file_format']} in {said['precision']} bit",
            {at["rate"]: at["similarity"] for at in thresholds},
        )

    def described(self) -> dict[str, Any]:
        """Plain values for a result file, from the metadata; no path."""
        said = {name: self.metadata[name] for name in _DESCRIBED}
        return {"file": self._file.name, **said, "info": self.metadata["training"]}

    def __call__(self, pixels: UInt8[Tensor, "B 3 H W"]) -> Float32[Tensor, "B D"]:
        """Features of unit length.

        Args:
            pixels: RGB, in the size the file was made for.
        """
        images = pixels.float() / 255
        return self._run(images if self._colours is None else self._colours.normalise(images))

    def features(
        self,
        sightings: Sequence[Sighting],
        *,
        batch_size: int,
        flip: bool = False,
        cached: bool = True,
        progress: str | None = None,
    ) -> Features:
        """Of pictures; no rows for no pictures.

        Args:
            sightings: the pictures.
            batch_size: pictures at a time.
            flip: take the mean of the features of a picture and of its mirror image.
            cached: keep the decoded pictures for the next time.
            progress: what to call the work in a progress bar, or None for no bar.

        Raises:
            ValueError: if pictures cannot be read, or the cache cannot be written.
        """
        rows = [torch.empty(0, self.metadata["feature_dimension"])]
        if sightings:
            pictures = Pictures(
                sightings, height=self.height, width=self.width, cached=cached, progress=progress
            )
            with bar(total=len(sightings), desc=progress, unit="picture") as done:
                for batch in torch.split(torch.arange(len(sightings)), batch_size):
                    pixels = pictures.read(batch)
                    v = self(pixels)
                    rows.append((v + self(pixels.flip(3))) / 2 if flip else v)
                    done.update(len(batch))
        return Features(
            torch.cat(rows),
            torch.tensor([sighting.identity for sighting in sightings], dtype=torch.int64),
            torch.tensor([sighting.camera for sighting in sightings], dtype=torch.int64),
        )
