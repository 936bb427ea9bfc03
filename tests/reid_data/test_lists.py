"""A list gives every picture once, or one sentence on what is wrong with it."""

from pathlib import Path

import pytest

from reid_data.lists import listed
from reid_data.records import Sighting


def read(lines: str, folder: Path) -> list[Sighting]:
    """Lines ``picture identity``; pictures a and b exist."""
    for name in ("a", "b"):
        (folder / name).touch()
    listing = folder / "list.txt"
    listing.write_text(lines)

    def sighting_of(line: str) -> Sighting:
        picture, identity = line.split()
        return Sighting(int(identity), -1, folder / picture)

    return listed(listing, sighting_of, expected="a picture and an identity")


def test_pictures_come_in_the_order_of_the_list(tmp_path: Path) -> None:
    assert [(s.path.name, s.identity) for s in read("\nb 3\n\na 5\n", tmp_path)] == [
        ("b", 3),
        ("a", 5),
    ]


def test_a_picture_listed_twice_counts_once_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(read("b 3\na 5\nb 3\nb 3\n", tmp_path)) == 2
    assert "2 lines of" in caplog.text
    assert caplog.text.rstrip().endswith("repeat a picture, which counts once: b, b")


def test_a_picture_that_shows_two_identities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"says that b shows identity 3 and that it shows 4"):
        read("b 3\na 5\nb 4\n", tmp_path)


def test_a_picture_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 of the 2 pictures in .* do not exist \(.*c\): unpack"):
        read("a 5\nc 3\n", tmp_path)


def test_a_line_that_cannot_be_read_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Line 2 of .*list\.txt is 'a' where a picture and an"):
        read("b 3\na\n", tmp_path)


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"list\.txt lists no picture"):
        read("\n \n", tmp_path)
