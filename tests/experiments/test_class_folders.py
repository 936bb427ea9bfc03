"""Pictures in folders of classes: what lies there, and batches that the seed and epoch decide."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from experiments.class_folders import (
    AREA,
    ASPECT,
    ClassBatches,
    middle,
    random_window,
    read_classes,
    require_readable_classes,
    still,
)
from reid_data.randomness import generator_of
from reid_data.share import WHOLE, Share
from reid_data.transforms import normalise

CPU = torch.device("cpu")


def write(folder: Path, classes: Sequence[str], pictures: int = 3) -> Path:
    """Pictures of 24 x 16 pixels, each of one colour of its own."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(pictures):
            colour = 10 * label + i, 100, 200
            Image.new("RGB", (24, 16), colour).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "train", ["b", "a", "c"])
    write(tmp_path / "val", ["a", "b", "c"], pictures=1)
    return tmp_path


def batches(root: Path, **settings: Any) -> ClassBatches:
    given: dict[str, Any] = {"height": 8, "width": 8, "size": 4, "seed": 0} | settings
    return ClassBatches(read_classes(root).train, device=CPU, **given)


def shown(loader: ClassBatches, epoch: int) -> torch.Tensor:
    loader.set_epoch(epoch)
    return torch.cat([batch.images for batch in loader])


def test_classes_are_numbered_by_their_sorted_names(root: Path) -> None:
    found = read_classes(root)
    assert found.names == ("a", "b", "c")
    pairs = [(path.parent.name, label) for path, label in found.train]
    assert sorted(set(pairs)) == [("a", 0), ("b", 1), ("c", 2)]
    assert (len(found.train), len(found.val)) == (9, 3)


def test_without_val_nothing_is_scored(tmp_path: Path) -> None:
    write(tmp_path / "train", ["a", "b"])
    assert read_classes(tmp_path).val == ()


def test_what_is_no_data_set_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train is no folder of classes"):
        read_classes(tmp_path)
    write(tmp_path / "train", ["a"])
    with pytest.raises(ValueError, match="1 class: two folders"):
        read_classes(tmp_path)
    (tmp_path / "train" / "empty").mkdir()
    with pytest.raises(ValueError, match=r"train is no folder of classes .*empty"):
        read_classes(tmp_path)


def test_val_has_the_classes_of_train(root: Path) -> None:
    write(root / "val", ["d"])
    with pytest.raises(ValueError, match=r"not the same, such as 'd'"):
        read_classes(root)


def test_an_epoch_shows_pictures_once_with_their_class_and_leaves_out_the_rest(root: Path) -> None:
    """Nine pictures make two batches of four; red tells the picture, and its tens the class."""
    loader = batches(root)
    assert len(loader) == 2
    red = normalise(torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 1, 1))
    seen = []
    for batch in loader:
        pixels = batch.images[:, 0, 0, 0]
        pictures = (red[:, 0, 0, 0][None] - pixels[:, None]).abs().argmin(1)
        assert (pictures // 10).tolist() == [{0: 1, 1: 0, 2: 2}[int(i)] for i in batch.identities]
        seen += pictures.tolist()
    assert len(set(seen)) == 8


@pytest.mark.parametrize("workers", [0, 3])
def test_what_an_epoch_holds_depends_on_the_seed_and_its_number_alone(
    root: Path, workers: int
) -> None:
    loader, again = batches(root), batches(root, workers=workers)
    epochs = [shown(loader, epoch) for epoch in (0, 1)]
    assert torch.equal(shown(again, 1), epochs[1])
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(shown(batches(root, seed=1), 0), epochs[0])


def test_the_shares_of_two_processes_are_the_epoch_of_one(root: Path) -> None:
    """Nine pictures in batches of three: 0 and 2 fall to one, 1 and once more 0 to the other."""
    whole, first, second = (
        list(batches(root, size=3, share=share)) for share in (WHOLE, Share(0, 2), Share(1, 2))
    )
    for number, batch in zip((0, 2, 1, 0), (*first, *second), strict=True):
        assert torch.equal(batch.images, whole[number].images)


def test_a_picture_is_cropped_anew_in_every_epoch(tmp_path: Path) -> None:
    """Of a slope of grey, two windows are never the same."""
    write(tmp_path / "train", ["a", "b"], pictures=1)
    slope = np.arange(24, dtype=np.uint8)[None].repeat(16, 0) * 10
    Image.fromarray(slope).save(tmp_path / "train" / "a" / "0.png")
    loader = batches(tmp_path, size=2)
    found = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        (batch,) = loader
        found.append(batch.images[batch.identities == 0])
    assert not torch.equal(*found)


def test_too_few_pictures_for_a_batch_are_counted(root: Path) -> None:
    with pytest.raises(ValueError, match="There are 9 training pictures and a batch has 10"):
        batches(root, size=10)


@pytest.mark.parametrize("part", ["train", "val"])
def test_broken_pictures_are_named_before_any_is_needed(root: Path, part: str) -> None:
    broken = root / part / "a" / "0.png"
    broken.write_bytes(broken.read_bytes()[:30])
    with pytest.raises(ValueError, match=rf"^1 of 12 .*{part}/a/0\.png"):
        require_readable_classes(read_classes(root))


def test_a_picture_that_broke_meanwhile_is_named_with_its_class(root: Path) -> None:
    loader, broken = batches(root, size=3), root / "train" / "a" / "0.png"
    broken.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^The picture a/0\.png .*\(the file is empty\)"):
        list(loader)


def test_the_middle_by_hand() -> None:
    """A square of 24 x 16: side 16 * 0.875 = 14, so from 5 to 19 and from 1 to 15."""
    assert middle((24, 16), 8, 8) == (5.0, 1.0, 19.0, 15.0)


def test_scoring_sees_every_picture_once_and_in_order(root: Path) -> None:
    val = read_classes(root).val
    found = list(still(val, height=8, width=8, size=2, device=CPU, workers=2))
    assert [batch.identities.tolist() for batch in found] == [[0, 1], [2]]
    assert [len(batch.images) for batch in found] == [2, 1]


@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 2**31))
def test_a_window_lies_inside_and_has_the_area_and_shape_asked_for(
    width: int, height: int, seed: int
) -> None:
    left, upper, right, lower = random_window(width, height, generator_of(seed))
    w, h = right - left, lower - upper
    assert min(left, upper) >= 0
    assert right <= width + 1e-6
    assert lower <= height + 1e-6
    if (w, h) != (width, height):
        assert AREA[0] * width * height <= w * h * (1 + 1e-9)
        assert w * h <= AREA[1] * width * height * (1 + 1e-9)
        assert ASPECT[0] <= w / h * (1 + 1e-9)
        assert w / h <= ASPECT[1] * (1 + 1e-9)


def test_areas_are_spread_evenly() -> None:
    """The mean share is (0.08 + 1) / 2 where every window fits; large ones are drawn again."""
    boxes = [random_window(100, 100, generator_of(seed)) for seed in range(2000)]
    shares = np.array([(r - x) * (b - y) / 1e4 for x, y, r, b in boxes])
    assert 0.4 < shares.mean() < 0.54
    assert shares.min() < 0.1
    assert shares.max() > 0.9
