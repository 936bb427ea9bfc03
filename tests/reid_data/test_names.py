"""A picture's name says who was seen and by which camera, or the picture is passed over by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_data.names import named, sighting_named
from reid_data.records import Sighting

NUMBER = st.integers(0, 10**6)


@given(st.one_of(st.just(-1), NUMBER), NUMBER, st.integers(1, 8))
def test_numbers_are_read_whatever_zeros_stand_before_them(
    identity: int, camera: int, width: int
) -> None:
    who = "-1" if identity < 0 else f"{identity:0{width}d}"
    path = Path("/data") / f"{who}_c{camera:0{width}d}s1_000151_00.jpg"
    assert sighting_named(path) == Sighting(identity, camera, path)


@pytest.mark.parametrize("name", ["a.jpg", "-2_c1.jpg", "0001_1.jpg", "x0001_c1.jpg", "٣_c1.jpg"])
def test_a_name_that_says_nothing_is_refused_alone(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} says no identity and camera, of at most"):
        sighting_named(Path("/data") / name)


def test_and_is_passed_over_with_a_remark_among_others(tmp_path: Path) -> None:
    for name in ("0002_c1.jpg", "b.jpg", "0001_c3.jpg", "a.jpg"):
        (tmp_path / name).touch()
    found = named(tmp_path)
    assert [(s.identity, s.camera) for s in found.sightings] == [(1, 3), (2, 1)]
    assert found.remarks == (
        f"Left out of {tmp_path.name} for a name without identity and camera, of at most 18 digits"
        " each: 2 pictures (a.jpg, b.jpg).",
    )


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "query").touch()
    with pytest.raises(ValueError, match="query is a file where a folder of pictures was expected"):
        named(tmp_path / "query")


@pytest.mark.parametrize("name", ["{}_c1.jpg", "0001_c{}.jpg", "0001_c{}s1_000151_00.jpg"])
def test_more_than_18_digits_are_no_number(tmp_path: Path, name: str) -> None:
    most, more = name.format("9" * 18), name.format("9" * 19)
    found = sighting_named(Path("/data") / most)
    assert 10**18 - 1 in (found.identity, found.camera)  # int64 ends at 9.2 * 10^18
    with pytest.raises(ValueError, match="says no identity and camera, of at most 18 digits each"):
        sighting_named(Path("/data") / more)
    (tmp_path / "0002_c1.jpg").touch()
    (tmp_path / more).touch()
    reading = named(tmp_path)
    assert len(reading.sightings) == 1
    assert more in reading.remarks[0]


def test_pictures_in_other_formats_are_named(tmp_path: Path) -> None:
    others = ["a.webp", "b.bmp", "c.tif", "d.TIFF", "e.gif", "f.jfif", ".g.webp", "notes.txt"]
    for name in others:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"no jpg or png .*: convert a\.webp, b\.bmp, .* 1 more"):
        named(tmp_path)
    (tmp_path / "0001_c1.jpg").touch()
    assert named(tmp_path).remarks == (
        f"Passed over in {tmp_path.name} for being neither jpg nor png: 6 pictures (a.webp, b.bmp,"
        " c.tif, d.TIFF, e.gif and 1 more).",
    )
