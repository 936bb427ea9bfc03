"""The network of a checkpoint, and what it makes of the pictures of a data set."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from evaluators.embedding import embed_sightings
from evaluators.retrieval import Features
from experiments.describes import About
from experiments.exported import is_exported
from nas_space.heads import EmbeddingNetwork, Feature
from nas_space.inference import IMAGENET
from nas_space.networks import Blueprint, Saved, network_from, read_network
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import normalise

# B pictures, H x W pixels

_TOLD_APART = ("alignment", "seed", "epoch")
"""Entries of the info that tell two trainings of one network apart, where they are there."""


def read_trained(file: Path) -> Saved:
    """What a training wrote; all else that a command line may name is told apart.

    Raises:
        ValueError: if there is no such file, or it is something else.
    """
    if file.is_dir():
        raise ValueError(f"{file} is a folder: give a file in it, such as {file / 'best.pt'}.")
    if is_exported(file):
        raise ValueError(
            f"{file.name} is an exported file: give the checkpoint it was made of (best.pt)."
        )
    if file.is_file() and not zipfile.is_zipfile(file):
        raise ValueError(
            f"{file.name} is no network, or not a whole file: give what a training wrote (best.pt)."
        )
    return read_network(file)


@dataclass(frozen=True)
class Checkpoint:
    """A network with its weights, ready to describe pictures.

    Attributes:
        file: where it lies.
        network: in evaluation mode.
        blueprint: that built it.
        info: what its file says of it.
        device: where it is.
    """

    file: Path
    network: EmbeddingNetwork
    blueprint: Blueprint
    info: dict[str, Any]
    device: torch.device

    @classmethod
    def open(cls, file: Path, *, feature: Feature | None, device: torch.device) -> "Checkpoint":
        """Read a file that a training wrote.

        Args:
            file: as ``save_network`` writes it.
            feature: what describes a picture, or None for what the file says.
            device: where the network will be.

        Raises:
            ValueError: if there is no such file, or it is something else.
        """
        saved = read_trained(file)
        network = network_from(saved, feature=feature, device=device)
        return cls(file, network, saved.blueprint, saved.info, device)

    @property
    def about(self) -> About:
        """What is said of it beside its scores."""
        return About(
            self.file,
            self.blueprint.network,
            self.blueprint.height,
            self.blueprint.width,
            self.network.feature,
            self.info.get("trained_on"),
            trained_how={name: self.info[name] for name in _TOLD_APART if name in self.info},
        )

    @property
    def name(self) -> str:
        """The file with its folder."""
        return self.about.name

    def described(self) -> dict[str, Any]:
        """Plain values for a result file; no path."""
        return {
            "file": self.file.name,
            "file_format": "checkpoint",
            "blueprint": self.blueprint.to_dict(),
            "info": self.info,
        }

    def features(
        self,
        sightings: Sequence[Sighting],
        *,
        batch_size: int,
        flip: bool,
        cached: bool,
        progress: str | None = None,
    ) -> Features:
        """Of pictures in the network's size and colours; no rows for no pictures.

        Args:
            sightings: the pictures.
            batch_size: pictures at a time.
            flip: take the mean of the features of a picture and of its mirror image.
            cached: keep the decoded pictures for the next time.
            progress: what to call the work in a progress bar, or None for no bar.

        Raises:
            ValueError: if pictures cannot be read, or the cache cannot be written.
        """
        if not sightings:
            nobody = torch.zeros(0, dtype=torch.int64, device=self.device)
            empty = torch.zeros((0, self.network.dimensions), device=self.device)
            return Features(empty, nobody, nobody)
        return embed_sightings(
            lambda images: self.network(self._recoloured(images)),
            sightings,
            height=self.blueprint.height,
            width=self.blueprint.width,
            device=self.device,
            batch_size=batch_size,
            flip=flip,
            cached=cached,
            progress=progress,
        )

    def images(self, sightings: Sequence[Sighting]) -> Float[Tensor, "B 3 H W"]:
        """The pictures as the network sees them.

        Raises:
            ValueError: if pictures cannot be read.
        """
        blueprint = self.blueprint
        pictures = Pictures(sightings, height=blueprint.height, width=blueprint.width, cached=False)
        return self._recoloured(normalise(pictures.read(torch.arange(len(sightings)))))

    def _recoloured(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """From ImageNet's mean and standard deviation to those the network was trained with."""
        colours = self.info.get("normalisation", IMAGENET)
        if all(tuple(colours[name]) == tuple(IMAGENET[name]) for name in IMAGENET):
            return images
        old, new = (
            [images.new_tensor(side[name])[:, None, None] for name in ("mean", "std")]
            for side in (IMAGENET, colours)
        )
        return (images * old[1] + old[0] - new[0]) / new[1]
