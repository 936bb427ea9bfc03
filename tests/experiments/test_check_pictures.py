"""A sheet shows identities by camera: the same ones in query and gallery, and every kind of row."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from experiments.check_pictures import draw_sheets, evenly, sheets
from experiments.drawing.contact_sheet import Cell, Sheet
from reid_data.market1501 import read
from reid_data.records import DISTRACTOR, JUNK, Inventory, Protocol, Sighting


def part(name: str, seen: Iterable[tuple[int, int]]) -> tuple[Sighting, ...]:
    return tuple(
        Sighting(identity, camera, Path(f"{name}/{number:03d}_{identity}_{camera}.jpg"))
        for number, (identity, camera) in enumerate(seen)
    )


def inventory(**parts: Iterable[tuple[int, int]]) -> Inventory:
    found = {name: part(name, seen) for name, seen in parts.items()}
    train, query, gallery = (found.get(name, ()) for name in ("train", "query", "gallery"))
    return Inventory("some", "by hand", Path("."), train, query, gallery)


def labels(sheet: Sheet) -> list[str]:
    return [row.label for row in sheet.rows]


def test_cells_are_the_first_picture_by_each_camera_with_their_number() -> None:
    ((name, sheet),) = sheets(inventory(train=[(7, 2), (7, 1), (7, 2), (9, 1)]))
    assert name == "training"
    assert sheet.heads == ("camera 1", "camera 2")
    seven, nine = sheet.rows
    assert (seven.label, seven.note) == ("identity 7", "3 pictures")
    assert seven.cells == (
        Cell(Path("train/001_7_1.jpg"), "1 picture"),
        Cell(Path("train/000_7_2.jpg"), "2 pictures"),
    )
    assert nine.cells == (Cell(Path("train/003_9_1.jpg"), "1 picture"), None)


def test_captions_are_left_out_where_all_would_say_one() -> None:
    ((_, sheet),) = sheets(inventory(train=[(7, 2), (7, 1), (9, 1)]))
    assert {cell.caption for row in sheet.rows for cell in row.cells if cell} == {""}


def test_query_and_gallery_show_the_same_identities_whatever_else_they_have() -> None:
    query = [(identity, 1) for identity in range(1, 41)]
    gallery = [(identity, 2) for identity in range(20, 99)]
    found = dict(sheets(inventory(query=query, gallery=gallery)))
    assert labels(found["query"]) == labels(found["gallery"])
    assert len(found["query"].rows) == 12
    assert labels(found["query"])[0] == "identity 20"  # of 20 to 40, both ends
    assert labels(found["query"])[-1] == "identity 40"


def test_query_and_gallery_with_nobody_in_common_are_shown_all_the_same() -> None:
    found = dict(sheets(inventory(query=[(1, 1)], gallery=[(2, 1)])))
    assert labels(found["query"]) == labels(found["gallery"]) == ["identity 1", "identity 2"]


def test_distractors_and_junk_are_the_last_rows() -> None:
    gallery = [(JUNK, 1), (DISTRACTOR, 2), (3, 1), (DISTRACTOR, 1)]
    found = dict(sheets(inventory(query=[(3, 2)], gallery=gallery)))
    assert labels(found["query"]) == ["identity 3"]
    assert labels(found["gallery"]) == ["identity 3", "distractors", "junk"]
    assert [row.note for row in found["gallery"].rows] == ["1 picture", "2 pictures", "1 picture"]


def test_without_cameras_a_row_has_pictures_of_its_identity() -> None:
    test = [(1, -1)] * 15 + [(2, -1)] * 3
    drawn = Protocol(camera_rule=False, repeats=10)
    ((name, sheet),) = sheets(replace(inventory(query=test), protocol=drawn))
    assert name == "test"
    assert [len(row.cells) for row in sheet.rows] == [8, 3]
    assert sheet.heads == ("",) * 8
    assert "no camera is stated" in sheet.note
    first, *_, last = sheet.rows[0].cells
    assert (first, last) == (
        Cell(Path("query/000_1_-1.jpg"), ""),
        Cell(Path("query/014_1_-1.jpg"), ""),
    )


def test_many_cameras_are_thinned_and_the_sheet_says_so() -> None:
    ((_, sheet),) = sheets(inventory(train=[(1, camera) for camera in range(1, 46)]))
    assert len(sheet.heads) == 20
    assert "20 of 45 cameras" in sheet.note


def test_the_order_of_the_pictures_changes_nothing() -> None:
    seen = [(identity, camera) for identity in range(1, 30) for camera in (1, 2, 2)]
    whole = inventory(train=seen, query=seen, gallery=seen)
    mixed = replace(whole, train=whole.train[::-1], gallery=whole.gallery[::-1])
    assert sheets(mixed) == sheets(whole)


@given(st.integers(0, 200), st.integers(1, 30))
def test_things_are_chosen_evenly_in_order_with_both_ends(number: int, most: int) -> None:
    found = evenly(range(number), most)
    assert len(found) == min(number, most)
    assert found == sorted(set(found))
    if number and most > 1:
        assert (found[0], found[-1]) == (0, number - 1)
    steps = {after - before for before, after in pairwise(found)}
    assert max(steps, default=0) - min(steps, default=0) <= 1


def test_a_real_folder_gives_a_file_for_each_part_the_same_every_time(
    tiny_folder: Path, tmp_path: Path
) -> None:
    found = read(tiny_folder, name="market_layout")
    files = draw_sheets(found, tmp_path)
    assert [file.name for file in files] == ["train.png", "query.png", "gallery.png"]
    first = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in draw_sheets(found, tmp_path)] == first
    for file in files:
        with Image.open(file) as image:
            assert image.mode == "RGB"


@pytest.mark.parametrize("damage", ["missing", "cut short", "text"])
def test_a_broken_picture_does_not_stop_the_sheet(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.jpg"
    if damage != "missing":
        Image.effect_noise((20, 20), 90).save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[:-50] if damage == "cut short" else b"text")
    broken = replace(inventory(), train=(Sighting(1, 1, path),))
    assert draw_sheets(broken, tmp_path) == [tmp_path / "train.png"]
