"""A name leads to a data set, or to one sentence that says what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data import catalog
from reid_data.catalog import TrainingPart, load_dataset
from reid_data.synthetic import SyntheticSettings

MarketFolder = Callable[..., Path]


def test_a_data_set_is_found_through_the_environment(
    tmp_path: Path, market_folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(market_folder(tmp_path)))
    assert load_dataset("market_layout").name == "market_layout"
    assert load_dataset("market1501").name == "market1501"


@pytest.mark.parametrize("name", catalog.SOURCES)
def test_without_a_root_the_variable_to_set_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REID_DATA_ROOT", raising=False)
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    with pytest.raises(ValueError, match=f"'{name}' needs a folder with .*, or set REID_DATA_ROOT"):
        load_dataset(name)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'dukemtmc' is unknown: take one of market1501, .*_b"):
        load_dataset("dukemtmc")


@pytest.mark.parametrize("name", ["market1501", "veri776", "vehicleid", "synthetic_persons"])
@pytest.mark.parametrize("part", ["train", "all"])
def test_a_training_part_that_a_data_set_does_not_have_is_refused(
    name: str, part: TrainingPart, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"'{name}' has no training part '{part}': take trainval"):
        load_dataset(name, tmp_path, part=part)


def test_every_data_set_has_the_part_that_is_the_default(
    tmp_path: Path, market_folder: MarketFolder
) -> None:
    folder = market_folder(tmp_path)
    assert load_dataset("market1501", folder, part="trainval") == load_dataset("market1501", folder)


@pytest.mark.parametrize(
    ("name", "size"), [("vehicleid", 800), ("vehicleid_1600", 1600), ("vehicleid_2400", 2400)]
)
def test_each_test_size_of_vehicleid_has_a_name(name: str, size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"train_list.txt and .*test_list_{size}.txt"):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("place", ["root", "cache", "home"])
def test_an_embedded_data_set_is_rendered_where_it_may_be(
    place: str, tmp_path: Path, market_folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered(settings: SyntheticSettings, root: Path) -> Path:
        del settings
        return market_folder(root / "rendered")

    monkeypatch.setattr(catalog, "write", rendered)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path / "not-here"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if place == "cache":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    expected = {
        "root": tmp_path / "root",
        "cache": tmp_path / "cache" / "nni-reid",
        "home": tmp_path / "home" / ".cache" / "nni-reid",
    }[place]

    dataset = load_dataset("synthetic_persons", expected if place == "root" else None)

    assert dataset.name == "synthetic_persons"
    assert dataset.query[0].path.parent.parent == expected / "rendered"
