"""CUHK03-NP is two editions laid out as Market-1501, and neither is taken for the other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data import cuhk03
from reid_data.parts import assemble
from reid_data.records import Sighting

Published = Callable[[Path, str], Path]


@pytest.fixture
def folder(tmp_path: Path, published: Published) -> Path:
    """A tiny CUHK03-NP, with both editions."""
    published(tmp_path, "cuhk03-np/detected")
    return published(tmp_path, "cuhk03-np/labeled").parent


def test_a_file_name_says_identity_and_camera(folder: Path) -> None:
    dataset = assemble(cuhk03.read(folder, boxes="labeled"))
    train = folder / "labeled" / "bounding_box_train"
    assert dataset.train == (
        Sighting(1, 1, train / "0001_c1_1.png"),
        Sighting(1, 2, train / "0001_c2_6.png"),
        Sighting(1, 2, train / "0001_c2_7.png"),
    )
    assert dataset.name == "cuhk03_labeled"
    assert dataset.layout == "CUHK03-NP, labeled boxes"
    assert dataset.protocol.camera_rule


@pytest.mark.parametrize(("boxes", "training"), [("detected", 2), ("labeled", 3)])
@pytest.mark.parametrize("root", ["..", ".", "{boxes}"])
def test_the_root_holds_both_or_is_one_of_them(
    folder: Path, root: str, boxes: str, training: int
) -> None:
    dataset = assemble(cuhk03.read(folder / root.format(boxes=boxes), boxes=boxes))
    assert len(dataset.train) == training


@pytest.mark.parametrize("below", cuhk03.FOLDER_NAMES)
def test_the_usual_folder_names_are_looked_into(tmp_path: Path, folder: Path, below: str) -> None:
    (tmp_path / "data").mkdir()
    folder.rename(tmp_path / "data" / below)
    dataset = assemble(cuhk03.read(tmp_path / "data", boxes="detected"))
    assert dataset.query[0].path == tmp_path / "data" / below / "detected/query/0003_c1_22.png"


def test_the_root_may_have_any_name_but_that_of_the_other_edition(folder: Path) -> None:
    (folder / "detected").rename(folder / "boxes")
    assert assemble(cuhk03.read(folder / "boxes", boxes="detected")).name == "cuhk03_detected"
    with pytest.raises(ValueError, match=r"labeled, which has the labeled boxes: name cuhk03_lab"):
        assemble(cuhk03.read(folder / "labeled", boxes="detected"))


def test_an_edition_that_is_not_there_is_missed(folder: Path) -> None:
    (folder / "labeled").rename(folder / "labels")
    with pytest.raises(ValueError, match="'cuhk03_labeled' needs bounding_box_train, query and"):
        assemble(cuhk03.read(folder, boxes="labeled"))


def test_other_boxes_are_answered_with_the_two(folder: Path) -> None:
    with pytest.raises(ValueError, match="no boxes 'drawn': take detected or labeled"):
        assemble(cuhk03.read(folder, boxes="drawn"))


@pytest.mark.parametrize(
    ("boxes", "wrong"),
    [
        (
            "detected",
            "2 instead of 7,365 training pictures, 1 instead of 1,400 query pictures, 1 i",
        ),
        ("detected", "1 instead of 5,332 gallery pictures, 1 instead of 767 training identities"),
        (
            "labeled",
            "3 instead of 7,368 training pictures, 1 instead of 1,400 query pictures, 1 in",
        ),
        ("labeled", "instead of 5,328 gallery pictures, 1 instead of 767 training identities and "),
    ],
)
def test_other_counts_than_the_known_ones_are_logged(
    folder: Path, boxes: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(cuhk03.read(folder, boxes=boxes))
    assert wrong in caplog.text
    assert "and 1 instead of 700 test identities: its scores cannot be" in caplog.text
    assert "cameras" not in caplog.text  # there are two, as there should be
