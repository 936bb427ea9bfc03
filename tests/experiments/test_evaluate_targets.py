"""What --data names is one data set, told from others by a label that holds no path."""

from pathlib import Path

import pytest

from experiments.evaluate_targets import Target, open_target, targets_of
from reid_data.records import Sighting


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("market1501=/data", Target("market1501", "market1501", Path("/data"))),
        ("market1501", Target("market1501", "market1501", None)),
        ("veri776=a=b", Target("veri776", "veri776", Path("a=b"))),
        ("market_layout:x/y=/d", Target("market_layout:x/y", "market_layout:x/y", Path("/d"))),
        ("./market1501", Target("market1501", None, Path("market1501"))),
        ("/data/my set", Target("my set", None, Path("/data/my set"))),
        ("/data/lr=0.1", Target("lr=0.1", None, Path("/data/lr=0.1"))),
        ("market151=/data", Target("data", None, Path("market151=/data"))),
        ("/data/m.csv", Target("m.csv", None, Path("/data/m.csv"))),
    ],
)
def test_a_name_of_the_catalog_may_have_a_root_and_all_else_is_a_path(
    text: str, expected: Target
) -> None:
    assert targets_of([text]) == (expected,)


def test_two_data_sets_whose_results_would_have_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="names b more than once"):
        targets_of(["/x/a", "/x/b", "/y/b"])
    with pytest.raises(ValueError, match="names my set more than once"):
        targets_of(["my set", "my_set"])  # folders of their pages would be one


def test_a_slug_is_a_file_name() -> None:
    (target,) = targets_of(["market_layout:../x y/ä=/d"])
    assert target.slug == "market_layout_x_y"


def test_what_is_neither_a_name_nor_a_path_is_said_to_be_so(tmp_path: Path) -> None:
    (target,) = targets_of([str(tmp_path / "market151")])
    with pytest.raises(ValueError, match=r"neither a folder or file here nor the name of a data"):
        open_target(target)


def test_a_folder_is_recognised_and_its_files_are_named_from_it(tiny_folder: Path) -> None:
    for text in (str(tiny_folder), f"market_layout={tiny_folder}"):
        opened = open_target(*targets_of([text]))
        names = [opened.file_of(one) for one in opened.dataset.query]
        assert names == sorted(names)
        assert all((tiny_folder / name).is_file() for name in names)
        assert names[0].startswith("query/")
    elsewhere = Sighting(1, 1, Path("/elsewhere/a.png"))
    assert opened.file_of(elsewhere) == "a.png"


def test_a_name_alone_lies_below_the_root_of_the_environment(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    opened = open_target(*targets_of(["market_layout"]))
    assert opened.folder == tiny_folder
    assert len(opened.dataset.query) == 8


def test_a_data_set_without_queries_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    picture = next((tiny_folder / "query").iterdir())
    rows = [f"{picture},{who},{camera},train" for who in (1, 2) for camera in (1, 2)]
    copies = []
    for place, row in enumerate(rows):
        copy = tmp_path / f"{place}.png"
        copy.write_bytes(picture.read_bytes())
        copies.append(row.replace(str(picture), copy.name))
    (tmp_path / "m.csv").write_text("path,identity,camera,split\n" + "\n".join(copies))
    (target,) = targets_of([str(tmp_path / "m.csv")])
    with pytest.raises(ValueError, match=r"m\.csv has no query pictures"):
        open_target(target)


def test_the_home_of_nobody_is_no_place() -> None:
    with pytest.raises(ValueError, match="is neither a folder or file here nor the name"):
        open_target(targets_of(["~nobody_of_this_name/x"])[0])
