"""A name leads to a data set, or to one sentence that says what to do."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_data import catalog
from reid_data.catalog import TrainingPart, load_dataset, read_inventory
from reid_data.parts import assemble, count_differences
from reid_data.synthetic import SyntheticSettings

MarketFolder = Callable[..., Path]
Published = Callable[[Path, str], Path]


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


@pytest.mark.parametrize(
    ("layout", "name", "result"),
    [
        ("Market-1501-v15.09.15", "market1501", "market1501"),
        ("MSMT17_V1", "msmt17", "msmt17_v1"),
        ("MSMT17_V2", "msmt17", "msmt17_v2"),
        ("VeRi", "veri776", "veri776"),
        ("VehicleID_V1.0", "vehicleid_2400", "vehicleid_2400"),
        ("cuhk03-np/detected", "cuhk03_detected", "cuhk03_detected"),
        ("cuhk03-np/labeled", "cuhk03_labeled", "cuhk03_labeled"),
        ("PersonX", "personx", "personx"),
        ("PersonX_v1/1", "personx", "personx"),
    ],
)
def test_every_published_data_set_is_found_below_the_root(
    layout: str, name: str, result: str, tmp_path: Path, published: Published
) -> None:
    folder = published(tmp_path, layout)
    inventory = read_inventory(name, tmp_path)
    assert (inventory.name, inventory.folder) == (result, folder)
    assert load_dataset(name, tmp_path) == assemble(inventory)
    assert bool(count_differences(inventory)) == (layout != "PersonX_v1/1")


def test_data_of_ones_own_is_found_by_name(tmp_path: Path) -> None:
    for person in ("1", "2"):
        for camera in (1, 2):
            (tmp_path / person).mkdir(exist_ok=True)
            (tmp_path / person / f"c{camera}.jpg").touch()
    assert load_dataset("identity_folders", tmp_path).name == "identity_folders"
    lines = ["path,identity,camera,split", *(f"1/c{c}.jpg,1,{c},train" for c in (1, 2))]
    lines += ["2/c1.jpg,2,1,query", "2/c2.jpg,2,2,gallery"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    assert load_dataset("manifest", tmp_path).name == "manifest"
    assert load_dataset("manifest", tmp_path / "mine.csv").name == "manifest"
    assert load_dataset("manifest:mine.csv", tmp_path).name == "manifest:mine.csv"


def test_the_log_says_layout_version_and_counts(
    tmp_path: Path, published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    published(tmp_path, "MSMT17_V2")
    published(tmp_path, "VehicleID_V1.0")
    with caplog.at_level(logging.INFO, logger="reid_data.catalog"):
        load_dataset("msmt17", tmp_path)
        load_dataset("vehicleid", tmp_path)
    assert [record.message for record in caplog.records if record.levelname == "INFO"] == [
        "msmt17_v2 (MSMT17 V2, trained on trainval): 2 training, 1 query and 1 gallery pictures, 1"
        " training and 1 test identities, 4 cameras",
        "vehicleid_800 (VehicleID, tested on 800 identities): 2 training and 2 test pictures, 1"
        " training and 1 test identities, 0 cameras",
    ]


def test_a_folder_below_the_root_is_named_behind_a_colon(
    tmp_path: Path, market_folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = market_folder(tmp_path / "sets" / "one")
    market_folder(tmp_path / "sets" / "two")
    assert read_inventory("market_layout:sets/one", tmp_path).folder == one
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path / "sets"))
    dataset = load_dataset("market_layout:two")
    assert dataset.name == "market_layout:two"
    assert dataset.query[0].path.parent == tmp_path / "sets" / "two" / "query"
    with pytest.raises(
        ValueError, match=r"'market_layout:three' was looked for in .*lies one, two"
    ):
        load_dataset("market_layout:three")


def test_a_folder_of_an_edition_chooses_it(tmp_path: Path, published: Published) -> None:
    published(tmp_path, "MSMT17_V1")
    (tmp_path / "MSMT17_V2").mkdir()
    published(tmp_path, "MSMT17_V2")
    assert read_inventory("msmt17:MSMT17_V1", tmp_path).name == "msmt17_v1:MSMT17_V1"
    assert read_inventory("msmt17:MSMT17_V2", tmp_path).name == "msmt17_v2:MSMT17_V2"


@pytest.mark.parametrize("folder", ["", "/tmp", "../else", "a/../../else"])
def test_only_a_folder_below_the_root_stands_behind_a_colon(folder: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"names '{folder}' behind the colon, where a folder or"):
        read_inventory(f"market1501:{folder}", tmp_path)


def test_an_embedded_data_set_has_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'synthetic_persons' is embedded .*: leave out ':small'"):
        read_inventory("synthetic_persons:small", tmp_path)


def test_a_sum_trains_on_all_and_tests_on_the_first(
    tmp_path: Path, market_folder: MarketFolder, published: Published
) -> None:
    one = market_folder(tmp_path / "one")
    published(tmp_path, "MSMT17_V2")
    dataset = load_dataset("market_layout:one + msmt17", tmp_path)
    # one: identity 1 in training and 2 in the test, cameras 1 and 2; MSMT17's identity 0 and its
    # cameras 1 and 5 follow behind them.
    assert [(s.identity, s.camera) for s in dataset.train] == [(1, 1), (1, 2), (3, 3), (3, 4)]
    assert [s.path.parent for s in dataset.query + dataset.gallery] == [
        one / "query",
        one / "bounding_box_test",
    ]
    assert dataset.name == "market_layout:one+msmt17_v2"
    assert dataset.layout == "Market-1501's layout + MSMT17 V2, trained on trainval"


def test_a_sum_takes_embedded_data_sets_and_needs_no_root_for_them(
    tmp_path: Path, market_folder: MarketFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered(settings: SyntheticSettings, root: Path) -> Path:
        return market_folder(root / settings.kind)

    monkeypatch.setattr(catalog, "write", rendered)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("REID_DATA_ROOT", str(market_folder(tmp_path / "mine")))
    dataset = load_dataset("synthetic_persons+synthetic_vehicles+market_layout")
    assert dataset.name == "synthetic_persons+synthetic_vehicles+market_layout"
    assert [s.identity for s in dataset.train] == [1, 1, 3, 3, 4, 4]
    assert dataset.layout.count("embedded, in Market-1501's layout") == 2


@pytest.mark.parametrize(("part", "msmt17"), [("train", 1), ("trainval", 2), ("all", 4)])
def test_in_a_sum_the_training_part_goes_to_those_that_have_it(
    part: TrainingPart,
    msmt17: int,
    tmp_path: Path,
    market_folder: MarketFolder,
    published: Published,
) -> None:
    market_folder(tmp_path / "one")
    published(tmp_path, "MSMT17_V1")
    dataset = load_dataset("market_layout:one+msmt17", tmp_path, part=part)
    assert len(dataset.train) == 2 + msmt17
    assert len(dataset.query + dataset.gallery) == 2
    turned = load_dataset("msmt17+market_layout:one", tmp_path, part=part)
    assert len(turned.train) == 2 + msmt17
    assert len(turned.query + turned.gallery) == (0 if part == "all" else 2)


def test_a_training_part_that_none_of_a_sum_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"'veri776\+market1501' has no training part 'all': take tr"
    ):
        load_dataset("veri776+market1501", tmp_path, part="all")


@pytest.mark.parametrize("name", ["market1501+dukemtmc", "dukemtmc+market1501", "market1501+", ""])
def test_an_unknown_name_of_a_sum_is_answered_like_any_other(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'(dukemtmc)?' is unknown: take one of market1501"):
        read_inventory(name, tmp_path)


def test_a_data_set_is_named_once_in_a_sum(tmp_path: Path, published: Published) -> None:
    published(tmp_path, "VehicleID_V1.0")
    with pytest.raises(ValueError, match=r"vehicleid_1600 has 2 pictures that .* name each data"):
        read_inventory("vehicleid+vehicleid_1600", tmp_path)


@pytest.mark.parametrize(
    ("layouts", "name", "whose"),
    [
        (
            ("cuhk03-np/detected", "cuhk03-np/labeled"),
            "cuhk03_detected+cuhk03_labeled",
            "cuhk03_detected and cuhk03_labeled both show the identities of CUHK03",
        ),
        (
            ("MSMT17_V1", "MSMT17_V2"),
            "msmt17:MSMT17_V1+msmt17:MSMT17_V2",
            "msmt17_v1:MSMT17_V1 and msmt17_v2:MSMT17_V2 both show the identities of MSMT17",
        ),
    ],
)
def test_two_editions_are_the_same_identities(
    layouts: tuple[str, str], name: str, whose: str, tmp_path: Path, published: Published
) -> None:
    for layout in layouts:
        published(tmp_path, layout)
    with pytest.raises(ValueError, match=whose):
        read_inventory(name, tmp_path)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("market1501", True),
        ("market_layout:a + msmt17", True),
        ("market1501+", False),
        ("", False),
        ("./market1501", False),
    ],
)
def test_words_are_a_name_where_all_of_a_sum_are_known(words: str, *, named: bool) -> None:
    assert catalog.is_name(words) == named


@pytest.mark.data
def test_real_folders_are_combined(real_data: Path) -> None:
    dataset = load_dataset("market_layout:vehicles_a+market_layout:vehicles_b", real_data)
    assert len(dataset.train) == 2160 + 900
    assert (len(dataset.query), len(dataset.gallery)) == (720, 1440)
