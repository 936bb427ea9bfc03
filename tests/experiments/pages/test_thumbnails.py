"""A page's pictures are JPEG files, each once, and nobody else's file is ever removed."""

from pathlib import Path

import pytest
from PIL import Image

from experiments.pages import thumbnails
from experiments.pages.html import PAGE
from experiments.pages.thumbnails import FOLDER, Thumbnails, small_picture, write_page


def picture(folder: Path, name: str, size: tuple[int, int] = (40, 20), *, red: int = 200) -> Path:
    file = folder / f"{name}.png"
    Image.new("RGB", size, (red, 30, 60)).save(file)
    return file


def kept(page: Path) -> list[Path]:
    """Files in a page's folder of pictures."""
    return sorted((page / FOLDER).iterdir())


def page_of(page: Path, *pictures: Path) -> None:
    """Write a page that shows these and nothing else."""
    write_page(page, lambda small: "".join(small.image(one, alt="a") for one in pictures))


def test_the_proportions_are_the_median_and_1_where_there_is_no_picture(tmp_path: Path) -> None:
    """Widths by heights are 2, 1/2 and 4: their median is 2, and their mean would be 13/6."""
    small = Thumbnails(tmp_path / "page")
    assert small.aspect == 1
    for name, size in (("a", (40, 20)), ("b", (20, 40)), ("c", (80, 20))):
        small.image(picture(tmp_path, name, size), alt=name)
    assert small.aspect == 2


def test_a_page_that_is_written_again_keeps_the_pictures_it_shows_and_no_other(
    tmp_path: Path,
) -> None:
    page, one, other = tmp_path / "page", picture(tmp_path, "one"), picture(tmp_path, "two", red=9)
    page_of(page, one)
    (first,) = kept(page)
    page_of(page, one, other)
    assert len(kept(page)) == 2
    page_of(page, other)
    (second,) = kept(page)
    assert second != first
    assert f"{FOLDER}/{second.name}" in (page / PAGE).read_text()
    page_of(page)
    assert kept(page) == []


def test_a_page_that_fails_leaves_the_earlier_one_with_its_pictures(tmp_path: Path) -> None:
    """And nothing of its own half."""
    page, one, other = tmp_path / "page", picture(tmp_path, "one"), picture(tmp_path, "two", red=9)
    page_of(page, one)
    before, text = kept(page), (page / PAGE).read_text()
    (tmp_path / "broken.png").write_text("nothing")
    with pytest.raises(ValueError, match=r"^The picture broken.png cannot be read"):
        page_of(page, other, tmp_path / "broken.png")
    assert (kept(page), (page / PAGE).read_text()) == (before, text)


@pytest.mark.parametrize("name", ["notes.txt", "holiday.jpg", f"{'0' * 20}.jpg.txt", "a" * 20])
def test_a_users_own_file_among_the_pictures_stays(tmp_path: Path, name: str) -> None:
    page = tmp_path / "page"
    page_of(page, picture(tmp_path, "one"))
    (page / FOLDER / name).write_text("mine")
    page_of(page)
    assert [(file.name, file.read_text()) for file in kept(page)] == [(name, "mine")]


def test_a_picture_that_is_asked_for_twice_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counted(path: Path, side: int) -> Image.Image:
        decoded.append(path)
        return small_picture(path, side)

    monkeypatch.setattr(thumbnails, "small_picture", counted)
    small, one, other = Thumbnails(tmp_path), picture(tmp_path, "a"), picture(tmp_path, "b", red=9)
    first = small.image(one, alt="a")
    assert small.image(other, alt="a") != first
    assert small.image(one, alt="a") == first
    assert decoded == [one, other]


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "1"])
def test_whatever_a_pictures_colours_are_stored_as_it_becomes_an_rgb_jpeg(
    tmp_path: Path, mode: str
) -> None:
    source = tmp_path / "source.png"
    Image.new("RGB", (40, 20), (255, 255, 255)).convert(mode).save(source)
    with Image.open(source) as stored:
        assert stored.mode == mode
    shown = Thumbnails(tmp_path / "page").image(source, alt="a")
    (file,) = kept(tmp_path / "page")
    assert f'src="{FOLDER}/{file.name}"' in str(shown)
    with Image.open(file) as made:
        assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (40, 20))
        assert made.getpixel((20, 10)) == pytest.approx((255, 255, 255), abs=3)


def test_a_picture_is_made_smaller_in_its_proportions_and_never_larger(tmp_path: Path) -> None:
    """300 x 150 at most 100 pixels long is 100 x 50; 40 x 20 stays."""
    assert small_picture(picture(tmp_path, "large", (300, 150)), 100).size == (100, 50)
    assert small_picture(picture(tmp_path, "small"), 100).size == (40, 20)
