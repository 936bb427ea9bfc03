"""A folder below the root is found, or an answer says what to type for what lies there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data.below import find_below, require_no_choice
from reid_data.catalog import read_inventory
from reid_data.layout import Place

MarketFolder = Callable[..., Path]

PLACE = Place(needed=("list", "images"), names=("usual", "any/*"))


def laid_out(folder: Path) -> Path:
    for name in PLACE.needed:
        (folder / name).mkdir(parents=True)
    return folder


def test_a_folder_is_found_below_the_root_first_and_then_below_the_usual_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "usual" / "a").mkdir(parents=True)
    assert find_below(tmp_path, "x:a", PLACE) == tmp_path / "usual" / "a"
    (tmp_path / "a").touch()
    assert find_below(tmp_path, "x:a", PLACE) == tmp_path / "a"
    assert find_below(tmp_path, "x:a", None) == tmp_path / "a"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("x:vehicle_a", r"lies sets, vehicles_a: did you mean 'x:vehicles_a'\?$"),
        ("x:sets/vehicles_c", r"sets, where lies vehicles_b: did you mean 'x:sets/vehicles_b'\?$"),
        ("x:people", r"lies sets, vehicles_a: name a folder there, or pass the folder"),
        ("x:none/vehicles_a", r"looked for in .*none, which is not a folder"),
    ],
)
def test_what_is_not_there_is_answered_with_what_to_type(
    tmp_path: Path, typed: str, words: str
) -> None:
    (tmp_path / "vehicles_a").mkdir()
    (tmp_path / "sets" / "vehicles_b").mkdir(parents=True)
    with pytest.raises(ValueError, match=f"^Data set '{typed}' was .*{words}"):
        find_below(tmp_path, typed, PLACE)


def test_a_root_of_several_folders_is_answered_with_the_names_to_type(tmp_path: Path) -> None:
    for name in ("b", "a"):
        laid_out(tmp_path / name)
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match=r"needs list and images, .*: name one .*, as x:a, x:b\.$"):
        require_no_choice(tmp_path, "x", PLACE)


def test_a_root_that_leaves_no_choice_or_holds_nothing_is_left_to_the_reader(
    tmp_path: Path,
) -> None:
    require_no_choice(tmp_path, "x", PLACE)
    require_no_choice(tmp_path / "nowhere", "x", PLACE)
    laid_out(tmp_path / "a")
    require_no_choice(tmp_path, "x", None)
    laid_out(tmp_path / "usual")
    require_no_choice(tmp_path, "x", PLACE)


def test_the_catalog_says_what_to_type(
    tmp_path: Path, market_folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    market_folder(tmp_path / "vehicles_a")
    market_folder(tmp_path / "vehicles_b")
    with pytest.raises(
        ValueError, match=r"as market_layout:vehicles_a, market_layout:vehicles_b\.$"
    ):
        read_inventory("market_layout", tmp_path)
    with pytest.raises(ValueError, match=r"did you mean 'market_layout:vehicles_a'\?$"):
        read_inventory("market_layout:vehicle_a", tmp_path)
    for variable in ("REID_DATA_ROOT", "FASTREID_DATASETS"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=r"below it, name one as market_layout:my_folder\.$"):
        read_inventory("market_layout")
    with pytest.raises(ValueError, match=r"or set REID_DATA_ROOT\.$"):
        read_inventory("market_layout:vehicles_a")
