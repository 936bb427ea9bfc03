"""A contact sheet: pictures of a data set in rows and columns, with words beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

from experiments.drawing.palette import INK
from reid_data.decoding import UNREADABLE

_PAPER, _TRAY, _EDGE, _GREY, _FAULT = "#FFFFFF", "#F3F4F6", "#D9DCE1", "#6B6B6B", "#B84D00"
_WIDTH, _MARGIN, _GAP, _LABELS, _TOP, _HEADS, _CAPTION = 1600, 40, 10, 132, 84, 28, 24
"""Of the sheet: its usual width, and what its parts other than pictures take; pixels."""
_NARROWEST, _WIDEST, _HIGHEST = 64, 180, 200
"""Limits of a cell, pixels."""
_LARGEST = 256
"""Longest side of a picture that waits to be drawn, pixels."""
_FORM = 0.7
"""Height of a sheet by its width, as near as whole blocks come."""


@dataclass(frozen=True)
class Cell:
    """One picture.

    Attributes:
        path: of its file, which may be missing or broken.
        caption: what stands below it.
    """

    path: Path
    caption: str


@dataclass(frozen=True)
class Row:
    """Pictures of one identity.

    Attributes:
        label: who it is.
        note: below the label.
        cells: from left to right, None for a blank; the last ones may be left out.
    """

    label: str
    note: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Sheet:
    """What is drawn.

    Attributes:
        title: of the whole.
        note: below the title.
        heads: of the columns, empty texts for none.
        rows: from top to bottom, at least one.
    """

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class _Picture:
    """What became of a cell's file: the picture, small, or why there is none."""

    image: Image.Image | None
    fault: str = ""


@dataclass(frozen=True)
class _Plan:
    """Where everything stands: the rows run down block after block, which stand side by side.

    Attributes:
        columns: of a block.
        rows: of the longest block.
        blocks: that the rows are divided into.
        wide: a cell, pixels.
        high: a cell, pixels.
        heads: height of the line above the first cells, pixels.
        caption: height of the line below a cell, pixels.
    """

    columns: int
    rows: int
    blocks: int
    wide: int
    high: int
    heads: int
    caption: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        right, bottom = self.corner(self.rows * self.blocks - 1, self.columns)
        return right - _GAP + _MARGIN, bottom + self.high + self.caption + _MARGIN

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """The upper left corner of a cell."""
        block, row = divmod(row, self.rows)
        block_width = _LABELS + self.columns * (self.wide + _GAP) + 3 * _GAP
        x = _MARGIN + block * block_width + _LABELS + column * (self.wide + _GAP)
        return x, _MARGIN + _TOP + self.heads + row * (self.high + self.caption + _GAP)


