"""Every picture of a sheet stands in its row and column, and a broken one is a crossed box."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.drawing.contact_sheet import Cell, Row, Sheet, draw_sheet

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
CROSS = (184, 77, 0)


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (40, 40)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def drawn(sheet: Sheet, folder: Path) -> np.ndarray:
    draw_sheet(sheet, folder / "sheet.png")
    with Image.open(folder / "sheet.png") as image:
        return np.asarray(image.convert("RGB"))


def where(pixels: np.ndarray, colour: tuple[int, int, int]) -> tuple[float, float]:
    """The middle of a colour, as y and x; not a number where it does not occur."""
    rows, columns = np.nonzero((pixels == colour).all(axis=2))
    return float(rows.mean()), float(columns.mean())


def test_rows_run_down_and_columns_to_the_right(tmp_path: Path) -> None:
    red, green, blue = (
        Cell(picture(tmp_path / f"{name}.png", colour), "")
        for name, colour in (("r", RED), ("g", GREEN), ("b", BLUE))
    )
    rows = (Row("identity 1", "2 pictures", (red, green)), Row("identity 2", "", (None, blue)))
    pixels = drawn(Sheet("some: query", "2 identities", ("camera 1", "camera 2"), rows), tmp_path)
    (red_y, red_x), (green_y, green_x), (blue_y, blue_x) = (
        where(pixels, colour) for colour in (RED, GREEN, BLUE)
    )
    assert red_x < green_x
    assert red_y == green_y
    # a block of its own for the second row would begin on the right
    assert (blue_y > green_y and blue_x == green_x) or (blue_x > green_x and blue_y == green_y)


@pytest.mark.parametrize("count", [1, 5, 12, 14])
def test_every_picture_is_shown_whole_and_none_covers_another(tmp_path: Path, count: int) -> None:
    colours = [(17 * number + 3, 77, 200 - 10 * number) for number in range(count)]
    rows = tuple(
        Row(f"identity {n}", "", (Cell(picture(tmp_path / f"{n}.png", colour), "9 pictures"),))
        for n, colour in enumerate(colours)
    )
    pixels = drawn(Sheet("some: training", "", ("camera 1",), rows), tmp_path)
    areas = {int((pixels == colour).all(axis=2).sum()) for colour in colours}
    assert len(areas) == 1
    assert areas.pop() >= 62 * 62  # the smallest cell within its edge


@pytest.mark.parametrize(
    ("content", "crossed"), [(None, True), (b"text", True), (b"", True), ("whole", False)]
)
def test_a_broken_picture_is_a_crossed_box(
    tmp_path: Path, content: bytes | str | None, *, crossed: bool
) -> None:
    path = tmp_path / "a.png"
    if content == "whole":
        picture(path, RED)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    sheet = Sheet("some: training", "", ("camera 1",), (Row("identity 1", "", (Cell(path, ""),)),))
    pixels = drawn(sheet, tmp_path)
    assert bool((pixels == CROSS).all(axis=2).sum() > 200) is crossed


@pytest.mark.parametrize("size", [(4, 400), (400, 4), (1, 1), (3000, 2000)])
def test_pictures_of_any_form_fit(tmp_path: Path, size: tuple[int, int]) -> None:
    cells = (Cell(picture(tmp_path / "a.png", RED, size), "1 picture"),) * 3
    sheet = Sheet("some: training", "x", ("camera 1",) * 3, (Row("identity 1", "", cells),) * 14)
    height, width, _ = drawn(sheet, tmp_path).shape
    assert height < 4000
    assert width < 2000


def test_twenty_columns_and_long_names_still_fit(tmp_path: Path) -> None:
    cells = (Cell(picture(tmp_path / "a.png", BLUE), "12,345 pictures"), None) * 10
    name = "a data set with a very long name " * 8
    rows = (Row("identity 123456789012345678", "1,234,567 pictures", cells),) * 12
    pixels = drawn(Sheet(name, name, ("camera 1234567",) * 20, rows), tmp_path)
    assert (pixels[:, -1] == 255).all()  # nothing runs over the edge
    assert (pixels[-1] == 255).all()
