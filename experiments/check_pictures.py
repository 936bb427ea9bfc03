"""Which pictures of a data set are shown: who was seen by which camera, a sheet for each part."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from experiments.drawing.contact_sheet import Cell, Row, Sheet, draw_sheet
from reid_data.check import parts_of
from reid_data.records import UNKNOWN_CAMERA, Inventory, Sighting

MOST_IDENTITIES = 12
"""Rows of a sheet; distractors and junk come besides."""
MOST_CAMERAS = 20
MOST_WITHOUT_CAMERA = 8
"""Pictures of a row where no camera is stated."""

_FILES = {"training": "train.png", "query": "query.png", "gallery": "gallery.png"}

T = TypeVar("T")


def draw_sheets(inventory: Inventory, folder: Path) -> list[Path]:
    """Draw ``train.png``, ``query.png`` and ``gallery.png``, or ``test.png`` for the last two.

    Args:
        inventory: what a reader found.
        folder: an existing folder; sheets in it are replaced.

    Returns:
        The files; a part without a picture has none.
    """
    files = {folder / _FILES.get(part, "test.png"): sheet for part, sheet in sheets(inventory)}
    for file, sheet in files.items():
        draw_sheet(sheet, file)
    return list(files)


def sheets(inventory: Inventory) -> list[tuple[str, Sheet]]:
    """Each part that has a picture, and its sheet.

    A row is an identity, a column a camera, a cell the first picture by it and how many there are.
    Identities are spread evenly over all of the part, and query and gallery show the same ones, so
    that a match can be seen. Where no camera is stated, a row has pictures spread evenly over those
    of its identity. Distractors and junk are the last rows.
    """
    parts = parts_of(inventory)
    people = {name: _people(part, inventory) for name, part in parts.items()}
    if "gallery" in people:
        asked, searched = people["query"], people["gallery"]
        people["query"] = people["gallery"] = asked & searched or asked | searched
    return [
        (name, _sheet(inventory, name, part, sorted(people[name])))
        for name, part in parts.items()
        if part
    ]


def evenly(things: Sequence[T], most: int) -> list[T]:
    """Up to ``most`` of the things, in their order, as far apart as can be.

    Example:
        >>> evenly("abcdefg", 3)
        ['a', 'd', 'g']
    """
    if len(things) <= most:
        return list(things)
    return [things[place * (len(things) - 1) // max(1, most - 1)] for place in range(most)]


def _people(part: Iterable[Sighting], inventory: Inventory) -> set[int]:
    nobody = inventory.protocol.junk | inventory.protocol.distractors
    return {one.identity for one in part} - nobody


def _sheet(inventory: Inventory, name: str, part: Sequence[Sighting], people: list[int]) -> Sheet:
    pictures: dict[int, list[Sighting]] = defaultdict(list)
    for one in part:
        pictures[one.identity].append(one)
    shown = evenly(people, MOST_IDENTITIES)
    protocol = inventory.protocol
    groups = {f"identity {who}": pictures[who] for who in shown}
    for what, nobody in (("distractors", protocol.distractors), ("junk", protocol.junk)):
        found = [one for who in sorted(nobody) for one in pictures.get(who, [])]
        groups |= {what: found} if found else {}
    known = sorted({one.camera for one in part})
    cameras = evenly(known, MOST_CAMERAS)
    note = f"{_of(len(shown), len(people))} identities"
    if known == [UNKNOWN_CAMERA]:
        rows = [_in_turn(label, group) for label, group in groups.items()]
        heads = [""] * max(len(row.cells) for row in rows)
        note += f", up to {MOST_WITHOUT_CAMERA} pictures of each; no camera is stated"
    else:
        rows = [_by_camera(label, group, cameras) for label, group in groups.items()]
        if all(cell is None or cell.caption == _pictures(1) for row in rows for cell in row.cells):
            rows = [_without_captions(row) for row in rows]
        heads = ["no camera" if c == UNKNOWN_CAMERA else f"camera {c}" for c in cameras]
        note += f", the first picture by each of {_of(len(cameras), len(known))} cameras"
    return Sheet(f"{inventory.name}: {name}", note, tuple(heads), tuple(rows))


def _of(shown: int, there: int) -> str:
    return f"{shown}" if shown == there else f"{shown} of {there:,}"


def _by_camera(label: str, group: Sequence[Sighting], cameras: Iterable[int]) -> Row:
    seen: Mapping[int, list[Path]] = {camera: [] for camera in cameras}
    for one in group:
        if one.camera in seen:
            seen[one.camera].append(one.path)
    cells = (Cell(paths[0], _pictures(len(paths))) if paths else None for paths in seen.values())
    return Row(label, _pictures(len(group)), tuple(cells))


def _without_captions(row: Row) -> Row:
    """The same where all would say that there is one picture."""
    return replace(row, cells=tuple(cell and replace(cell, caption="") for cell in row.cells))


def _in_turn(label: str, group: Sequence[Sighting]) -> Row:
    paths = evenly([one.path for one in group], MOST_WITHOUT_CAMERA)
    return Row(label, _pictures(len(group)), tuple(Cell(path, "") for path in paths))


def _pictures(number: int) -> str:
    return f"{number:,} picture{'' if number == 1 else 's'}"
