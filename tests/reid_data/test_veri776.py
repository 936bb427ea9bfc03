"""VeRi-776's folders are read as the file names say, and as its lists say where they lie there."""

from pathlib import Path

import pytest

from reid_data import veri776
from reid_data.parts import assemble
from reid_data.records import Sighting

NAMES = {
    "image_train": ["0001_c001_00016450_0.jpg", "0001_c020_00016460_0.jpg"],
    "image_query": ["0002_c002_00030600_0.jpg"],
    "image_test": ["0002_c002_00030600_0.jpg", "0002_c003_00030635_0.jpg"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny VeRi-776 without the lists of its files; the query lies in the gallery as well."""
    root = tmp_path / "VeRi"
    for part, names in NAMES.items():
        (root / part).mkdir(parents=True)
        for name in names:
            (root / part / name).touch()
    (root / "train_label.xml").touch()
    return root


@pytest.fixture
def lists(folder: Path) -> Path:
    """The same, with its lists; the training folder holds a picture that is not listed."""
    for part, names in NAMES.items():
        (folder / veri776.PARTS[part]).write_text("\n".join(names) + "\n")
    (folder / "image_train" / "0003_c001_00000000_0.jpg").touch()
    return folder


def test_a_file_name_says_identity_and_camera(folder: Path) -> None:
    dataset = assemble(veri776.read(folder))
    train, test = folder / "image_train", folder / "image_test"
    assert dataset.train == (
        Sighting(1, 1, train / "0001_c001_00016450_0.jpg"),
        Sighting(1, 20, train / "0001_c020_00016460_0.jpg"),
    )
    assert dataset.query == (Sighting(2, 2, folder / "image_query/0002_c002_00030600_0.jpg"),)
    assert dataset.gallery == (
        Sighting(2, 2, test / "0002_c002_00030600_0.jpg"),
        Sighting(2, 3, test / "0002_c003_00030635_0.jpg"),
    )
    assert dataset.name == "veri776"
    assert dataset.protocol.camera_rule
    assert dataset.protocol.repeats == 0


@pytest.mark.parametrize("below", ["", *veri776.FOLDER_NAMES])
def test_the_usual_folder_names_are_looked_into(tmp_path: Path, folder: Path, below: str) -> None:
    place = tmp_path / "data" / below
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    assert assemble(veri776.read(tmp_path / "data")).query[0].path.parent == place / "image_query"


def test_only_listed_pictures_are_taken_where_there_are_lists(lists: Path) -> None:
    assert {sighting.identity for sighting in assemble(veri776.read(lists)).train} == {1}
    (lists / "name_train.txt").unlink()
    assert {sighting.identity for sighting in assemble(veri776.read(lists)).train} == {1, 3}


def test_a_listed_picture_that_is_missing_is_named(lists: Path) -> None:
    (lists / "image_test" / "0002_c003_00030635_0.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 of the 5 pictures of veri776 do not .*\(.*0002_c003_000306"
    ):
        assemble(veri776.read(lists))


def test_a_missing_folder_is_answered_with_what_lies_there(folder: Path) -> None:
    (folder / "image_query").rename(folder / "queries")
    with pytest.raises(
        ValueError, match=r"needs image_train, image_query and image_test in .* lies"
    ):
        assemble(veri776.read(folder))


def test_names_that_say_nothing_are_answered_with_one_of_this_data_set(folder: Path) -> None:
    (folder / "image_query" / NAMES["image_query"][0]).rename(folder / "image_query" / "a.jpg")
    with pytest.raises(ValueError, match=r"such as a\.jpg.*as 0001_c001_00016450_0\.jpg does"):
        assemble(veri776.read(folder))


def test_an_identity_in_training_and_test_is_refused(folder: Path) -> None:
    (folder / "image_train" / "0002_c001_00000000_0.jpg").touch()
    with pytest.raises(ValueError, match=r"'veri776' has 1 identity in training and in test"):
        assemble(veri776.read(folder))


@pytest.mark.parametrize(
    "part",
    ["training", "query", "gallery", "training identities", "test identities", "cameras"],
)
def test_one_picture_more_or_less_than_known_is_a_warning(
    folder: Path, part: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {
        "training": 2,
        "query": 1,
        "gallery": 2,
        "training identities": 1,
        "test identities": 1,
        "cameras": 4,
    }
    monkeypatch.setattr(veri776, "KNOWN_COUNTS", counts)
    assemble(veri776.read(folder))
    assert not caplog.records
    monkeypatch.setattr(veri776, "KNOWN_COUNTS", counts | {part: counts[part] + 1})
    assemble(veri776.read(folder))
    assert f"{counts[part]} instead of {counts[part] + 1} {part}" in caplog.text


def test_the_counts_are_those_the_data_set_is_known_by(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(veri776.read(folder))
    assert (
        "has 2 instead of 37,778 training pictures, 1 instead of 1,678 query pictures, 2 instead of"
        " 11,579 gallery pictures, 1 instead of 576 training identities, 1 instead of 200 test"
        " identities and 4 instead of 20 cameras: its scores cannot be compared"
    ) in caplog.text


def test_pictures_that_are_not_listed_are_named(
    lists: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(veri776.read(lists))
    assert (
        "Left out of image_train for not being in name_train.txt: 1 picture"
        " (0003_c001_00000000_0.jpg)."
    ) in caplog.text


def test_a_listed_name_that_says_nothing_is_named_with_its_line(lists: Path) -> None:
    (lists / "name_query.txt").write_text("0002_c002_00030600_0.jpg\r\nlicence.jpg\r\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*name_query.txt is 'licence.jpg' where a pi"):
        assemble(veri776.read(lists))


def test_reading_does_not_look_for_listed_pictures(lists: Path) -> None:
    before = veri776.read(lists)
    (lists / "image_test" / "0002_c003_00030635_0.jpg").unlink()
    assert veri776.read(lists) == before


def test_pictures_in_other_formats_are_named_unless_they_are_listed(lists: Path) -> None:
    (lists / "image_train" / "0004_c001_00000000_0.webp").touch()
    (remark,) = veri776.read(lists).remarks
    assert "2 pictures (0003_c001_00000000_0.jpg, 0004_c001_00000000_0.webp)" in remark
    with (lists / "name_train.txt").open("a") as listing:
        listing.write("0004_c001_00000000_0.webp\n")
    (remark,) = veri776.read(lists).remarks
    assert "1 picture (0003_c001_00000000_0.jpg)" in remark
    (lists / "name_train.txt").unlink()
    assert veri776.read(lists).remarks == (
        "Passed over in image_train for being neither jpg nor png: 1 picture"
        " (0004_c001_00000000_0.webp).",
    )
