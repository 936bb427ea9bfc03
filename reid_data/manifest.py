"""Data of one's own, listed in a CSV file."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from reid_data.descriptions import Description, Split, below, inventory_of
from reid_data.layout import first_few, in_words
from reid_data.records import Inventory

LAYOUT = "CSV manifest"
NEEDED = ("path", "identity", "split")
"""Columns without which a picture has no place in a data set."""

CAMERA = "camera"
_HEADER = "path,identity,camera,split"
_SPLITS = get_args(Split)


def read(file: Path, *, name: str = "manifest") -> Inventory:
    """Read a file of comma-separated text whose first line is ``path,identity,camera,split``.

    It is UTF-8, with a byte-order mark or without; cells with a comma stand in double quotes, and
    blanks around a cell do not count. Columns come in any order, others are passed over.

    - ``path``: of the picture, from the manifest's folder or absolute.
    - ``identity``: any text; ``-1`` is junk, and no identity is a distractor.
    - ``camera``: any text; the column or some of its cells may be missing, and then there is no
      camera rule.
    - ``split``: ``train``, and either ``query`` and ``gallery`` or ``test``, of which galleries
      are drawn as VehicleID's are.

    ``descriptions.inventory_of`` says how names become numbers. The order of the lines makes no
    difference. Whether the pictures exist is not looked at.

    Args:
        file: the manifest.
        name: what the data set is called in results.

    Raises:
        ValueError: If the file is missing or not as said above, which is told with the number of
            the line; if a picture has two identities, cameras or splits.
    """
    rows = _rows(file)
    line, header = next(rows, (0, []))
    if not header:
        raise ValueError(f"Manifest {file} is empty: its first line has to be {_HEADER}.")
    columns = [title.lower() for title in header]
    _require_columns(columns, f"Line {line} of {file}")
    folder = file.parent.absolute()
    described: dict[Path, tuple[int, Description]] = {}
    again = []
    for line, cells in rows:
        where = f"Line {line} of {file}"
        found = _description(_by_column(columns, cells, where), folder, where)
        first, known = described.setdefault(found.path, (line, found))
        if known != found:
            raise ValueError(
                f"{where} says {_said(found)} of {found.path.name}, and line {first} says"
                f" {_said(known)}: a picture is in one part and shows one identity."
            )
        if first != line:
            again.append(found.path)
    if not described:
        raise ValueError(f"Manifest {file} lists no picture below its header: add a line for each.")
    _require_one_kind_of_test({d.split: line for line, d in described.values()}, file)
    return inventory_of(
        (description for _, description in described.values()),
        name=name,
        layout=LAYOUT,
        folder=folder,
        remarks=[*_of_columns(columns), *_of_repeats(again, folder)],
    )


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that has any, with the number of the line they begin in."""
    lines = csv.reader(io.StringIO(_text(file), newline=""), skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in lines:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = lines.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"Line {line} of {file} is not comma-separated text ({error}): put a cell that has a"
            ' comma or a quote in double quotes, and double the quotes in it ("").'
        ) from error


def _text(file: Path) -> str:
    if not file.is_file():
        raise ValueError(
            f"Manifest {file} is not a file: name a CSV file whose first line is {_HEADER}."
        )
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Manifest {file} is not UTF-8 text (byte {error.start}): save it as 'CSV UTF-8'."
        ) from error
    if "\0" in text:
        raise ValueError(
            f"Manifest {file} has zero bytes, as UTF-16 text does: save it as 'CSV UTF-8'."
        )
    return text


def _require_columns(columns: Sequence[str], where: str) -> None:
    missing = [title for title in NEEDED if title not in columns]
    if missing:
        raise ValueError(
            f"{where} has the columns {first_few(columns)} and none called {in_words(missing)}:"
            f" begin the manifest with {_HEADER}, separated by commas."
        )
    twice = [title for title in (*NEEDED, CAMERA) if columns.count(title) > 1]
    if twice:
        raise ValueError(f"{where} has two columns {in_words(twice)}: remove or rename one.")


def _by_column(columns: Sequence[str], cells: Sequence[str], where: str) -> dict[str, str]:
    """The cells of a line by their column; those missing at its end are empty."""
    surplus = [cell for cell in cells[len(columns) :] if cell]
    if surplus:
        raise ValueError(
            f"{where} has {len(cells)} cells and the first line {len(columns)} columns"
            f" ({first_few(surplus)} is too many): put a cell that has a comma in double quotes."
        )
    padded = [*cells, *[""] * len(columns)]
    return dict(zip(columns, padded, strict=False))


def _description(cell: dict[str, str], folder: Path, where: str) -> Description:
    empty = [title for title in NEEDED if not cell[title]]
    if empty:
        raise ValueError(
            f"{where} has an empty {in_words(empty)}: every picture needs a path, an identity (-1"
            " for junk) and a split."
        )
    split = cell["split"].lower()
    if split not in _SPLITS:
        raise ValueError(
            f"{where} has the split '{cell['split']}': take train and either query and gallery or"
            " test."
        )
    return Description(
        _path(folder, cell["path"]), cell["identity"], cell.get(CAMERA, ""), cast(Split, split)
    )


def _path(folder: Path, words: str) -> Path:
    """A picture's path, the same for ``a.jpg`` and ``../here/a.jpg``."""
    written = folder / words
    if ".." not in written.parts:
        return written
    plain = Path(os.path.normpath(written))
    # Behind a linked folder, .. leads elsewhere.
    same = os.path.realpath(plain.parent) == os.path.realpath(written.parent)
    return plain if same else written


def _said(description: Description) -> str:
    camera = description.camera or "none"
    return f"identity {description.identity}, camera {camera}, split {description.split}"


def _require_one_kind_of_test(lines: Mapping[str, int], file: Path) -> None:
    """Refuse a part to draw galleries from beside a gallery."""
    fixed = sorted(lines.keys() & {"query", "gallery"})
    if fixed and "test" in lines:
        raise ValueError(
            f"Line {lines['test']} of {file} has the split test, and others have {in_words(fixed)}:"
            " take test alone, of which galleries are drawn, or query and gallery."
        )


def _of_columns(columns: Sequence[str]) -> list[str]:
    others = sorted({title for title in columns if title not in (*NEEDED, CAMERA, "")})
    return [f"Columns passed over: {first_few(others)}."] if others else []


def _of_repeats(again: Sequence[Path], folder: Path) -> list[str]:
    if not again:
        return []
    paths = first_few(below(folder, sorted(again)))
    return [f"Lines that repeat a picture, which counts once: {len(again):,} ({paths})."]
