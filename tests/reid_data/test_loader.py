"""An epoch depends on its number alone, so that a run that broke off can go on."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reid_data.batch import Batch, Twin
from reid_data.loader import BatchLoader
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import Augmentation, normalise

PLAIN = Augmentation(flip=0, pad=0, erasing=0)


@pytest.fixture(scope="module")
def sightings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sighting, ...]:
    """Six identities x six pictures of noise; cameras 1 to 6."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    sightings = []
    for identity in range(10, 70, 10):
        for camera in range(1, 7):
            path = folder / f"{identity}_{camera}.png"
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
            sightings.append(Sighting(identity, camera, path))
    return tuple(sightings)


@pytest.fixture(scope="module")
def pictures(sightings: tuple[Sighting, ...]) -> Pictures:
    return Pictures(sightings, height=8, width=8)


LABELS = {identity: identity // 10 for identity in range(10, 70, 10)}


def loader(
    pictures: Pictures,
    sightings: tuple[Sighting, ...],
    *,
    seed: int = 0,
    twin: Twin = Twin.TRAIN,
    augmentation: Augmentation | None = None,
    device: str = "cpu",
    workers: int = 0,
) -> BatchLoader:
    return BatchLoader(
        pictures,
        sightings,
        LABELS,
        identities=3,
        images=2,
        augmentation=augmentation or Augmentation(pad=2),
        twin=twin,
        seed=seed,
        device=torch.device(device),
        workers=workers,
    )


def same(first: list[Batch], second: list[Batch]) -> bool:
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.identities, b.identities)
        for a, b in zip(first, second, strict=True)
    )


def test_every_pass_is_the_next_epoch_and_any_can_be_made_again(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    first = loader(pictures, sightings)
    epochs = [list(first) for _ in range(3)]
    resumed = loader(pictures, sightings)
    resumed.set_epoch(2)
    assert same(list(resumed), epochs[2])
    assert not same(epochs[0], epochs[1])
    assert not same(epochs[1], epochs[2])


def test_a_pass_that_broke_off_leaves_nothing_behind(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    broken = loader(pictures, sightings)
    next(iter(broken))
    whole = loader(pictures, sightings)
    list(whole)
    assert same(list(broken), list(whole))


def test_the_twins_and_the_seeds_draw_differently(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    train = list(loader(pictures, sightings))
    assert not same(train, list(loader(pictures, sightings, twin=Twin.VAL)))
    assert not same(train, list(loader(pictures, sightings, seed=1)))


def test_the_augmentation_alone_differs_by_epoch_twin_and_seed(
    sightings: tuple[Sighting, ...],
) -> None:
    alike = tuple(Sighting(s.identity, s.camera, sightings[0].path) for s in sightings)
    pictures = Pictures(alike, height=8, width=8)
    again = loader(pictures, alike)
    again.set_epoch(1)
    passes = [loader(pictures, alike), again]
    passes += [loader(pictures, alike, twin=Twin.VAL), loader(pictures, alike, seed=1)]
    images = [torch.cat([batch.images for batch in one]) for one in passes]
    for i, first in enumerate(images):
        assert not any(torch.equal(first, second) for second in images[:i])


def test_a_batch_says_who_is_on_its_pictures(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    pixels = normalise(pictures.read(torch.arange(len(sightings))))
    batches = list(loader(pictures, sightings, augmentation=PLAIN, twin=Twin.VAL))
    # 6 identities x 3 chunks of 2 pictures make 18 / 3 = 6 batches.
    assert len(batches) == len(loader(pictures, sightings)) == 6
    for batch in batches:
        assert batch.twin is Twin.VAL
        for image, label, camera in zip(
            batch.images, batch.identities.tolist(), batch.cameras.tolist(), strict=True
        ):
            [index] = (pixels == image).flatten(1).all(dim=1).nonzero()[:, 0].tolist()
            assert label == LABELS[sightings[index].identity]
            assert camera == sightings[index].camera


def test_pictures_of_other_sightings_are_refused(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    with pytest.raises(ValueError, match="36 pictures were given for 35 sightings"):
        loader(pictures, sightings[1:])


def test_an_identity_without_a_label_is_refused(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    stranger = (*sightings[1:], Sighting(99, 1, Path("99.png")))
    with pytest.raises(ValueError, match="1 identities such as 99 have no label"):
        loader(pictures, stranger)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_still_pass_shows_every_picture_once_as_it_is_and_begins_no_epoch(
    pictures: Pictures, sightings: tuple[Sighting, ...], size: int
) -> None:
    batches = loader(pictures, sightings)
    shown = list(batches.still(size=size))
    everything = pictures.read(torch.arange(len(sightings)))
    assert torch.equal(torch.cat([batch.images for batch in shown]), normalise(everything))
    expected = [LABELS[sighting.identity] for sighting in sightings]
    assert torch.cat([batch.identities for batch in shown]).tolist() == expected
    assert same(list(batches), list(loader(pictures, sightings)))


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("cached", [True, False])
def test_neither_workers_nor_the_cache_change_a_batch(
    pictures: Pictures, sightings: tuple[Sighting, ...], workers: int, *, cached: bool
) -> None:
    other = Pictures(sightings, height=8, width=8, cached=cached)
    alone, helped = loader(pictures, sightings), loader(other, sightings, workers=workers)
    for _ in range(2):
        assert same(list(alone), list(helped))


def test_a_pass_that_is_left_leaves_no_thread_behind(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    before = threading.active_count()
    batches = iter(loader(pictures, sightings, workers=2))
    next(batches)
    assert threading.active_count() > before
    del batches
    assert threading.active_count() == before


def test_what_fails_in_a_worker_reaches_the_caller(tmp_path: Path) -> None:
    sightings = [Sighting(10 * (i % 3 + 1), 1, tmp_path / f"{i}.png") for i in range(6)]
    for sighting in sightings:
        Image.new("RGB", (8, 8)).save(sighting.path)
    pictures = Pictures(sightings, height=8, width=8, cached=False)
    sightings[4].path.unlink()
    with pytest.raises(ValueError, match=r"cannot be read: .*4\.png"):
        list(loader(pictures, tuple(sightings), workers=2))


def test_a_negative_number_of_workers_is_refused(
    pictures: Pictures, sightings: tuple[Sighting, ...]
) -> None:
    with pytest.raises(ValueError, match="-1 workers were asked for: give 0 or more"):
        loader(pictures, sightings, workers=-1)


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_a_device_are_those_of_the_processor(
    pictures: Pictures, sightings: tuple[Sighting, ...], workers: int
) -> None:
    there = list(loader(pictures, sightings, device="cuda", workers=workers))
    for here, batch in zip(loader(pictures, sightings), there, strict=True):
        assert batch.images.is_cuda
        torch.testing.assert_close(batch.images.cpu(), here.images)
        assert batch.identities.tolist() == here.identities.tolist()
