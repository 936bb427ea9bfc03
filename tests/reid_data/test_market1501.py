"""A folder in Market-1501's layout is read as the file names say, or refused in one sentence."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data import market1501
from reid_data.parts import assemble
from reid_data.records import Sighting

MarketFolder = Callable[..., Path]


def test_a_file_name_says_identity_and_camera(tmp_path: Path, market_folder: MarketFolder) -> None:
    names = ["0007_c3s2_000151_00.jpg", "0007_c12s1_000002_01.PNG", "0007_c1.jpeg", "Thumbs.db"]
    dataset = assemble(market1501.read(market_folder(tmp_path, train=names)))

    folder = tmp_path / "bounding_box_train"
    assert dataset.train == (
        Sighting(7, 1, folder / "0007_c1.jpeg"),
        Sighting(7, 3, folder / "0007_c3s2_000151_00.jpg"),
        Sighting(7, 12, folder / "0007_c12s1_000002_01.PNG"),
    )


def test_junk_goes_everywhere_and_distractors_stay_in_the_gallery_only(
    tmp_path: Path, market_folder: MarketFolder, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = ["-1_c1s1_000001_00.jpg", "0000_c1s1_000001_00.jpg"]
    with caplog.at_level(logging.INFO):
        dataset = assemble(
            market1501.read(
                market_folder(
                    tmp_path,
                    train=["0001_c1.jpg", "0001_c2.jpg", *nobody],
                    query=["0002_c1.jpg", *nobody],
                    gallery=["0002_c2.jpg", *nobody],
                )
            )
        )
    parts = (dataset.train, dataset.query, dataset.gallery)
    assert [[s.identity for s in part] for part in parts] == [[1, 1], [2], [0, 2]]
    assert "1 junk or distractor picture left out of the gallery of market1501" in caplog.text
    assert "2 junk or distractor pictures left out of the query part" in caplog.text


@pytest.mark.parametrize("below", ["", *market1501.FOLDER_NAMES])
def test_the_usual_folder_names_are_looked_into(
    tmp_path: Path, market_folder: MarketFolder, below: str
) -> None:
    market_folder(tmp_path / below)
    assert assemble(market1501.read(tmp_path)).query[0].path.parent == tmp_path / below / "query"


def test_a_missing_root_is_named_with_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere, which is not a folder.*bounding_box_train"):
        assemble(market1501.read(tmp_path / "nowhere"))


def test_missing_folders_are_answered_with_what_lies_there(
    tmp_path: Path, market_folder: MarketFolder
) -> None:
    market_folder(tmp_path)
    shutil.rmtree(tmp_path / "query")
    with pytest.raises(ValueError, match="there lies bounding_box_test, bounding_box_train: "):
        assemble(market1501.read(tmp_path))


def test_a_folder_without_pictures_is_refused(tmp_path: Path, market_folder: MarketFolder) -> None:
    with pytest.raises(ValueError, match="query holds no jpg or png picture"):
        assemble(market1501.read(market_folder(tmp_path, query=["readme.txt"])))


def test_a_part_of_junk_alone_is_refused(tmp_path: Path, market_folder: MarketFolder) -> None:
    with pytest.raises(ValueError, match="query part of market1501 has no picture of an identity"):
        assemble(market1501.read(market_folder(tmp_path, query=["-1_c1s1_000001_00.jpg"])))


def test_names_that_say_nothing_are_refused(tmp_path: Path, market_folder: MarketFolder) -> None:
    with pytest.raises(ValueError, match=r"None of the 2 picture names .*such as IMG_1\.jpg"):
        assemble(market1501.read(market_folder(tmp_path, train=["IMG_1.jpg", "IMG_2.jpg"])))


def test_single_names_that_say_nothing_are_named(
    tmp_path: Path, market_folder: MarketFolder, caplog: pytest.LogCaptureFixture
) -> None:
    market_folder(tmp_path, train=["0001_c1.jpg", "0001_c2.jpg", "IMG_1.jpg"])
    assert len(assemble(market1501.read(tmp_path)).train) == 2
    assert "1 picture (IMG_1.jpg)" in caplog.text


def test_an_identity_in_training_and_test_is_refused(
    tmp_path: Path, market_folder: MarketFolder
) -> None:
    train = ["0001_c1.jpg", "0002_c1.jpg", "0002_c2.jpg"]
    with pytest.raises(ValueError, match=r"1 identity in training and in test \(2\)"):
        assemble(market1501.read(market_folder(tmp_path, train=train)))


def test_an_identity_with_one_picture_is_logged_by_name(
    tmp_path: Path, market_folder: MarketFolder, caplog: pytest.LogCaptureFixture
) -> None:
    market_folder(tmp_path, train=["0001_c1.jpg", "0001_c2.jpg", "0005_c1.jpg"])
    assemble(market1501.read(tmp_path))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "1 training identity of market1501 with one picture only" in caplog.text
    assert caplog.text.rstrip().endswith(": 5")


@pytest.mark.parametrize(("folder", "warned"), [("Market-1501-v15.09.15", True), ("mine", False)])
def test_only_a_folder_that_calls_itself_market_1501_must_have_its_counts(
    tmp_path: Path,
    market_folder: MarketFolder,
    caplog: pytest.LogCaptureFixture,
    folder: str,
    warned: bool,
) -> None:
    assemble(market1501.read(market_folder(tmp_path / folder)))
    wrong = (
        "has 2 instead of 12,936 training pictures, 1 instead of 3,368 query pictures, 1 instead of"
        " 15,913 gallery pictures, 1 instead of 751 training identities, 1 instead of 750 test"
        " identities and 2 instead of 6 cameras: its scores cannot be compared with published ones"
    )
    assert (wrong in caplog.text) == warned


@pytest.mark.parametrize(
    ("folder", "layout"),
    [
        ("Market-1501-v15.09.15", "Market-1501 v15.09.15"),
        ("market_1501", "Market-1501"),
        ("mine", "Market-1501's layout"),
    ],
)
def test_the_layout_says_the_version_that_the_folder_states(
    tmp_path: Path, market_folder: MarketFolder, folder: str, layout: str
) -> None:
    assert assemble(market1501.read(market_folder(tmp_path / folder))).layout == layout


def test_a_link_is_called_what_it_is_called_and_what_it_leads_to(
    tmp_path: Path, market_folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = market_folder(tmp_path / "Market-1501-v15.09.15")
    (tmp_path / "link").symlink_to(place)
    assert market1501.read(tmp_path / "link").known == market1501.KNOWN_COUNTS
    monkeypatch.chdir(place)
    assert market1501.read(Path()).known == market1501.KNOWN_COUNTS
    place.rename(tmp_path / "elsewhere")
    (tmp_path / "market1501").symlink_to(tmp_path / "elsewhere")
    assert market1501.read(tmp_path / "market1501").known == market1501.KNOWN_COUNTS
    assert not market1501.read(tmp_path / "elsewhere").known


def test_hidden_files_and_folders_are_no_pictures(
    tmp_path: Path, market_folder: MarketFolder, caplog: pytest.LogCaptureFixture
) -> None:
    market_folder(tmp_path)
    for hidden in ("._0001_c1s1_000001_00.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "bounding_box_train" / hidden).touch()
    (tmp_path / "bounding_box_train" / "0001_c9.jpg").mkdir()
    assert len(assemble(market1501.read(tmp_path)).train) == 2
    assert not caplog.records


def test_reading_drops_and_refuses_nothing(tmp_path: Path, market_folder: MarketFolder) -> None:
    junk, distractor, both = "-1_c1s1_000001_00.jpg", "0000_c1s1_000001_00.jpg", "0002_c1.jpg"
    names = [junk, distractor, both]
    folder = market_folder(tmp_path, train=names, query=names, gallery=names)
    (folder / "query" / both).unlink()
    (folder / "query" / both).symlink_to(folder / "nothing")
    inventory = market1501.read(folder)
    for part in (inventory.train, inventory.query, inventory.gallery):
        assert [sighting.identity for sighting in part] == [-1, 0, 2]
    with pytest.raises(
        ValueError, match=r"1 of the 4 pictures of market1501 do not exist \(.*0002"
    ):
        assemble(market1501.read(folder))


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("vehicles_a", (2160, 720, 1440)),
        ("vehicles_b", (900, 500, 1000)),
        ("omniglot_small", (2720, 424, 1696)),
    ],
)
def test_real_folders_have_the_counts_they_are_known_by(
    real_data: Path, folder: str, counts: tuple[int, int, int]
) -> None:
    dataset = assemble(market1501.read(real_data / folder, name="market_layout"))
    assert (len(dataset.train), len(dataset.query), len(dataset.gallery)) == counts
