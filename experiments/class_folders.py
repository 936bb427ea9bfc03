"""Pictures of classes in folders, as ImageNet is laid out, and augmented batches of them.

``train/CLASS/picture`` and, if there is one, ``val/CLASS/picture`` with the same classes: the
layout of ``torchvision.datasets.ImageFolder``.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from reid_data.batch import Batch, Twin
from reid_data.decoding import PictureError, read
from reid_data.pictures import check_readable
from reid_data.prefetch import in_order
from reid_data.randomness import generator_of, mixed_seed
from reid_data.records import Sighting
from reid_data.share import WHOLE, Share
from reid_data.transforms import normalise

# N pictures, B of a batch, H x W pixels

AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
"""Share of a picture that a crop shows, and its width by its height (Szegedy et al., "Going deeper
with convolutions", CVPR 2015, section 6)."""
_ATTEMPTS = 10
_SHOWN = 0.875
"""Share of a side that is looked at without augmentation: 224 of 256."""


@dataclass(frozen=True)
class Classes:
    """Pictures and their classes.

    Attributes:
        names: of the classes, sorted; class ``i`` is called ``names[i]``.
        train: picture and class.
        val: the same; empty where there is no such folder.
    """

    names: tuple[str, ...]
    train: tuple[tuple[Path, int], ...]
    val: tuple[tuple[Path, int], ...] = ()


def read_classes(root: Path) -> Classes:
    """Read ``train`` and ``val`` below a folder; nothing is decoded.

    Raises:
        ValueError: if there is no such folder, a class has no picture, there are fewer than two
            classes, or those of ``val`` are others.
    """
    names, train = _part(root / "train")
    if len(names) < 2:
        raise ValueError(
            f"{root.name}/train holds {len(names)} class: two folders of pictures are needed."
        )
    if not (root / "val").is_dir():
        return Classes(names, train)
    found, val = _part(root / "val")
    if found != names:
        others = sorted(set(found) ^ set(names))
        raise ValueError(
            f"The folders of train and val in {root.name} are not the same, such as {others[0]!r},"
            " which is in one of them alone: give both every class."
        )
    return Classes(names, train, val)


def _part(folder: Path) -> tuple[tuple[str, ...], tuple[tuple[Path, int], ...]]:
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise ValueError(
            f"{folder.parent.name}/{folder.name} is no folder of classes ({error}): a folder of"
            " pictures per class is needed, in train and, to be scored, in val."
        ) from error
    return tuple(found.classes), tuple((Path(path), label) for path, label in found.samples)


class ClassBatches:
    """Epochs of augmented batches: every picture once, in an order of the seed and the epoch.

    A picture's window and whether it is mirrored depend on the seed, the epoch and the picture
    alone. The last pictures of an epoch that make no whole batch are left out.

    Args:
        pictures: picture and class.
        height: H, pixels.
        width: W, pixels.
        size: B.
        seed: of order and augmentation.
        device: where the batches are handed over.
        workers: threads that make the next batches meanwhile.
        share: of every epoch, where several processes go through it together.

    Raises:
        ValueError: if there are fewer pictures than a batch has.
    """

    def __init__(
        self,
        pictures: Sequence[tuple[Path, int]],
        *,
        height: int,
        width: int,
        size: int,
        seed: int,
        device: torch.device,
        workers: int = 0,
        share: Share = WHOLE,
    ) -> None:
        if len(pictures) < size:
            raise ValueError(
                f"There are {len(pictures)} training pictures and a batch has {size}: lower"
                " data.identities or data.images, whose product it is."
            )
        self._pictures, self._height, self._width = pictures, height, width
        self._size, self._seed, self._device, self._workers = size, seed, device, workers
        self._share, self._epoch = share, 0

    def __len__(self) -> int:
        """Batches of an epoch, or of the share of it."""
        return self._share.length(self._batches)

    @property
    def _batches(self) -> int:
        return len(self._pictures) // self._size

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        """Begin the current epoch."""
        epoch = self._epoch
        order = torch.randperm(len(self._pictures), generator=generator_of(self._seed, epoch))
        plans = torch.split(order[: self._batches * self._size], self._size)
        own = self._share.taken(lambda: iter(plans), self._batches)
        jobs = (partial(self._read, indices.tolist(), epoch) for indices in own)
        for images, labels in in_order(jobs, workers=self._workers):
            yield _batch(images, labels, self._device)

    def _read(
        self, indices: Sequence[int], epoch: int
    ) -> tuple[UInt8[Tensor, "B 3 H W"], Int[Tensor, " B"]]:
        images = [self._augmented(index, epoch) for index in indices]
        return torch.from_numpy(np.stack(images)), torch.tensor(
            [self._pictures[index][1] for index in indices]
        )

    def _augmented(self, index: int, epoch: int) -> np.ndarray:
        generator = generator_of(mixed_seed(self._seed, epoch), index)
        picture = opened(self._pictures[index][0])
        box = random_window(picture.width, picture.height, generator)
        mirrored = bool(torch.rand((), generator=generator) < 0.5)
        pixels = _pixels(picture, box, self._height, self._width)
        return np.ascontiguousarray(pixels[:, :, ::-1]) if mirrored else pixels


def still(
    pictures: Sequence[tuple[Path, int]],
    *,
    height: int,
    width: int,
    size: int,
    device: torch.device,
    workers: int = 0,
) -> Iterator[Batch]:
    """Every picture once, its middle, in order."""

    def read(part: Sequence[tuple[Path, int]]) -> tuple[Tensor, Tensor]:
        images = []
        for path, _ in part:
            picture = opened(path)
            images.append(_pixels(picture, middle(picture.size, height, width), height, width))
        return torch.from_numpy(np.stack(images)), torch.tensor([label for _, label in part])

    parts = (pictures[start : start + size] for start in range(0, len(pictures), size))
    for images, labels in in_order((partial(read, part) for part in parts), workers=workers):
        yield _batch(images, labels, device)


def random_window(
    width: int, height: int, generator: torch.Generator
) -> tuple[float, float, float, float]:
    """Left, upper, right and lower edge of a window of random area and shape; all if none fits."""
    for _ in range(_ATTEMPTS):
        area, shape, x, y = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        pixels = width * height * (AREA[0] + (AREA[1] - AREA[0]) * area)
        low, high = (math.log(limit) for limit in ASPECT)
        aspect = math.exp(low + (high - low) * shape)
        w, h = math.sqrt(pixels * aspect), math.sqrt(pixels / aspect)
        if w <= width and h <= height:
            left, upper = (width - w) * x, (height - h) * y
            return left, upper, left + w, upper + h
    return 0.0, 0.0, float(width), float(height)


def middle(size: tuple[int, int], height: int, width: int) -> tuple[float, float, float, float]:
    """Edges of the largest window of the shape height x width in the middle, less an eighth."""
    scale = _SHOWN * min(size[0] / width, size[1] / height)
    w, h = width * scale, height * scale
    left, upper = (size[0] - w) / 2, (size[1] - h) / 2
    return left, upper, left + w, upper + h


def require_readable_classes(classes: Classes) -> None:
    """Decode every picture and keep none, so that a broken one is found before a long run.

    Raises:
        ValueError: if pictures cannot be read; it names them.
    """
    nobody = -1
    pictures = (*classes.train, *classes.val)
    check_readable(
        [Sighting(label, nobody, path) for path, label in pictures], progress="decoding pictures"
    )


def opened(path: Path) -> Image.Image:
    """A picture in RGB.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        return read(path).image
    except PictureError as error:
        raise ValueError(
            f"The picture {path.parent.name}/{path.name} can no longer be read ({error.reason}):"
            " put it back as it was."
        ) from error


def _pixels(
    picture: Image.Image, box: tuple[float, float, float, float], height: int, width: int
) -> np.ndarray:
    resized = picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def _batch(
    images: UInt8[Tensor, "B 3 H W"], labels: Int[Tensor, " B"], device: torch.device
) -> Batch:
    x: Float[Tensor, "B 3 H W"] = normalise(images.to(device))
    return Batch(x, labels.to(device), torch.full_like(labels, -1).to(device), Twin.TRAIN)
