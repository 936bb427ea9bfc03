"""Augmentation of a batch: random numbers for every picture first, then what they ask for.

The order is that of the usual re-identification recipe: flip, pad and crop, colour jitter,
ImageNet normalisation, random erasing.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from reid_data.one_by_one import one_by_one
from reid_data.whole_batch import (
    brightened,
    contrasted,
    cropped,
    erased,
    flipped,
    normalised_in_place,
    saturated,
)

# B pictures of a batch, H x W pixels

ERASED_AREA = (0.02, 0.4)
"""Least and greatest share of a picture that is erased."""
ERASED_ASPECT = (0.3, 1 / 0.3)
"""Least and greatest height of an erased rectangle divided by its width."""
_ATTEMPTS = 10


@dataclass(frozen=True)
class Augmentation:
    """What is drawn anew for every picture; all zeros leave it as it is.

    Attributes:
        flip: probability of mirroring left and right.
        pad: black pixels on every side before a random crop to the original size.
        erasing: probability of erasing a rectangle, after normalisation.
        brightness: half width of the range of factors around 1.
        contrast: the same, towards the mean grey of the picture.
        saturation: the same, towards the grey picture.

    Raises:
        ValueError: If a probability is outside ``[0, 1]``, or anything else is negative.
    """

    flip: float = 0.5
    pad: int = 10
    erasing: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1 if field.name in {"flip", "erasing"} else float("inf")
            if not 0 <= value <= most:
                raise ValueError(
                    f"Augmentation {field.name} = {value} was found: it must be at least 0"
                    + (" and at most 1, a probability." if most == 1 else ".")
                )


@dataclass(frozen=True)
class Drawn:
    """What is done to each picture of a batch; None for what is done to none.

    Attributes:
        flip: mirror it.
        pad: pixels on every side before the crop.
        window: first row and first column of the crop in the padded picture, in ``0..2 pad``.
        brightness: a factor, to be clipped like the next two.
        contrast: the same.
        saturation: the same.
        rectangles: to be erased: top, left, height and width; no height where it stays whole.
    """

    flip: Bool[Tensor, " B"] | None = None
    pad: int = 0
    window: Int[Tensor, "B 2"] | None = None
    brightness: Float[Tensor, " B"] | None = None
    contrast: Float[Tensor, " B"] | None = None
    saturation: Float[Tensor, " B"] | None = None
    rectangles: Int[Tensor, "B 4"] | None = None

    def to(self, device: torch.device) -> "Drawn":
        """The same numbers there."""
        moved: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)

    @property
    def jitters(self) -> bool:
        """Whether colours change."""
        return any(f is not None for f in (self.brightness, self.contrast, self.saturation))


def draw(
    count: int, height: int, width: int, augmentation: Augmentation, generator: torch.Generator
) -> Drawn:
    """Random numbers for every picture of a batch, in an order that does not change.

    Args:
        count: ``B``.
        height: ``H``, pixels.
        width: ``W``, pixels.
        augmentation: what to do, and how much.
        generator: the only source of randomness.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device)

    def factor(half_width: float) -> Tensor | None:
        limits = max(0.0, 1 - half_width), 1 + half_width
        return _within(limits, uniform(count)) if half_width else None

    flip = uniform(count) < augmentation.flip if augmentation.flip else None
    pad = augmentation.pad
    window = (uniform(2, count) * (2 * pad + 1)).long().T if pad else None
    brightness, contrast, saturation = (
        factor(getattr(augmentation, name)) for name in ("brightness", "contrast", "saturation")
    )
    erasing = augmentation.erasing
    rectangles = _rectangles(count, height, width, erasing, uniform) if erasing else None
    return Drawn(flip, pad, window, brightness, contrast, saturation, rectangles)


def _rectangles(
    count: int, height: int, width: int, probability: float, uniform: Callable[..., Tensor]
) -> Int[Tensor, "B 4"]:
    """What random erasing (Zhong et al., AAAI 2020, algorithm 1) erases.

    Area and aspect are both uniform in their ranges, as in that paper, and drawn again while the
    rectangle is not smaller than the picture both ways; of ten draws the first that fits is
    taken, and a picture for which none fits stays whole.
    """
    area = _within(ERASED_AREA, uniform(count, _ATTEMPTS)) * height * width
    aspect = _within(ERASED_ASPECT, uniform(count, _ATTEMPTS))
    h, w = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (h < height) & (w < width)
    first = fits.int().argmax(dim=1, keepdim=True)
    h, w = h.gather(1, first)[:, 0], w.gather(1, first)[:, 0]
    chosen = (uniform(count) < probability) & fits.any(dim=1)
    top, left = (uniform(count) * (height - h + 1)), (uniform(count) * (width - w + 1))
    return torch.stack([top, left, h * chosen, w], dim=1).long()


def augment(
    images: UInt8[Tensor, "B 3 H W"], augmentation: Augmentation, generator: torch.Generator
) -> Float[Tensor, "B 3 H W"]:
    """Augment and normalise every picture with random numbers of its own.

    Args:
        images: RGB, on any device; not changed.
        augmentation: what to do, and how much.
        generator: the only source of randomness; may live on the CPU while the images do not.
    """
    count, _, height, width = images.shape
    return augmented(images, draw(count, height, width, augmentation, generator))


def augmented(images: UInt8[Tensor, "B 3 H W"], drawn: Drawn) -> Float[Tensor, "B 3 H W"]:
    """Augment and normalise every picture as it was drawn.

    Args:
        images: RGB, on any device; not changed.
        drawn: for these pictures, on any device.
    """
    d = drawn.to(images.device)
    if images.device.type == "cpu" and not d.jitters:
        return one_by_one(images, flip=d.flip, pad=d.pad, window=d.window, rectangles=d.rectangles)
    if d.flip is not None:
        images = flipped(images, d.flip)
    if d.window is not None:
        images = cropped(images, d.pad, *d.window.T)
    x = images.float().div_(255)
    for changed, factor in (
        (brightened, d.brightness),
        (contrasted, d.contrast),
        (saturated, d.saturation),
    ):
        x = x if factor is None else changed(x, factor)
    x = normalised_in_place(x)
    return x if d.rectangles is None else erased(x, d.rectangles)


def normalise(images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Bytes to numbers with ImageNet's mean and standard deviation taken out."""
    return normalised_in_place(images.float().div_(255))


def _within(limits: tuple[float, float], drawn: Tensor) -> Tensor:
    least, most = limits
    return least + (most - least) * drawn
