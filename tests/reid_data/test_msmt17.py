"""MSMT17's lists number both parts from 0; here nobody shares a number."""

from pathlib import Path

import pytest

from reid_data import msmt17
from reid_data.catalog import TrainingPart, load_dataset
from reid_data.records import Sighting

LISTS = {
    "list_train.txt": ["0000/0000_000_01_0303morning_0008_0.jpg 0", "0001/0001_000_14_n_1.jpg 1"],
    "list_val.txt": ["0000/0000_001_05_0303noon_0009_0.jpg 0"],
    "list_query.txt": ["0000/0000_000_02_0303morning_0008_0.jpg 0"],
    "list_gallery.txt": ["0000/0000_001_03_0303morning_0008_0.jpg 0"],
}


@pytest.fixture(params=["V1", "V2"])
def edition(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path, edition: str) -> Path:
    """A tiny MSMT17 of this edition."""
    root = tmp_path / f"MSMT17_{edition}"
    train, test = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}[edition]
    for name, lines in LISTS.items():
        part = train if name in {"list_train.txt", "list_val.txt"} else test
        for line in lines:
            picture = root / part / line.split()[0]
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.touch()
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def test_the_third_field_is_the_camera_and_test_identities_follow_the_training_ones(
    folder: Path, edition: str
) -> None:
    dataset = msmt17.load(folder.parent)
    test = folder / {"V1": "test", "V2": "mask_test_v2"}[edition]
    # Training identities 0 and 1 become 1 and 2, so that the test identity 0 becomes 3.
    assert [(s.identity, s.camera) for s in dataset.train] == [(1, 1), (1, 5), (2, 14)]
    assert dataset.query == (Sighting(3, 2, test / "0000/0000_000_02_0303morning_0008_0.jpg"),)
    assert dataset.gallery == (Sighting(3, 3, test / "0000/0000_001_03_0303morning_0008_0.jpg"),)
    assert not dataset.protocol.distractors
    assert dataset.protocol.camera_rule


@pytest.mark.parametrize(("part", "train", "test"), [("train", 2, 2), ("trainval", 3, 2)])
def test_the_training_part_is_with_or_without_the_validation_list(
    folder: Path, edition: str, part: str, train: int, test: int
) -> None:
    dataset = msmt17.load(folder, part=part)
    assert len(dataset.train) == train
    assert len(dataset.query + dataset.gallery) == test
    ending = "" if part == "trainval" else "_train"
    assert dataset.name == f"msmt17_{edition.lower()}{ending}"


@pytest.mark.parametrize("part", ["train", "trainval", "all"])
def test_the_catalog_knows_every_part(folder: Path, part: TrainingPart) -> None:
    assert load_dataset("msmt17", folder, part=part) == msmt17.load(folder, part=part)


def test_training_on_all_leaves_nothing_to_test_on_and_the_name_says_so(folder: Path) -> None:
    dataset = msmt17.load(folder, part="all")
    assert len(dataset.train) == 5
    assert dataset.query == dataset.gallery == ()
    assert dataset.name.endswith("_all")


def test_other_counts_than_the_known_ones_are_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    msmt17.load(folder)
    assert "3 training, 1 query and 1 gallery pictures where MSMT17 has 32621" in caplog.text


def test_a_listed_file_that_is_missing_is_named(folder: Path, edition: str) -> None:
    train = {"V1": "train", "V2": "mask_train_v2"}[edition]
    (folder / train / "0001/0001_000_14_n_1.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of the 2 pictures in .*list_train.* \(.*_14_n_1\.jpg"):
        msmt17.load(folder)


@pytest.mark.parametrize("line", ["0000/0000_000_01_x.jpg", "0000/0000.jpg 0", "a_b_c.jpg zero"])
def test_a_line_that_cannot_be_read_is_named(folder: Path, line: str) -> None:
    (folder / "list_query.txt").write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=f"Line 2 of .*list_query.txt is '{line}'"):
        msmt17.load(folder)


def test_an_empty_list_is_refused(folder: Path) -> None:
    (folder / "list_gallery.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"list_gallery.txt lists no picture"):
        msmt17.load(folder)


def test_lists_without_pictures_are_refused(tmp_path: Path) -> None:
    for name in LISTS:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"neither the folders train and test \(V1\)"):
        msmt17.load(tmp_path)


def test_an_unknown_part_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'val' of MSMT17 is unknown: take one of train, trainval"):
        msmt17.load(tmp_path, part="val")
