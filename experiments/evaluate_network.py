"""The network of a checkpoint, and what it makes of the pictures of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from evaluators.embedding import embed_sightings
from evaluators.retrieval import Features
from nas_space.heads import EmbeddingNetwork, Feature
from nas_space.inference import IMAGENET
from nas_space.networks import Blueprint, network_from, read_network
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import normalise

# B pictures, H x W pixels


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
        saved = read_network(file)
        network = network_from(saved, feature=feature, device=device)
        return cls(file, network, saved.blueprint, saved.info, device)

    @property
    def name(self) -> str:
        """The file with its folder, which tells apart the ``best.pt`` of two runs."""
        file = self.file.absolute()
        return "/".join(filter(None, (file.parent.name, file.name)))

    def described(self) -> dict[str, Any]:
        """Plain values for a result file; no path."""
        return {
            "file": self.file.name,
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
