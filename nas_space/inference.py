"""Pictures to features, with the file of a trained network and neither NNI nor Lightning."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nas_space.heads import EmbeddingNetwork, Feature
from nas_space.networks import network_from, read_network

# N pictures, B of them at a time, D numbers of a feature, H x W pixels of the network's images

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""Of red, green and blue in [0, 1]; used where a file does not say."""

_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError),
    *(NotImplementedError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for files that are no pictures, or only the beginning of one."""

Picture = Image.Image | Path | str
"""A picture in memory, or its file."""


class Embedder:
    """A network with all that comes before it: decoding, size and colours of a picture.

    Args:
        network: in evaluation mode, on the device that computes.
        height: H, pixels.
        width: W, pixels.
        mean: of red, green and blue in [0, 1].
        std: the same.
        batch_size: B, pictures at a time.

    Raises:
        ValueError: if no picture is to be seen at a time.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        *,
        height: int,
        width: int,
        mean: Sequence[float] = IMAGENET["mean"],
        std: Sequence[float] = IMAGENET["std"],
        batch_size: int = 32,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: 1 picture at a time or more is needed.")
        self.network, self.height, self.width = network, height, width
        self.batch_size = batch_size
        self._device = next(network.parameters()).device
        self._mean, self._std = (
            torch.tensor(values, device=self._device)[:, None, None] for values in (mean, std)
        )

    @classmethod
    def load(
        cls,
        file: Path | str,
        device: torch.device | str = "cpu",
        *,
        feature: Feature | None = None,
        batch_size: int = 32,
    ) -> "Embedder":
        """With the network of a file, and the size and colours it was trained with.

        Args:
            file: that ``save_network`` wrote.
            device: that computes.
            feature: which features describe a picture, or None for those the file says.
            batch_size: pictures at a time.

        Raises:
            ValueError: if there is no such file, or it is something else.
        """
        saved = read_network(file)
        colours = saved.info.get("normalisation", IMAGENET)
        return cls(
            network_from(saved, feature=feature, device=device),
            height=saved.blueprint.height,
            width=saved.blueprint.width,
            mean=colours["mean"],
            std=colours["std"],
            batch_size=batch_size,
        )

    @property
    def dimensions(self) -> int:
        """Length D of a feature."""
        return self.network.dimensions

    def __call__(self, pictures: Sequence[Picture]) -> Float[Tensor, "N D"]:
        """One row of unit length per picture, in their order, on the CPU; no rows for no pictures.

        The product of two rows is the cosine of the pictures' features: 1 for the same picture,
        and the greater, the likelier both show one identity.

        Raises:
            ValueError: if a picture cannot be read or is empty, or one is handed in without a list
                around it.
        """
        if isinstance(pictures, str | Path | Image.Image):
            raise ValueError("One picture was handed in alone: put it into a list.")
        if not isinstance(pictures, Sequence):
            raise ValueError(f"Pictures were handed in as {_kind(pictures)}: a list is needed.")
        rows = [torch.empty(0, self.dimensions)]
        for start in range(0, len(pictures), self.batch_size):
            batch = [self._pixels(picture) for picture in pictures[start : start + self.batch_size]]
            x = torch.from_numpy(np.stack(batch)).to(self._device)
            with torch.inference_mode():
                rows.append(self.network((x.float() / 255 - self._mean) / self._std).float().cpu())
        return torch.cat(rows)

    def _pixels(self, picture: Picture) -> np.ndarray:
        """RGB bytes [3 H W], resized as for the training: bilinear, antialiased."""
        if isinstance(picture, str | Path):
            return self._pixels(_opened(picture))
        if not isinstance(picture, Image.Image):
            raise ValueError(
                f"A picture was handed in as {_kind(picture)}: pictures of Pillow"
                " (Image.fromarray makes one of an array) or their files are needed."
            )
        if 0 in picture.size:
            raise ValueError(
                f"A picture of {picture.width} x {picture.height} pixels was handed in: cut out one"
                " or more each way."
            )
        size, bilinear = (self.width, self.height), Image.Resampling.BILINEAR
        pixels = np.asarray(picture.convert("RGB").resize(size, bilinear))
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _kind(found: object) -> str:
    return f"{type(found).__module__}.{type(found).__qualname__}".removeprefix("builtins.")


def _opened(file: Path | str) -> Image.Image:
    """A picture in RGB, refused where the training refuses it."""
    try:
        content = Path(file).read_bytes()
        with Image.open(BytesIO(content)) as image:
            picture = image.convert("RGB")
            # a copy that broke off, into a file that had its full length already
            if image.format == "JPEG" and content.endswith(bytes(2)) and not _ends(content):
                raise ValueError("the end of the file is zeros")
            return picture
    except _UNREADABLE as error:
        raise ValueError(f"{file} is no picture that can be read: {error}.") from error


def _ends(content: bytes) -> bool:
    """Whether the marker that ends a JPEG lies behind the one that begins its last scan."""
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")
