"""PersonX is one folder in Market-1501's layout, or sub-domains of which one has to be named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data import personx
from reid_data.catalog import load_dataset
from reid_data.parts import assemble
from reid_data.records import Sighting

Published = Callable[[Path, str], Path]
MarketFolder = Callable[..., Path]


def test_a_file_name_says_identity_and_camera(tmp_path: Path, published: Published) -> None:
    folder = published(tmp_path, "PersonX")
    dataset = assemble(personx.read(folder))
    assert dataset.train == (
        Sighting(1, 3, folder / "bounding_box_train" / "0001_c3_1.jpg"),
        Sighting(1, 12, folder / "bounding_box_train" / "0001_c12_2.jpg"),
    )
    assert (dataset.name, dataset.layout) == ("personx", "PersonX")


@pytest.mark.parametrize("below", ["", *personx.FOLDER_NAMES])
def test_the_usual_folder_names_are_looked_into(
    tmp_path: Path, market_folder: MarketFolder, below: str
) -> None:
    market_folder(tmp_path / "data" / below)
    found = assemble(personx.read(tmp_path / "data"))
    assert found.query[0].path.parent == tmp_path / "data" / below / "query"


@pytest.mark.parametrize("root", [".", "PersonX_v1", "PersonX_v1/1"])
def test_the_only_sub_domain_is_taken(tmp_path: Path, published: Published, root: str) -> None:
    published(tmp_path, "PersonX_v1/1")
    (tmp_path / "PersonX_v1" / "readme").mkdir()
    dataset = assemble(personx.read(tmp_path / root))
    assert dataset.layout == "PersonX, sub-domain 1"


@pytest.mark.parametrize("root", [".", "PersonX_v1"])
def test_of_several_sub_domains_one_has_to_be_named(
    tmp_path: Path, published: Published, market_folder: MarketFolder, root: str
) -> None:
    published(tmp_path, "PersonX_v1/1")
    market_folder(tmp_path / "PersonX_v1" / "12")
    market_folder(tmp_path / "PersonX_v1" / "3")
    with pytest.raises(
        ValueError, match=r"PersonX_v1 holds 3 sub-domains .*, 1, 12 and 3: name one, as in .*x:1\."
    ):
        assemble(personx.read(tmp_path / root))
    assert assemble(personx.read(tmp_path / "PersonX_v1" / "12")).layout == "PersonX, sub-domain 12"
    dataset = load_dataset("personx:3", tmp_path / root)
    assert dataset.query[0].path == tmp_path / root / (
        "3/query/0002_c1s1_000001_00.jpg"
        if root != "."
        else "PersonX_v1/3/query/0002_c1s1_000001_00.jpg"
    )
    assert (dataset.name, dataset.layout) == ("personx:3", "PersonX, sub-domain 3")


def test_three_folders_come_before_sub_domains(
    tmp_path: Path, published: Published, market_folder: MarketFolder
) -> None:
    folder = published(tmp_path, "PersonX")
    market_folder(folder / "1")
    market_folder(folder / "2")
    assert assemble(personx.read(folder)).query[0].path.parent == folder / "query"
    assert assemble(personx.read(tmp_path)).query[0].path.parent == folder / "query"


def test_another_data_set_beside_it_is_no_sub_domain(tmp_path: Path, published: Published) -> None:
    published(tmp_path, "Market-1501-v15.09.15")
    with pytest.raises(ValueError, match="'personx' needs bounding_box_train"):
        assemble(personx.read(tmp_path))


def test_counts_are_known_of_the_whole_and_not_of_a_sub_domain(
    tmp_path: Path, published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(personx.read(published(tmp_path, "PersonX_v1/1")))
    assert not caplog.records
    assemble(personx.read(published(tmp_path, "PersonX")))
    assert (
        "has 2 instead of 9,840 training pictures, 1 instead of 5,136 query pictures, 1 instead of"
        " 30,816 gallery pictures, 1 instead of 410 training identities, 1 instead of 856 test"
        " identities and 4 instead of 6 cameras: its scores"
    ) in caplog.text
