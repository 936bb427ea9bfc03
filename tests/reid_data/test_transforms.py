"""Augmentation draws anew for every picture what it may, and nothing else."""

import hashlib
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import functional as tv
from torchvision.transforms.v2 import functional as v2

from reid_data.transforms import Augmentation, augment, augmented, draw, normalise
from reid_data.whole_batch import (
    ERASED_FILL,
    IMAGENET_MEAN,
    IMAGENET_STD,
    cropped,
    erased,
    flipped,
)

NOTHING = Augmentation(flip=0, pad=0, erasing=0)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 24), st.integers(1, 24))
seeds = st.integers(0, 2**31)


augmentations = st.builds(
    Augmentation,
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    pad=st.integers(0, 30),
    erasing=st.sampled_from([0.0, 0.5, 1.0]),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.randint(
        0, 256, (count, 3, height, width), generator=seeded(seed), dtype=torch.uint8
    )


def erased_boxes(x: Tensor) -> Iterator[tuple[int, int] | None]:
    """Height and width of the rectangle of every picture that has ``ERASED_FILL``'s colour."""
    fill = torch.tensor(ERASED_FILL)[:, None, None]
    for mask in (x == fill).all(dim=1):
        if not mask.any():
            yield None
            continue
        rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
        h, w = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert int(mask.sum()) == h * w, "not a rectangle"
        yield h, w


def test_normalisation_by_hand() -> None:
    # (255 / 255 - 0.485) / 0.229 = 2.2489; (0 - 0.456) / 0.224 = -2.0357;
    # (102 / 255 - 0.406) / 0.225 = -0.0267
    pixel = torch.tensor([255, 0, 102], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([2.2489, -2.0357, -0.0267]).view(1, 3, 1, 1)
    torch.testing.assert_close(normalise(pixel), expected, atol=1e-4, rtol=0)


@given(sizes, seeds)
def test_an_augmentation_of_nothing_is_the_normalisation(
    size: tuple[int, int, int], seed: int
) -> None:
    images = noise(*size)
    assert torch.equal(augment(images, NOTHING, seeded(seed)), normalise(images))
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close(normalise(images) * std + mean, images / 255)


@given(sizes, seeds)
def test_one_generator_gives_one_result_and_the_pictures_stay(
    size: tuple[int, int, int], seed: int
) -> None:
    images = noise(*size)
    kept = images.clone()
    augmentation = Augmentation(brightness=0.4, contrast=0.4, saturation=0.3)
    first, again = (augment(images, augmentation, seeded(seed)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(images, kept)
    assert first.shape == images.shape
    assert first.isfinite().all()


@pytest.mark.parametrize(
    ("seed", "size", "augmentation", "digest"),
    [
        (0, (64, 256, 128), Augmentation(), "0724a6bfdd82262f"),
        (1, (64, 64, 32), Augmentation(pad=4, erasing=0), "41cfdce6d877f989"),
        (2, (16, 33, 17), Augmentation(flip=0.3, pad=20, erasing=1), "19e24b6b6ca2eb02"),
    ],
)
def test_a_seed_gives_the_bits_that_published_runs_were_trained_on(
    seed: int, size: tuple[int, int, int], augmentation: Augmentation, digest: str
) -> None:
    # Digests of the first version, which went over the whole batch once per step.
    generator, (count, height, width) = seeded(seed), size
    shape = (count, 3, height, width)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    x = augment(images, augmentation, generator)
    assert hashlib.sha256(x.numpy().tobytes()).hexdigest()[:16] == digest


@given(sizes, augmentations, seeds)
def test_one_picture_after_another_gives_the_bits_of_the_whole_batch(
    size: tuple[int, int, int], augmentation: Augmentation, seed: int
) -> None:
    images = noise(*size)
    drawn = draw(*size, augmentation, seeded(seed))
    expected = images
    if drawn.flip is not None:
        expected = flipped(expected, drawn.flip)
    if drawn.window is not None:
        expected = cropped(expected, drawn.pad, *drawn.window.T)
    expected = normalise(expected)
    if drawn.rectangles is not None:
        expected = erased(expected, drawn.rectangles)
    assert torch.equal(augmented(images, drawn), expected)


@pytest.mark.parametrize("jitter", [0.0, 0.4])
def test_with_the_numbers_drawn_it_is_torchvisions_pipeline(jitter: float) -> None:
    size = (32, 48, 24)
    augmentation = Augmentation(brightness=jitter, contrast=jitter, saturation=jitter)
    images, drawn = noise(*size), draw(*size, augmentation, seeded(5))
    assert drawn.flip is not None
    assert drawn.window is not None
    assert drawn.rectangles is not None
    for i, got in enumerate(augmented(images, drawn)):
        image = v2.horizontal_flip(images[i]) if drawn.flip[i] else images[i]
        image = v2.crop(v2.pad(image, [10]), *drawn.window[i].tolist(), 48, 24)
        image = v2.to_dtype(image, torch.float32, scale=True)
        for adjust, factors in (
            (v2.adjust_brightness, drawn.brightness),
            (v2.adjust_contrast, drawn.contrast),
            (v2.adjust_saturation, drawn.saturation),
        ):
            image = image if factors is None else adjust(image, float(factors[i]))
        image = v2.normalize(image, list(IMAGENET_MEAN), list(IMAGENET_STD))
        top, left, h, w = drawn.rectangles[i].tolist()
        image = v2.erase(image, top, left, h, w, torch.tensor(ERASED_FILL)[:, None, None])
        # torchvision's grey weights have four digits, 0.2989 for 0.299.
        torch.testing.assert_close(got, image, atol=5e-3 if jitter else 1e-6, rtol=0)
    assert (drawn.rectangles[:, 2] > 0).any()
    assert (drawn.rectangles[:, 2] == 0).any()


@given(sizes)
def test_a_flip_undoes_itself_and_spares_the_others(size: tuple[int, int, int]) -> None:
    images = noise(*size)
    chosen = torch.arange(len(images)) % 2 == 0
    once = flipped(images, chosen)
    assert torch.equal(flipped(once, chosen), images)
    assert torch.equal(once[~chosen], images[~chosen])
    assert torch.equal(once[chosen], tv.hflip(images[chosen]))


def test_a_certain_flip_flips_all_and_half_of_them_half() -> None:
    images = noise(2000, 1, 4)
    mirrored = normalise(images.flip(3))
    assert torch.equal(augment(images, Augmentation(1, 0, 0), seeded(0)), mirrored)
    some = augment(images, Augmentation(0.5, 0, 0), seeded(0))
    count = int((some == mirrored).flatten(1).all(dim=1).sum())
    # 1000 expected, standard deviation sqrt(2000 / 4) = 22: five of them.
    assert abs(count - 1000) < 5 * 22


@given(sizes, st.integers(0, 12), seeds)
def test_every_crop_is_a_window_of_the_padded_picture(
    size: tuple[int, int, int], pad: int, seed: int
) -> None:
    images = noise(*size)
    count, height, width = size
    top, left = torch.randint(0, 2 * pad + 1, (2, count), generator=seeded(seed))
    windows = cropped(images, pad, top, left)
    for image, window, y, x in zip(images, windows, top.tolist(), left.tolist(), strict=True):
        padded = tv.pad(image, [pad])
        assert torch.equal(window, tv.crop(padded, y, x, height, width))


def test_all_crops_are_drawn_and_no_others() -> None:
    # Pad 1 on a single white pixel: white only in the middle of 3 x 3 windows, 1 of 9.
    white = torch.full((1800, 3, 1, 1), 255, dtype=torch.uint8)
    x = augment(white, Augmentation(0, 1, 0), seeded(0))
    count = int((x == normalise(white)).flatten(1).all(dim=1).sum())
    # 200 expected, standard deviation sqrt(1800 x 1/9 x 8/9) = 13.3: five of them.
    assert abs(count - 200) < 5 * 13.3


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 32), (128, 64)])
def test_erased_rectangles_keep_their_range_and_frequency(height: int, width: int) -> None:
    black = torch.zeros((1000, 3, height, width), dtype=torch.uint8)
    boxes = list(erased_boxes(augment(black, Augmentation(0, 0, 0.5), seeded(0))))
    found = [box for box in boxes if box is not None]
    # 500 expected, standard deviation sqrt(1000 / 4) = 15.8: five of them.
    assert abs(len(found) - 500) < 5 * 15.8
    area = height * width
    for h, w in found:
        assert h < height
        assert w < width
        # Sides are rounded to whole pixels: half a pixel either way.
        assert (h + 0.5) * (w + 0.5) >= 0.02 * area
        assert (h - 0.5) * (w - 0.5) <= 0.4 * area
        assert (h + 0.5) / (w - 0.5) >= 0.3
        assert (h - 0.5) / (w + 0.5) <= 1 / 0.3


def test_erased_area_is_uniform_where_every_rectangle_fits() -> None:
    # Up to a share of 0.3 no rectangle is too long: sqrt(0.3 / 0.3) = 1. So P(a < .11 | a < .2)
    # is a half; with n of about 1900 the standard deviation is sqrt(1 / 4 n) = 0.011.
    black = torch.zeros((4000, 3, 50, 50), dtype=torch.uint8)
    boxes = erased_boxes(augment(black, Augmentation(0, 0, 1), seeded(0)))
    shares = torch.tensor([box[0] * box[1] / 2500 for box in boxes if box is not None])
    small = shares[shares < 0.2]
    assert abs(float((small < 0.11).float().mean()) - 0.5) < 5 * 0.011


def test_erasing_reaches_every_corner() -> None:
    black = torch.zeros((3000, 3, 8, 8), dtype=torch.uint8)
    x = augment(black, Augmentation(0, 0, 1), seeded(0))
    erased = (x == torch.tensor(ERASED_FILL)[:, None, None]).all(dim=1).float().mean(dim=0)
    for corner in (erased[0, 0], erased[0, 7], erased[7, 0], erased[7, 7]):
        assert corner > 0.01
    torch.testing.assert_close(erased, erased.flip(0), atol=0.05, rtol=0)
    torch.testing.assert_close(erased, erased.flip(1), atol=0.05, rtol=0)


def test_a_picture_nothing_fits_into_stays_whole() -> None:
    one_pixel = noise(50, 1, 1)
    assert torch.equal(augment(one_pixel, Augmentation(0, 0, 1), seeded(0)), normalise(one_pixel))


@pytest.mark.parametrize(
    ("jitter", "adjusted"),
    [
        (Augmentation(0, 0, 0, brightness=0.4), tv.adjust_brightness),
        (Augmentation(0, 0, 0, contrast=0.4), tv.adjust_contrast),
        (Augmentation(0, 0, 0, saturation=0.4), tv.adjust_saturation),
    ],
)
def test_colour_jitter_is_torchvisions_with_a_factor_per_picture(
    jitter: Augmentation, adjusted: Callable[[Tensor, float], Tensor]
) -> None:
    images = noise(6, 5, 4)
    factors = 0.6 + 0.8 * torch.rand(6, generator=seeded(3))  # 1 - 0.4 to 1 + 0.4
    x = augment(images, jitter, seeded(3))
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    for got, image, factor in zip(x, images, factors.tolist(), strict=True):
        # torchvision's grey weights have four digits, 0.2989 for 0.299.
        torch.testing.assert_close(
            got * std + mean, adjusted(image / 255, factor), atol=1e-3, rtol=0
        )


@given(sizes, seeds)
def test_jitter_leaves_colours_between_black_and_white(
    size: tuple[int, int, int], seed: int
) -> None:
    jitter = Augmentation(0, 0, 0, brightness=3.0, contrast=3.0, saturation=3.0)
    x = augment(noise(*size), jitter, seeded(seed))
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    colour = x * std + mean
    assert float(colour.min()) >= -1e-6
    assert float(colour.max()) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("impossible", "sentence"),
    [
        (lambda: Augmentation(flip=1.5), r"flip = 1\.5 .* at most 1, a probability"),
        (lambda: Augmentation(erasing=-0.5), r"erasing = -0\.5 .* at least 0"),
        (lambda: Augmentation(erasing=math.nan), "erasing = nan"),
        (lambda: Augmentation(pad=-1), "pad = -1 .* at least 0"),
        (lambda: Augmentation(contrast=-0.1), r"contrast = -0\.1 .* at least 0"),
    ],
)
def test_impossible_settings_are_refused(
    impossible: Callable[[], Augmentation], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        impossible()


@pytest.mark.gpu
@pytest.mark.parametrize(
    "augmentation", [Augmentation(), Augmentation(brightness=0.4, contrast=0.4, saturation=0.3)]
)
def test_a_device_gives_what_the_processor_gives(augmentation: Augmentation) -> None:
    images = noise(16, 64, 32)
    there = augment(images.cuda(), augmentation, seeded(0))
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), augment(images, augmentation, seeded(0)))
