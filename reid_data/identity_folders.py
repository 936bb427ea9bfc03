"""Data of one's own, with a folder per identity."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from reid_data.descriptions import JUNK_NAME, Description, Split, below, inventory_of
from reid_data.layout import HINT, OTHER_ENDINGS, counted, first_few, in_words, pictures_in
from reid_data.numbering import numbered
from reid_data.randomness import generator_of
from reid_data.records import JUNK, Inventory

JUNK_FOLDERS = frozenset({JUNK_NAME, "junk"})
"""Names of folders whose pictures every evaluation leaves out."""

LAYOUTS: tuple[tuple[Split, ...], ...] = (("train", "query", "gallery"), ("train", "test"))
"""Folders of the parts; where none of them is there, the identities are divided in half."""

_PARTS: tuple[Split, ...] = ("train", "query", "gallery", "test")
_DIVISION = 0
"""Seed of the division in half."""

_CAMERA = re.compile(r"(?:^|_)c(?P<camera>[0-9]{1,18})(?:s[0-9]+)?(?=_|$)")


def read(root: Path, *, name: str = "identity_folders") -> Inventory:
    """Read folders of pictures, each named as the identity it shows.

    They lie in ``train``, ``query`` and ``gallery``; in ``train`` and ``test``, of which galleries
    are drawn as VehicleID's are; or right in the root, and then half of the identities, rounded
    up, are drawn to train on and the others are the test part.

    An identity's name is any text, the same in every part; ``-1`` and ``junk`` are junk, and no
    identity is a distractor. The camera is read from file names such as ``c3_0001.jpg``,
    ``0001_c3_05.jpg`` and ``0007_c1s1_0002.jpg``; where any file says none, there is no camera
    rule. ``descriptions.inventory_of`` says how names become numbers.

    Only jpg and png pictures that lie in an identity's folder itself count, for what a folder
    below it stands for cannot be known; remarks say what was passed over. Hidden files and folders,
    whose names begin with a point, are passed over in silence.

    Args:
        root: the folder that holds them.
        name: what the data set is called in results.

    Raises:
        ValueError: If the root is not a folder, has some of the parts and not the others they need,
            or a part has no identity's folder with pictures; if one identity is to be divided.
    """
    parts = _parts_of(root)
    described = [
        description
        for part in parts or ("test",)
        for description in _described(root / part if parts else root, part)
    ]
    remarks = _passed_over(root, parts)
    if not parts:
        described, division = _divided(described)
        remarks.append(division)
    return inventory_of(
        described,
        name=name,
        layout=f"a folder per identity{f' in {in_words(parts)}' if parts else ', divided in half'}",
        folder=root,
        remarks=remarks,
    )


def _parts_of(root: Path) -> tuple[Split, ...]:
    """The folders of the parts, or none."""
    if not root.is_dir():
        raise ValueError(
            f"A folder per identity was looked for in {root}, which is not a folder: {HINT}."
        )
    found = tuple(part for part in _PARTS if (root / part).is_dir())
    if found and found not in LAYOUTS:
        known = " or ".join(in_words(layout) for layout in LAYOUTS)
        raise ValueError(
            f"{root} has the part {in_words(found)}: folders per identity are divided into {known},"
            " or lie right in the root."
        )
    return found


def _described(folder: Path, split: Split) -> Iterator[Description]:
    """The pictures of a part."""
    people = _folders_in(folder)
    pictures = [(person.name, path) for person in people for path in pictures_in(person)]
    if not pictures:
        others = below(folder, _other_formats(people))
        remedy = f"convert {first_few(others)}" if others else "move the pictures there"
        raise ValueError(
            f"{folder} has no jpg or png picture in a folder per identity, as"
            f" {folder / '0001' / 'a.jpg'} would be, among its"
            f" {counted(len(people), 'folder', 'folders')}: {remedy}, or list them in a CSV"
            " manifest."
        )
    for identity, path in pictures:
        camera = _CAMERA.search(path.stem)
        yield Description(
            path,
            JUNK_NAME if identity in JUNK_FOLDERS else identity,
            camera["camera"] if camera else "",
            split,
        )


def _divided(described: Sequence[Description]) -> tuple[list[Description], str]:
    """The same pictures with half of the identities to train on, and a remark that says so."""
    numbers = numbered(description.identity for description in described)
    people = sorted(set(numbers.values()) - {JUNK})
    if len(people) < 2:
        raise ValueError(
            f"The folders show {counted(len(people), 'identity', 'identities')} besides junk, and"
            " to train on some and test on others takes 2 or more: add folders of other"
            " identities."
        )
    order = torch.randperm(len(people), generator=generator_of(_DIVISION)).tolist()
    training = {people[place] for place in order[: (len(people) + 1) // 2]}
    divided = [
        replace(d, split="train") if numbers[d.identity] in training else d for d in described
    ]
    return divided, (
        f"Nothing says which identities are for training: {len(training)} were drawn for it and"
        f" {len(people) - len(training)} for the test, the same ones on every machine; scores"
        " compare with those of this division alone."
    )


def _passed_over(root: Path, parts: Sequence[str]) -> list[str]:
    """A remark on each kind of thing that is left out."""
    holders = [root / part for part in parts] or [root]
    others = [path for path in _folders_in(root) if parts and path.name not in parts]
    people = [person for holder in holders for person in _folders_in(holder)]
    outside = [path for holder in {root, *holders} for path in pictures_in(holder)]
    kinds = {
        "Folders beside the parts": others,
        "Folders without a picture": [p for p in people if not any(pictures_in(p))],
        "Folders below an identity's": [f for person in people for f in _folders_in(person)],
        "Pictures outside an identity's folder": outside,
        "Pictures that are neither jpg nor png": _other_formats(people),
    }
    return [
        f"{kind} passed over: {first_few(below(root, sorted(paths)))}."
        for kind, paths in kinds.items()
        if paths
    ]


def _other_formats(people: Iterable[Path]) -> list[Path]:
    return sorted(path for person in people for path in pictures_in(person, OTHER_ENDINGS))


def _folders_in(folder: Path) -> list[Path]:
    """Its folders, sorted; hidden ones are none."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_dir())
