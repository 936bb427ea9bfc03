"""Data of one's own: pictures whose identity and camera somebody has put into words."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reid_data.layout import first_few
from reid_data.numbering import numbered, whole_numbers
from reid_data.records import JUNK, UNKNOWN_CAMERA, Inventory, Protocol, Sighting

Split = Literal["train", "query", "gallery", "test"]
"""The part of a picture; ``test`` is a part of which galleries are drawn."""

REPEATS = 10
"""Galleries drawn of a ``test`` part, as many as VehicleID has."""

JUNK_NAME = str(JUNK)


@dataclass(frozen=True)
class Description:
    """What is said of one picture.

    Attributes:
        path: of the file.
        identity: any text; ``"-1"`` is junk.
        camera: any text; ``""`` and ``"-1"`` where it is not known.
        split: its part.
    """

    path: Path
    identity: str
    camera: str
    split: Split

    @property
    def is_junk(self) -> bool:
        """Whether every evaluation leaves it out."""
        return self.identity == JUNK_NAME

    @property
    def has_camera(self) -> bool:
        """Whether its camera is known."""
        return self.camera not in {"", str(UNKNOWN_CAMERA)}


def inventory_of(
    descriptions: Iterable[Description],
    *,
    name: str,
    layout: str,
    folder: Path,
    remarks: Sequence[str] = (),
) -> Inventory:
    """Number identities and cameras and choose the rules, whatever order the pictures come in.

    Identities are numbered over all parts at once, cameras likewise, as ``numbered`` does it. No
    number is a distractor, so that data numbered from 0 loses nobody: an identity that is in the
    gallery alone counts as wrong for every query anyway. A ``test`` part is the query part, of
    which a gallery is drawn ``REPEATS`` times.

    The camera rule holds where every picture but the junk says its camera and the pictures to
    test on come from two or more. Where a camera is not known, none is used.

    Args:
        descriptions: of the pictures, each file once.
        name: of the data set.
        layout: how it is laid out, in words.
        folder: where it lies; remarks name files below it.
        remarks: what was passed over so far.
    """
    described = tuple(descriptions)
    identities = numbered(description.identity for description in described)
    seen = [description for description in described if not description.is_junk]
    unknown = sorted(description.path for description in seen if not description.has_camera)
    cameras = {} if unknown else numbered(d.camera for d in described if d.has_camera)
    tested = {cameras.get(d.camera) for d in seen if d.split != "train"}
    no_camera_rule = [
        *_of_unknown(below(folder, unknown), len(seen)),
        *_of_one_camera(tested - {None}),
    ]

    def part(*splits: Split) -> tuple[Sighting, ...]:
        return tuple(
            sorted(
                Sighting(identities[d.identity], cameras.get(d.camera, UNKNOWN_CAMERA), d.path)
                for d in described
                if d.split in splits
            )
        )

    drawn = any(description.split == "test" for description in described)
    return Inventory(
        name=name,
        layout=layout,
        folder=folder,
        train=part("train"),
        query=part("query", "test"),
        gallery=part("gallery"),
        protocol=Protocol(
            camera_rule=not no_camera_rule,
            distractors=frozenset(),
            repeats=REPEATS if drawn else 0,
        ),
        remarks=(
            *remarks,
            *_of_names("identities", identities),
            *_in_both_parts(described, identities),
            *_of_names("cameras", cameras),
            *no_camera_rule,
        ),
    )


def _of_unknown(unknown: Sequence[str], pictures: int) -> list[str]:
    """A remark on pictures without a camera."""
    if not unknown:
        return []
    which = f" ({first_few(unknown)})" if len(unknown) < pictures else ""
    return [
        f"{len(unknown)} of {pictures} pictures say no camera{which}: no camera is used, and the"
        " scores are without the camera rule."
    ]


def _of_one_camera(cameras: Sized) -> list[str]:
    """A remark on a test part whose pictures all have the same known camera."""
    if len(cameras) != 1:
        return []
    return [
        "All pictures to test on are of one camera: the scores are without the camera rule, which"
        " would leave nothing to find."
    ]


def _of_names(what: str, numbers: Mapping[str, int]) -> list[str]:
    """A remark on names that became other numbers, or the same one."""
    names = [name for name in numbers if name != JUNK_NAME]
    if not whole_numbers(names):
        return [
            f"The {what} have names ({first_few(names)}): they are numbered from 1 to {len(names)}"
            " in the sorted order of the names."
        ]
    shared = Counter(numbers.values())
    alike = [name for name in names if shared[numbers[name]] > 1]
    if not alike:
        return []
    return [f"Some {what} differ in leading zeros only and count as one: {first_few(alike)}."]


def _in_both_parts(described: Sequence[Description], numbers: Mapping[str, int]) -> list[str]:
    """The names of identities to train and to test on, of whom an error knows the numbers only."""
    if whole_numbers(numbers):
        return []
    trained = {d.identity for d in described if d.split == "train" and not d.is_junk}
    both = sorted(trained & {d.identity for d in described if d.split != "train"})
    return [f"Identities in training and in test: {first_few(both)}."] if both else []


def below(folder: Path, paths: Iterable[Path]) -> list[str]:
    """Paths as they are written from the folder."""
    return [Path(os.path.relpath(path, folder)).as_posix() for path in paths]
