"""A folder is recognised by what lies in it, and by its name where several are laid out alike."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data.catalog import SOURCES
from reid_data.parts import assemble, counts_of
from reid_data.recognition import recognise

Published = Callable[[Path, str], Path]
MarketFolder = Callable[..., Path]

LAYOUTS = [
    ("Market-1501-v15.09.15", "market1501", "Market-1501 v15.09.15"),
    ("MSMT17_V1", "msmt17_v1", "MSMT17 V1, trained on trainval"),
    ("MSMT17_V2", "msmt17_v2", "MSMT17 V2, trained on trainval"),
    ("VeRi", "veri776", "VeRi-776"),
    ("VehicleID_V1.0", "vehicleid_800", "VehicleID, tested on 800 identities"),
    ("cuhk03-np/detected", "cuhk03_detected", "CUHK03-NP, detected boxes"),
    ("cuhk03-np/labeled", "cuhk03_labeled", "CUHK03-NP, labeled boxes"),
    ("PersonX", "personx", "PersonX"),
    ("PersonX_v1/1", "personx", "PersonX, sub-domain 1"),
]
"""Folder of a published data set, and its name and version."""

USUAL = [
    ("Market-1501-v15.09.15", "Market-1501-v15.09.15"),
    ("Market-1501-v15.09.15", "market1501/Market-1501-v15.09.15"),
    ("Market-1501-v15.09.15", "market1501"),
    ("Market-1501-v15.09.15", "Market-1501"),
    ("MSMT17_V1", "MSMT17_V1"),
    ("MSMT17_V2", "MSMT17_V2"),
    ("MSMT17_V2", "MSMT17"),
    ("MSMT17_V1", "msmt17/MSMT17_V1"),
    ("MSMT17_V2", "msmt17/MSMT17_V2"),
    ("MSMT17_V1", "msmt17"),
    ("VeRi", "VeRi"),
    ("VeRi", "veri"),
    ("VeRi", "VeRi-776"),
    ("VehicleID_V1.0", "VehicleID_V1.0"),
    ("VehicleID_V1.0", "VehicleID"),
    ("VehicleID_V1.0", "vehicleid"),
    ("cuhk03-np/detected", "cuhk03-np/detected"),
    ("cuhk03-np/labeled", "CUHK03-NP/labeled"),
    ("cuhk03-np/labeled", "cuhk03/labeled"),
    ("PersonX", "PersonX"),
    ("PersonX", "personx"),
    ("PersonX_v1/1", "PersonX/1"),
    ("PersonX_v1/1", "personx/PersonX_v1/6"),
]
"""Folder of a published data set, and a place where copies of it are seen."""


@pytest.mark.parametrize(("layout", "name", "words"), LAYOUTS)
def test_every_published_layout_is_recognised_with_its_version(
    tmp_path: Path, published: Published, layout: str, name: str, words: str
) -> None:
    found = recognise(published(tmp_path, layout))
    assert (found.name, found.layout) == (name, words)
    assert assemble(found).layout == words


@pytest.mark.parametrize(("layout", "place"), USUAL)
def test_every_usual_place_is_recognised_from_above_and_from_itself(
    tmp_path: Path, published: Published, layout: str, place: str
) -> None:
    expected = next(name for known, name, _ in LAYOUTS if known == layout)
    (tmp_path / "data" / place).parent.mkdir(parents=True)
    published(tmp_path, layout).rename(tmp_path / "data" / place)
    for root in (tmp_path / "data", tmp_path / "data" / place):
        found = recognise(root)
        assert (found.name, found.folder) == (expected, tmp_path / "data" / place)


def test_a_relative_path_and_one_with_a_tilde_are_taken(
    tmp_path: Path, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(published(tmp_path, "cuhk03-np/detected"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert recognise(Path()).name == "cuhk03_detected"
    assert recognise(Path("~/cuhk03-np/detected")).name == "cuhk03_detected"


def test_any_other_folder_laid_out_like_market_1501_is_just_that(
    tmp_path: Path, market_folder: MarketFolder
) -> None:
    found = recognise(market_folder(tmp_path / "mine"))
    assert (found.name, found.layout, found.known) == ("market_layout", "Market-1501's layout", {})


def test_a_layout_comes_before_a_manifest_beside_it(
    tmp_path: Path, market_folder: MarketFolder
) -> None:
    folder = market_folder(tmp_path / "mine")
    (folder / "manifest.csv").write_text("path,identity,camera,split\n")
    assert recognise(folder).name == "market_layout"


def test_the_folder_itself_comes_before_what_lies_below_it(
    tmp_path: Path, market_folder: MarketFolder, published: Published
) -> None:
    published(market_folder(tmp_path / "mine"), "VeRi")
    assert recognise(tmp_path / "mine").folder == tmp_path / "mine"


def test_vehicleid_is_tested_in_the_smallest_size_that_is_there(
    tmp_path: Path, published: Published
) -> None:
    folder = published(tmp_path, "VehicleID_V1.0")
    (folder / "train_test_split" / "test_list_800.txt").unlink()
    assert recognise(folder).name == "vehicleid_1600"


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("Market-1501-v15.09.15", "VeRi", r"market1501 in .*15; veri776 in .*VeRi\)"),
        ("MSMT17_V1", "MSMT17_V2", r"msmt17 in .*_V1; msmt17 in .*_V2\)"),
        ("cuhk03-np/labeled", "cuhk03-np/detected", r"cuhk03_detected in .*; cuhk03_labeled in"),
    ],
)
def test_of_several_one_has_to_be_named(
    tmp_path: Path, published: Published, one: str, other: str, words: str
) -> None:
    published(tmp_path, one)
    published(tmp_path, other)
    with pytest.raises(ValueError, match=rf"holds 2 data sets \(.*{words}.*: name one folder"):
        recognise(tmp_path)


@pytest.mark.parametrize("root", [".", "PersonX_v1"])
def test_of_several_sub_domains_one_has_to_be_named(
    tmp_path: Path, published: Published, market_folder: MarketFolder, root: str
) -> None:
    published(tmp_path, "PersonX_v1/1")
    market_folder(tmp_path / "PersonX_v1" / "2")
    with pytest.raises(ValueError, match=r"2 data sets \(personx in .*/1; personx in .*/2\)"):
        recognise(tmp_path / root)
    assert recognise(tmp_path / "PersonX_v1" / "2").layout == "PersonX, sub-domain 2"


def test_two_names_of_one_folder_are_one_data_set(tmp_path: Path, published: Published) -> None:
    published(tmp_path, "VeRi")
    (tmp_path / "veri").symlink_to(tmp_path / "VeRi")
    assert recognise(tmp_path).name == "veri776"


def test_a_manifest_is_a_file_or_lies_in_the_folder(tmp_path: Path) -> None:
    lines = [
        "path,identity,camera,split",
        "a.jpg,1,1,train",
        "b.jpg,2,1,query",
        "c.jpg,2,2,gallery",
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    shutil.copy(tmp_path / "manifest.csv", tmp_path / "mine.csv")
    for path in (tmp_path, tmp_path / "manifest.csv", tmp_path / "mine.csv"):
        found = recognise(path)
        assert found.name == "manifest"
        assert [len(part) for part in (found.train, found.query, found.gallery)] == [1, 1, 1]


@pytest.mark.parametrize("parts", [("",), ("train", "test"), ("train", "query", "gallery")])
def test_a_folder_per_identity_is_recognised(tmp_path: Path, parts: tuple[str, ...]) -> None:
    for part in parts:
        for person in ("anna", "berta"):
            (tmp_path / part / person).mkdir(parents=True)
            for camera in (1, 2):
                (tmp_path / part / person / f"c{camera}_{part}.jpg").touch()
    found = recognise(tmp_path)
    assert found.name == "identity_folders"
    assert len(found.train + found.query + found.gallery) == 4 * len(parts)


@pytest.mark.parametrize(
    ("layout", "lost", "words"),
    [
        ("Market-1501-v15.09.15", "query", "'market1501' needs .*there lies bounding_box_test, bo"),
        ("MSMT17_V2", "list_val.txt", "'msmt17' needs list_train.txt, list_val.txt, .*there lies"),
        ("VeRi", "image_test", "'veri776' needs image_train, image_query and image_test"),
        ("VehicleID_V1.0", "image", "'vehicleid' needs image, "),
        ("VehicleID_V1.0", "train_test_split", "'vehicleid' needs image, "),
        ("cuhk03-np/labeled", "query", "'cuhk03_labeled' needs bounding_box_train, "),
    ],
)
def test_half_a_data_set_is_no_folder_per_identity(
    tmp_path: Path, published: Published, layout: str, lost: str, words: str
) -> None:
    folder = published(tmp_path, layout)
    (folder / lost).rename(tmp_path / "lost")
    with pytest.raises(ValueError, match=words):
        recognise(folder)


@pytest.mark.parametrize("kept", ["bounding_box_train", "bounding_box_test"])
def test_one_folder_of_market_1501s_layout_is_no_folder_per_identity(
    tmp_path: Path, market_folder: MarketFolder, kept: str
) -> None:
    folder = market_folder(tmp_path / "mine")
    for part in {"bounding_box_train", "query", "bounding_box_test"} - {kept}:
        shutil.rmtree(folder / part)
    with pytest.raises(ValueError, match=rf"'market_layout' needs .*, and there lies {kept}: pass"):
        recognise(folder)


@pytest.mark.parametrize("name", ["MSMT17_V1", "MSMT17_V2", "msmt17", "mine"])
@pytest.mark.parametrize("edition", ["V1", "V2"])
def test_msmt17_without_its_lists_is_no_folder_per_identity(
    tmp_path: Path, published: Published, edition: str, name: str
) -> None:
    folder = published(tmp_path, f"MSMT17_{edition}")
    for listing in folder.glob("list_*.txt"):
        listing.unlink()
    folder = folder.rename(tmp_path / name)
    if (edition, name) == ("V1", "mine"):  # nothing tells it from data of one's own
        assert recognise(folder).name == "identity_folders"
        return
    for root in (folder, tmp_path):
        with pytest.raises(ValueError, match=r"'msmt17' needs list_train\.txt, list_val\.txt, "):
            recognise(root)


def test_a_folder_below_that_can_be_named_is_named(
    tmp_path: Path, market_folder: MarketFolder
) -> None:
    market_folder(tmp_path / "nested")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"lies empty, nested, but below it: name .*/nested\.$"):
        recognise(tmp_path)
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "manifest.csv").touch()
    with pytest.raises(ValueError, match=r"below it: name .*/listed, .*/nested\.$"):
        recognise(tmp_path)


def test_of_folders_with_folders_of_pictures_only_one_alone_is_named(tmp_path: Path) -> None:
    for person in ("ann", "bob"):
        (tmp_path / "people" / person / "camera1").mkdir(parents=True)
        (tmp_path / "people" / person / "camera1" / "a.jpg").touch()
    with pytest.raises(ValueError, match=r"where lies ann, bob: it needs bounding_box_train"):
        recognise(tmp_path / "people")
    shutil.rmtree(tmp_path / "people" / "bob")
    with pytest.raises(ValueError, match=r"lies ann, but below it: name .*ann"):
        recognise(tmp_path / "people")


def test_folders_of_pictures_in_other_formats_are_told_to_convert_them(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "a.webp").touch()
    with pytest.raises(ValueError, match=r"no jpg or png picture .*: convert ann/a\.webp, or list"):
        recognise(tmp_path)


def test_a_layout_whose_files_cannot_be_read_says_so_itself(
    tmp_path: Path, published: Published
) -> None:
    folder = published(tmp_path, "MSMT17_V1")
    (folder / "list_val.txt").write_text("0000/0000_000_01.jpg\n")
    with pytest.raises(ValueError, match=r"Line 1 of .*list_val\.txt is"):
        recognise(tmp_path)


def test_what_is_not_known_is_answered_with_what_lies_there_and_what_is_known(
    tmp_path: Path,
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "readme.txt").touch()
    (tmp_path / "pictures" / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"No data set is known in .*, where lies pictures"
    ) as said:
        recognise(tmp_path)
    assert all(source.layout in str(said.value) for source in SOURCES.values())
    with pytest.raises(ValueError, match="where lies nothing"):
        recognise(tmp_path / "pictures" / "empty")
    with pytest.raises(ValueError, match="nowhere is neither a folder nor a file"):
        recognise(tmp_path / "nowhere")


def test_a_missing_picture_stops_nobody_from_recognising(
    tmp_path: Path, published: Published
) -> None:
    folder = published(tmp_path, "VehicleID_V1.0")
    (folder / "image" / "0000020.jpg").unlink()
    assert counts_of(recognise(folder))["test"] == 2


@pytest.mark.data
@pytest.mark.parametrize("folder", ["vehicles_a", "vehicles_b", "omniglot_small"])
def test_real_folders_are_recognised(real_data: Path, folder: str) -> None:
    assert recognise(real_data / folder).name == "market_layout"
