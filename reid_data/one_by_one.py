"""Transforms of a batch on the processor, one picture behind the other.

A picture stays in the processor's cache from its bytes to its normalised numbers, which is an order
of magnitude faster than steps over the whole batch. The operations are those of ``whole_batch`` in
their order, and so is every bit of the result. NumPy computes, and in one thread: the threads that
make batches are the caller's.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray
from torch import Tensor

from reid_data.whole_batch import ERASED_FILL, IMAGENET_MEAN, IMAGENET_STD

# B pictures of a batch, H x W pixels

_MEAN, _STD, _FILL = (
    np.array(values, np.float32)[:, None, None]
    for values in (IMAGENET_MEAN, IMAGENET_STD, ERASED_FILL)
)
_WHITE = np.float32(255)
_WORD = np.dtype("<u8")


def one_by_one(
    images: UInt8[Tensor, "B 3 H W"],
    *,
    flip: Bool[Tensor, " B"] | None = None,
    pad: int = 0,
    window: Int[Tensor, "B 2"] | None = None,
    rectangles: Int[Tensor, "B 4"] | None = None,
) -> Float[Tensor, "B 3 H W"]:
    """Flip, pad and crop, normalise and erase.

    Args:
        images: RGB, on the CPU; not changed.
        flip: mirror these left and right.
        pad: black pixels on every side before the crop.
        window: first row and first column of the crop in the padded picture, in ``0..2 pad``.
        rectangles: top, left, height and width; without height, nothing is erased.
    """
    x = torch.empty(images.shape)
    results, sources = x.numpy(), images.numpy()
    mirrored = [False] * len(images) if flip is None else flip.tolist()
    corners = [[pad, pad]] * len(images) if window is None else window.tolist()
    holes = [[0, 0, 0, 0]] * len(images) if rectangles is None else rectangles.tolist()
    room = np.empty(images.shape[1:], np.uint8)
    for source, result, mirror, (top, left), hole in zip(
        sources, results, mirrored, corners, holes, strict=True
    ):
        # The window of the mirror image is the mirror image of the opposite window.
        _shift(source, room, top - pad, pad - left if mirror else left - pad)
        np.copyto(result, _mirrored(room) if mirror else room)
        _normalise(result)
        _erase(result, hole)
    return x


def _shift(
    source: UInt8[ndarray, "3 H W"], target: UInt8[ndarray, "3 H W"], down: int, right: int
) -> None:
    """Copy what is so many rows and columns further on; what is not there is black."""
    height, width = source.shape[1:]
    top, bottom = _overlap(down, height)
    first, last = _overlap(right, width)
    target[:, :top] = 0
    target[:, bottom:] = 0
    target[:, :, :first] = 0
    target[:, :, last:] = 0
    here = (slice(None), slice(top, bottom), slice(first, last))
    there = (slice(None), slice(top + down, bottom + down), slice(first + right, last + right))
    target[here] = source[there]


def _overlap(shift: int, length: int) -> tuple[int, int]:
    """Begin and end of the places whose counterpart, ``shift`` further on, exists as well."""
    begin = min(length, max(0, -shift))
    return begin, max(begin, min(length, length - shift))


def _mirrored(picture: UInt8[ndarray, "3 H W"]) -> UInt8[ndarray, "3 H W"]:
    """Left and right exchanged; eight pixels at a time where the width allows."""
    if picture.shape[2] % _WORD.itemsize:
        return picture[:, :, ::-1]
    return picture.view(_WORD)[:, :, ::-1].byteswap().view(np.uint8)


def _normalise(x: Float32[ndarray, "3 H W"]) -> None:
    np.divide(x, _WHITE, out=x)
    np.subtract(x, _MEAN, out=x)
    np.divide(x, _STD, out=x)


def _erase(x: Float32[ndarray, "3 H W"], rectangle: Sequence[int]) -> None:
    top, left, h, w = rectangle
    x[:, top : top + h, left : left + w] = _FILL
