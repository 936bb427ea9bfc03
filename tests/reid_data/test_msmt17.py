"""MSMT17's lists number both parts from 0; here nobody shares a number."""

import shutil
from pathlib import Path

import pytest

from reid_data import msmt17
from reid_data.catalog import TrainingPart, load_dataset
from reid_data.parts import assemble
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
    dataset = assemble(msmt17.read(folder.parent))
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
    dataset = assemble(msmt17.read(folder, part=part))
    assert len(dataset.train) == train
    assert len(dataset.query + dataset.gallery) == test
    ending = "" if part == "trainval" else "_train"
    assert dataset.name == f"msmt17_{edition.lower()}{ending}"


@pytest.mark.parametrize("part", ["train", "trainval", "all"])
def test_the_catalog_knows_every_part(folder: Path, part: TrainingPart) -> None:
    assert load_dataset("msmt17", folder, part=part) == assemble(msmt17.read(folder, part=part))


def test_training_on_all_leaves_nothing_to_test_on_and_the_name_says_so(folder: Path) -> None:
    dataset = assemble(msmt17.read(folder, part="all"))
    assert len(dataset.train) == 5
    assert dataset.query == dataset.gallery == ()
    assert dataset.name.endswith("_all")


def test_other_counts_than_the_known_ones_are_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(msmt17.read(folder))
    assert "has 3 instead of 32,621 training pictures, 1 instead of 11,659 query" in caplog.text
    assert "1 instead of 3,060 test identities and 5 instead of 15 cameras: its" in caplog.text


@pytest.mark.parametrize(
    ("part", "found"),
    [
        # 30,248 + 2,373 = 32,621; 32,621 + 11,659 + 82,161 = 126,441; 1,041 + 3,060 = 4,101
        ("train", "2 instead of 30,248 training pictures, 1 instead of 11,659 query pictures"),
        ("trainval", "3 instead of 32,621 training pictures, 1 instead of 11,659 query pictures"),
        ("all", "5 instead of 126,441 training pictures, 3 instead of 4,101 training identities"),
    ],
)
def test_every_training_part_has_known_counts_of_its_own(
    folder: Path, part: str, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(msmt17.read(folder, part=part))
    assert found in caplog.text


@pytest.mark.parametrize("part", ["train", "trainval", "all"])
def test_the_known_counts_give_no_warning(
    folder: Path, part: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = {"query": 1, "gallery": 1, "test identities": 1, "cameras": 5}
    known = {
        "train": {"training": 2, "training identities": 2, **test, "cameras": 4},
        "trainval": {"training": 3, "training identities": 2, **test},
        "all": {"training": 5, "training identities": 3, "query": 0, "gallery": 0, "cameras": 5},
    }
    monkeypatch.setattr(msmt17, "KNOWN_COUNTS", known)
    assemble(msmt17.read(folder, part=part))
    assert "instead of" not in caplog.text


def test_the_layout_says_edition_and_training_part(folder: Path, edition: str) -> None:
    assert assemble(msmt17.read(folder)).layout == f"MSMT17 {edition}, trained on trainval"
    assert assemble(msmt17.read(folder, part="all")).layout == f"MSMT17 {edition}, trained on all"


def test_a_list_saved_on_windows_with_a_blank_line_and_a_blank_in_a_path(
    folder: Path, edition: str
) -> None:
    expected = assemble(msmt17.read(folder))
    test = folder / {"V1": "test", "V2": "mask_test_v2"}[edition]
    (test / "0000").rename(test / "a folder")
    lines = [line.replace("0000/", "a folder/") for line in LISTS["list_query.txt"]]
    text = "\ufeff" + "\r\n".join([*lines, "", "  "]) + "\r\n\r\n"
    (folder / "list_query.txt").write_bytes(text.encode())
    gallery = (folder / "list_gallery.txt").read_text().replace("0000/", "a folder/")
    (folder / "list_gallery.txt").write_text(gallery)
    found = assemble(msmt17.read(folder))
    assert found.train == expected.train
    assert [(s.identity, s.camera) for s in found.query] == [
        (s.identity, s.camera) for s in expected.query
    ]
    assert found.query[0].path.parent.name == "a folder"


def test_reading_does_not_look_for_the_pictures(folder: Path, edition: str) -> None:
    train = folder / {"V1": "train", "V2": "mask_train_v2"}[edition]
    before = msmt17.read(folder)
    shutil.rmtree(train)
    train.mkdir()
    assert msmt17.read(folder) == before


def test_the_order_of_the_lines_makes_no_difference(folder: Path) -> None:
    expected = assemble(msmt17.read(folder))
    for name in LISTS:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(reversed(lines)))
    assert assemble(msmt17.read(folder)) == expected


def test_a_listed_file_that_is_missing_is_named(folder: Path, edition: str) -> None:
    train = {"V1": "train", "V2": "mask_train_v2"}[edition]
    (folder / train / "0001/0001_000_14_n_1.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 of the 5 pictures of msmt17_v[12] .* \(.*_14_n_1\.jpg\): un"
    ):
        assemble(msmt17.read(folder))


@pytest.mark.parametrize(
    "line",
    [
        "0000/0000_000_01_x.jpg",
        "0000/0000.jpg 0",
        "a_b_c.jpg zero",
        "0000/0000_000_02_x.jpg -1",
        "0000/0000_000_x_y.jpg 0",
    ],
)
def test_a_line_that_cannot_be_read_is_named(folder: Path, line: str) -> None:
    (folder / "list_query.txt").write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=f"Line 2 of .*list_query.txt is '{line}'"):
        assemble(msmt17.read(folder))


def test_an_empty_list_is_refused(folder: Path) -> None:
    (folder / "list_gallery.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"list_gallery.txt lists no picture"):
        assemble(msmt17.read(folder))


def test_lists_without_pictures_are_refused(tmp_path: Path) -> None:
    for name in LISTS:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"neither the folders train and test \(V1\)"):
        assemble(msmt17.read(tmp_path))


def test_an_unknown_part_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'val' of MSMT17 is unknown: take one of train, trainval"):
        assemble(msmt17.read(tmp_path, part="val"))


def test_a_picture_in_two_training_lists_with_two_identities_is_refused(folder: Path) -> None:
    with (folder / "list_val.txt").open("a") as listing:
        listing.write(LISTS["list_train.txt"][0].replace(" 0", " 1"))
    with pytest.raises(ValueError, match=r"1 picture with two .*_0008_0\.jpg: identity 1 in tr"):
        assemble(msmt17.read(folder))


def test_training_on_all_takes_a_picture_of_two_lists_once(folder: Path) -> None:
    with (folder / "list_query.txt").open("a") as listing:
        listing.write(LISTS["list_gallery.txt"][0])
    dataset = assemble(msmt17.read(folder, part="all"))
    assert len(dataset.train) == 5


@pytest.mark.parametrize("name", ["MSMT17_V1", "MSMT17_V2", "msmt17-v2 (copy)", "MSMT17", "data"])
def test_of_two_editions_in_one_folder_its_name_chooses(
    folder: Path, edition: str, name: str
) -> None:
    other = {"V1": ("mask_train_v2", "mask_test_v2"), "V2": ("train", "test")}[edition]
    for below in other:
        (folder / below).mkdir()
    named = folder.rename(folder.with_name(name))
    if "17_V" in name or "17-v" in name:
        said = msmt17.read(named).layout
        assert said == f"MSMT17 V{1 if 'V1' in name else 2}, trained on trainval"
    else:
        with pytest.raises(ValueError, match="has the folders of both editions of MSMT17, train"):
            msmt17.read(named)
