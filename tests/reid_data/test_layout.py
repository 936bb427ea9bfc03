"""The root is what the user named: the argument first, then one variable, then the other."""

from pathlib import Path

import pytest

from reid_data.layout import (
    Place,
    calls_itself,
    counted,
    data_root,
    expanded,
    first_few,
    in_words,
    pictures_in,
)


def test_the_argument_comes_before_both_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, argument = Path("/first"), Path("/second"), Path("/argument")
    monkeypatch.delenv("REID_DATA_ROOT", raising=False)
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    assert data_root(None) is None
    monkeypatch.setenv("FASTREID_DATASETS", str(second))
    assert data_root(None) == second
    monkeypatch.setenv("REID_DATA_ROOT", str(first))
    assert data_root(None) == first
    assert data_root(argument) == argument


def test_an_empty_variable_is_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", "")
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    assert data_root(None) is None


def test_long_lists_are_cut_and_counted() -> None:
    assert first_few([1, 2, 3, 4, 5]) == "1, 2, 3, 4, 5"
    assert first_few([1, 2, 3, 4, 5, 6, 7]) == "1, 2, 3, 4, 5 and 2 more"


def test_a_list_is_said_as_a_sentence_has_it() -> None:
    assert in_words(["query"]) == "query"
    assert in_words(["query", "gallery"]) == "query and gallery"
    assert in_words(["train", "query", "gallery"]) == "train, query and gallery"


@pytest.mark.parametrize(
    ("folder", "called"),
    [
        ("Market-1501-v15.09.15", True),
        ("market1501", True),
        ("MARKET_1501 (copy)", True),
        ("market", False),
        ("my-market1501", False),
        ("Market-1502", False),
    ],
)
def test_a_folder_calls_itself_by_letters_and_digits_alone(folder: str, called: bool) -> None:
    assert calls_itself(Path("/data") / folder, "market1501") == called


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("ours/b", "ours/a", "ours/.hidden/deep", "else/a", "a", "ours"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "list").touch()
    return tmp_path


def test_the_root_comes_first_and_then_the_usual_names_in_their_order(tree: Path) -> None:
    place = Place(needed=["list"], names=["ours/b", "ours/a", "nothing", "a"])
    assert place.find(tree) == [tree / "ours/b", tree / "ours/a", tree / "a"]
    assert place.find(tree / "a") == [tree / "a"]
    assert place.locate(tree, name="x") == tree / "ours/b"


def test_any_name_is_looked_for_in_the_sorted_order(tree: Path) -> None:
    place = Place(needed=["list"], names=["ours/*"])
    assert place.find(tree) == [tree / f"ours/{name}" for name in ("a", "b")]


def test_a_name_is_known_from_the_middle_of_it(tree: Path) -> None:
    place = Place(needed=["list"], names=["ours/a"])
    (tree / "ours" / "list").unlink()
    assert place.find(tree / "ours") == [tree / "ours/a"]
    assert place.find(tree / "else") == []  # its folder a is nobody's usual name


def test_a_folder_is_usual_by_the_end_of_its_way(tree: Path) -> None:
    place = Place(needed=["list"], names=["ours/*", "a"])
    assert place.is_usual(tree / "ours/b")
    assert place.is_usual(tree / "else/a")
    assert not place.is_usual(tree / "else")


def test_all_that_is_needed_has_to_be_there_and_half_of_it_is_told_apart(tree: Path) -> None:
    (tree / "a" / "pictures").mkdir()
    place = Place(needed=["list", "pictures", "readme", "licence"], names=["a", "ours"])
    assert place.find(tree) == []
    assert place.is_half_there(tree / "a")
    assert not place.is_half_there(tree / "ours")
    assert not Place(needed=["list"], names=[]).is_half_there(tree / "ours")


def test_one_sign_is_enough_and_what_others_share_under_a_usual_name_only(tree: Path) -> None:
    place = Place(needed=["x", "y", "z"], names=["a"], signs=["mask"], shared=["train"])
    for folder in (tree / "a", tree / "ours/b"):
        (folder / "train").mkdir()
    assert place.is_half_there(tree / "a")
    assert not place.is_half_there(tree / "ours/b")
    (tree / "ours/b/mask").mkdir()
    assert place.is_half_there(tree / "ours/b")
    for needed in place.needed:
        (tree / "ours/b" / needed).touch()
    assert not place.is_half_there(tree / "ours/b")


def test_a_folder_below_that_fits_under_another_name_is_named(tree: Path) -> None:
    place = Place(needed=["list"], names=["mine"])
    (tree / "ours" / "list").unlink()
    with pytest.raises(ValueError, match=r"needs list .*; .*/ours/a, .*/ours/b would do: pass"):
        place.locate(tree / "ours", name="x")


@pytest.mark.parametrize("variable", [None, "REID_DATA_ROOT", "FASTREID_DATASETS"])
def test_a_home_folder_that_nobody_knows_is_one_sentence(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path("~nobody-of-this-name/data")
    monkeypatch.delenv("REID_DATA_ROOT", raising=False)
    if variable:
        monkeypatch.setenv(variable, str(root))
    with pytest.raises(ValueError, match="home folder of ~nobody-of-this-name, which is not known"):
        data_root(None if variable else root)
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded(Path("~/data")) == Path("/home/me/data")


def test_one_is_not_several() -> None:
    words = [counted(number, "picture", "pictures") for number in (0, 1, 2, 1000)]
    assert words == ["0 pictures", "1 picture", "2 pictures", "1,000 pictures"]


def test_two_ways_to_one_folder_are_one(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "a")
    assert Place(needed=["list"], names=["link", "a"]).find(tree) == [tree / "link"]


def test_pictures_are_files_with_an_ending_that_are_not_hidden(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JPG", "c.jpeg", "d.PNG", "._a.jpg", ".jpg", "Thumbs.db", "e.gif"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    names = sorted(path.name for path in pictures_in(tmp_path))
    # lost.png will be missed, and loop.jpg cannot be read
    assert names == ["a.jpg", "b.JPG", "c.jpeg", "d.PNG", "loop.jpg", "lost.png"]
    assert [path.name for path in pictures_in(tmp_path, {".gif"})] == ["e.gif"]
