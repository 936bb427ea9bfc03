"""A list gives every picture once, or one sentence on what is wrong with it."""

import re
from pathlib import Path

import pytest

from reid_data.lists import listed, whole_number
from reid_data.reading import Reading
from reid_data.records import Sighting


def read(lines: str, folder: Path) -> Reading:
    """Lines ``picture identity``."""
    listing = folder / "list.txt"
    listing.write_bytes(lines.encode())

    def sighting_of(line: str) -> Sighting:
        picture, identity = line.split()
        return Sighting(int(identity), -1, folder / picture)

    return listed(listing, sighting_of, expected="a picture and an identity")


def test_pictures_come_in_the_order_of_the_list(tmp_path: Path) -> None:
    found = read("\nb 3\n\na 5\n", tmp_path)
    assert [(s.path.name, s.identity) for s in found.sightings] == [("b", 3), ("a", 5)]
    assert found.remarks == ()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "{end}", "{end}{end}", "{end}  \t{end}"])
def test_a_line_ends_as_unix_or_windows_has_it(
    tmp_path: Path, end: str, mark: str, last: str
) -> None:
    found = read(f"{mark}b 3{end} a 5 {last.format(end=end)}", tmp_path)
    assert found == read("b 3\na 5", tmp_path)


def test_a_picture_listed_twice_counts_once_and_is_named(tmp_path: Path) -> None:
    found = read("b 3\na 5\nb 3\nb 3\n", tmp_path)
    assert len(found.sightings) == 2
    assert found.remarks == (
        "Lines of list.txt that repeat a picture, which counts once: 2 (b, b).",
    )


def test_a_picture_that_shows_two_identities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"says that b shows identity 3 and that it shows 4"):
        read("b 3\na 5\nb 4\n", tmp_path)


@pytest.mark.parametrize("words", ["", "-1", "+1", "1.0", "1_000", "one", "٣", "9" * 19])
def test_a_number_of_a_list_has_digits_only(words: str) -> None:
    assert whole_number("007") == 7
    assert whole_number("9" * 18) == 10**18 - 1
    with pytest.raises(ValueError, match=f"'{re.escape(words)}' is not a whole number"):
        whole_number(words)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_bytes("a 5\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"list\.txt is not UTF-8 text \(byte 0\): save it"):
        listed(listing, lambda line: Sighting(1, 1, Path(line)), expected="nothing")


def test_a_line_that_cannot_be_read_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Line 2 of .*list\.txt is 'a' where a picture and an"):
        read("b 3\na\n", tmp_path)


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"list\.txt lists no picture"):
        read("\n \n", tmp_path)
