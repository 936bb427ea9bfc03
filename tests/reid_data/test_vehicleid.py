"""VehicleID's lists give the training part and test pictures of which a gallery is drawn later."""

from pathlib import Path

import pytest

from reid_data import vehicleid
from reid_data.parts import assemble
from reid_data.records import Sighting

LISTS = {
    "train_list.txt": ["0000010 7", "0000011 7", "0000003 2"],
    "test_list_800.txt": ["0000021 30", "0000020 30", "0000022 4"],
    "test_list_1600.txt": ["0000021 30", "0000020 30", "0000022 4", "0000023 4"],
    "test_list_2400.txt": ["0000021 30", "0000020 30", "0000022 4", "0000023 4", "0000024 5"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny VehicleID; as in the real one, the lists leave out the file ending."""
    root = tmp_path / "VehicleID_V1.0"
    for folder in ("image", "train_test_split", "attribute"):
        (root / folder).mkdir(parents=True)
    for name, lines in LISTS.items():
        (root / "train_test_split" / name).write_text("\n".join(lines) + "\n")
        for line in lines:
            (root / "image" / f"{line.split()[0]}.jpg").touch()
    return root


def test_a_line_says_file_and_identity_and_no_camera_is_known(folder: Path) -> None:
    dataset = assemble(vehicleid.read(folder))
    image = folder / "image"
    assert dataset.train == (
        Sighting(2, -1, image / "0000003.jpg"),
        Sighting(7, -1, image / "0000010.jpg"),
        Sighting(7, -1, image / "0000011.jpg"),
    )
    assert [(s.identity, s.path.name) for s in dataset.query] == [
        (4, "0000022.jpg"),
        (30, "0000020.jpg"),
        (30, "0000021.jpg"),
    ]


def test_no_camera_rule_and_ten_galleries_drawn_from_the_query_part(folder: Path) -> None:
    dataset = assemble(vehicleid.read(folder))
    assert dataset.gallery == ()
    assert (dataset.protocol.camera_rule, dataset.protocol.repeats) == (False, 10)
    assert not dataset.protocol.junk | dataset.protocol.distractors


def test_identity_0_is_a_vehicle_like_any_other(folder: Path) -> None:
    (folder / "train_test_split" / "test_list_800.txt").write_text("0000020 0\n0000021 0\n")
    assert len(assemble(vehicleid.read(folder)).query) == 2


@pytest.mark.parametrize(("size", "test"), [(800, 3), (1600, 4), (2400, 5)])
def test_each_size_has_a_test_list_and_the_name_says_which(
    folder: Path, size: int, test: int
) -> None:
    dataset = assemble(vehicleid.read(folder, size=size))
    assert (dataset.name, len(dataset.train), len(dataset.query)) == (f"vehicleid_{size}", 3, test)


def test_another_size_is_answered_with_the_three(folder: Path) -> None:
    with pytest.raises(
        ValueError, match=r"list of 900 identities .*: VehicleID has 800, 1600, 2400"
    ):
        assemble(vehicleid.read(folder, size=900))


@pytest.mark.parametrize("below", ["", *vehicleid.FOLDER_NAMES])
def test_the_usual_folder_names_are_looked_into(tmp_path: Path, folder: Path, below: str) -> None:
    place = tmp_path / "data" / below
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    assert assemble(vehicleid.read(tmp_path / "data")).query[0].path.parent == place / "image"


def test_only_the_test_list_that_is_asked_for_has_to_be_there(folder: Path) -> None:
    (folder / "train_test_split" / "test_list_2400.txt").unlink()
    assert assemble(vehicleid.read(folder)).name == "vehicleid_800"
    with pytest.raises(ValueError, match=r"needs image, .*train_list.txt and .*test_list_2400.txt"):
        assemble(vehicleid.read(folder, size=2400))


def test_a_listed_picture_that_is_missing_is_named(folder: Path) -> None:
    (folder / "image" / "0000022.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 of the 6 pictures of vehicleid_800 .* \(.*0000022\.jpg\): un"
    ):
        assemble(vehicleid.read(folder))


@pytest.mark.parametrize("line", ["0000020", "0000020 red", "0000020 30 1", "0000020 -1"])
def test_a_line_that_cannot_be_read_is_named(folder: Path, line: str) -> None:
    (folder / "train_test_split" / "train_list.txt").write_text(f"0000010 7\n\n{line}\n")
    with pytest.raises(ValueError, match=f"Line 3 of .*train_list.txt is '{line}' where a picture"):
        assemble(vehicleid.read(folder))


def test_an_identity_in_both_lists_is_refused(folder: Path) -> None:
    (folder / "train_test_split" / "test_list_800.txt").write_text("0000020 7\n0000021 7\n")
    with pytest.raises(ValueError, match=r"has 1 identity in training and in test \(7\)"):
        assemble(vehicleid.read(folder))


@pytest.mark.parametrize("part", ["training", "test", "training identities", "test identities"])
@pytest.mark.parametrize("size", vehicleid.SIZES)
def test_one_picture_more_or_less_than_known_is_a_warning(
    folder: Path,
    part: str,
    size: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = {
        "training": 3,
        "test": {800: 3, 1600: 4, 2400: 5}[size],
        "training identities": 2,
        "test identities": {800: 2, 1600: 2, 2400: 3}[size],
    }
    monkeypatch.setattr(vehicleid, "KNOWN_COUNTS", {size: counts})
    assemble(vehicleid.read(folder, size=size))
    assert "instead of" not in caplog.text
    monkeypatch.setattr(vehicleid, "KNOWN_COUNTS", {size: counts | {part: counts[part] - 1}})
    assemble(vehicleid.read(folder, size=size))
    assert f"{counts[part]} instead of {counts[part] - 1} {part}" in caplog.text


@pytest.mark.parametrize(("size", "known"), [(800, "6,493"), (1600, "13,377"), (2400, "19,777")])
def test_the_counts_are_those_the_data_set_is_known_by(
    folder: Path, size: int, known: str, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(vehicleid.read(folder, size=size))
    assert f"3 instead of 113,346 training pictures, {size // 800 + 2} instead" in caplog.text
    assert f" instead of {known} test pictures, 2 instead of 13,164 training iden" in caplog.text
    assert f" instead of {size:,} test identities: its scores cannot be" in caplog.text


@pytest.mark.parametrize("ending", [".JPG", ".jpeg", ".png"])
def test_whatever_ending_a_picture_has_the_list_names_it_without(folder: Path, ending: str) -> None:
    (folder / "image" / "0000022.jpg").rename(folder / "image" / f"0000022{ending}")
    assert assemble(vehicleid.read(folder)).query[0].path.name == f"0000022{ending}"


def test_a_jpg_comes_before_other_endings_and_hidden_files_do_not_count(folder: Path) -> None:
    for name in ("0000022.JPG", "0000022.png", "._0000022.jpg", "Thumbs.db"):
        (folder / "image" / name).touch()
    assert assemble(vehicleid.read(folder)).query[0].path.name == "0000022.jpg"


def test_a_list_may_have_endings_and_lines_of_windows(folder: Path) -> None:
    expected = assemble(vehicleid.read(folder))
    listing = folder / "train_test_split" / "test_list_800.txt"
    listing.write_bytes(b"0000021.jpg 30\r\n0000020.JPG\t30\r\n0000022 4\r\n\r\n")
    assert assemble(vehicleid.read(folder)) == expected


def test_reading_does_not_look_for_listed_pictures(folder: Path) -> None:
    before = vehicleid.read(folder)
    (folder / "image" / "0000022.jpg").unlink()
    assert vehicleid.read(folder) == before


def test_a_picture_in_both_lists_is_refused_whoever_it_shows(folder: Path) -> None:
    train = folder / "train_test_split" / "train_list.txt"
    picture = train.read_text().split()[0]
    with (folder / "train_test_split" / "test_list_800.txt").open("a") as listing:
        listing.write(f"\n{picture} 77\n")
    with pytest.raises(ValueError, match=rf"1 picture .*{picture}\.jpg: identity .* 77 in test\)"):
        assemble(vehicleid.read(folder))


def test_pictures_in_other_formats_are_named(folder: Path) -> None:
    for name in ("0000099.webp", "0000098.BMP", ".0000097.webp"):
        (folder / "image" / name).touch()
    assert vehicleid.read(folder).remarks == (
        "Passed over in image for being neither jpg nor png: 2 pictures (0000098.BMP,"
        " 0000099.webp).",
    )