def draw_sheet(sheet: Sheet, file: Path) -> None:
    """Draw a sheet; a picture that cannot be read is a crossed box.

    All cells have one size, whose form is that of the median picture. Memory is that of the sheet
    and of a small copy of each picture on it.

    Args:
        sheet: what is drawn.
        file: a PNG, replaced.
    """
    cells = [cell for row in sheet.rows for cell in row.cells if cell is not None]
    pictures = {cell.path: _read(cell.path) for cell in cells}
    plan = _planned(
        len(sheet.heads),
        len(sheet.rows),
        form=_form([one.image for one in pictures.values() if one.image is not None]),
        heads=_HEADS if any(sheet.heads) else 0,
        caption=_CAPTION if any(cell.caption for cell in cells) else 0,
    )
    wide, high = plan.size
    words = max(_font(26, bold=True).getlength(sheet.title), _font(15).getlength(sheet.note))
    image = Image.new("RGB", (max(wide, 2 * _MARGIN + round(words)), high), _PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((_MARGIN, _MARGIN), sheet.title, INK, _font(26, bold=True))
    pen.text((_MARGIN, _MARGIN + 38), sheet.note, _GREY, _font(15))
    for block in range(plan.blocks):
        for column, head in enumerate(sheet.heads):
            x, y = plan.corner(block * plan.rows, column)
            font = _fitting(head, plan.wide)
            pen.text((x + plan.wide / 2, y - 9), head, INK, font, anchor="ms")
    for place, row in enumerate(sheet.rows):
        _label(pen, row, plan.corner(place, 0), plan)
        for column, cell in enumerate(row.cells):
            _cell(image, cell, pictures, plan.corner(place, column), plan)
    image.save(file, format="PNG", optimize=True)


def _planned(columns: int, rows: int, *, form: float, heads: int, caption: int) -> _Plan:
    """The number of blocks whose sheet is nearest to ``_FORM``."""
    plans = []
    for blocks in range(1, min(rows, 4) + 1):
        room = (_WIDTH - 2 * _MARGIN) // blocks - _LABELS - 3 * _GAP
        wide = min(max(room // columns - _GAP, _NARROWEST), _WIDEST, round(_HIGHEST / form))
        wide = max(wide, _NARROWEST)
        high = max(1, min(round(wide * form), _HIGHEST))
        longest = -(-rows // blocks)
        plans.append(_Plan(columns, longest, -(-rows // longest), wide, high, heads, caption))
    return min(plans, key=lambda plan: abs(math.log(plan.size[1] / plan.size[0] / _FORM)))


def _form(images: Sequence[Image.Image]) -> float:
    """Height by width of the median picture."""
    return median([image.height / image.width for image in images] or [1.0])


def _label(pen: ImageDraw.ImageDraw, row: Row, corner: tuple[int, int], plan: _Plan) -> None:
    x, y = corner[0] - _LABELS, corner[1] + plan.high / 2
    pen.text((x, y - 3), row.label, INK, _fitting(row.label, _LABELS - 16, bold=True), anchor="ls")
    pen.text((x, y + 16), row.note, _GREY, _fitting(row.note, _LABELS - 16), anchor="ls")


def _cell(
    image: Image.Image,
    cell: Cell | None,
    pictures: Mapping[Path, _Picture],
    corner: tuple[int, int],
    plan: _Plan,
) -> None:
    x, y = corner
    box = (x, y, x + plan.wide - 1, y + plan.high - 1)
    pen = ImageDraw.Draw(image)
    if cell is None:
        pen.rectangle(box, fill=_TRAY)
        return
    _show(image, pictures[cell.path], box)
    below = (x + plan.wide / 2, y + plan.high + 16)
    pen.text(below, cell.caption, _GREY, _fitting(cell.caption, plan.wide), anchor="ms")


def _show(image: Image.Image, picture: _Picture, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    pen = ImageDraw.Draw(image)
    if picture.image is not None:
        pen.rectangle(box, fill=_TRAY)
        fitted = ImageOps.contain(picture.image, (right - left + 1, bottom - top + 1))
        x, y = (left + right + 1 - fitted.width) // 2, (top + bottom + 1 - fitted.height) // 2
        image.paste(fitted, (x, y))
        pen.rectangle((x, y, x + fitted.width - 1, y + fitted.height - 1), outline=_EDGE)
        return
    pen.line((left, top, right, bottom), _FAULT, width=2)
    pen.line((left, bottom, right, top), _FAULT, width=2)
    pen.rectangle(box, outline=_FAULT, width=2)
    font, middle = (
        _fitting(picture.fault, right - left - 16),
        ((left + right) / 2, (top + bottom) / 2),
    )
    x0, y0, x1, y1 = pen.textbbox(middle, picture.fault, font, anchor="mm")
    pen.rectangle((x0 - 3, y0 - 3, x1 + 3, y1 + 3), fill=_PAPER)
    pen.text(middle, picture.fault, _FAULT, font, anchor="mm")


def _read(path: Path) -> _Picture:
    try:
        with Image.open(path) as image:
            image.load()
            small = image.convert("RGB")
            small.thumbnail((_LARGEST, _LARGEST))
            return _Picture(small)
    except FileNotFoundError:
        return _Picture(None, "missing")
    except UNREADABLE:
        return _Picture(None, "unreadable")


def _fitting(words: str, width: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A font in which words are as wide as they may be, or the smallest."""
    fonts = (_font(size, bold=bold) for size in range(14, 8, -1))
    return next((font for font in fonts if font.getlength(words) <= width), _font(8, bold=bold))


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
