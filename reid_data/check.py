"""What a data set on disk is, and what is wrong with it: every file decoded, nothing changed.

Errors are what makes scores wrong or a run break: files that are missing or unreadable, identities
in both training and test, a part without an identity. Warnings name what makes scores hard to
compare or to trust.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, median_high
from typing import TypeVar

from reid_data.check_files import Fault, PictureFile, survey
from reid_data.check_findings import (
    TRAINING,
    Copies,
    Finding,
    Scene,
    copies_of,
    errors_of,
    warnings_of,
)
from reid_data.parts import counts_of, kept_in
from reid_data.records import Inventory, Protocol, Sighting

Key = TypeVar("Key", int, str)


@dataclass(frozen=True)
class Spread:
    """How many pictures the identities of a part have.

    Attributes:
        least: pictures of the identity that has fewest.
        median: over the identities.
        mean: over the identities.
        most: pictures of the identity that has most.
        histogram: pictures -> identities that have so many, by rising number of pictures.
    """

    least: int
    median: float
    mean: float
    most: int
    histogram: Mapping[int, int]


@dataclass(frozen=True)
class PartFacts:
    """One part as it lies on disk, junk and distractors included unless said otherwise.

    Attributes:
        name: ``training``, ``query``, ``gallery``, or ``test`` where the gallery is drawn from it.
        files: pictures listed or found, whether they can be read or not.
        junk: pictures that every evaluation leaves out.
        distractors: pictures of nobody, which count as wrong.
        identities: that are neither.
        cameras: camera -> its pictures, junk left out, sorted; -1 where none is stated.
        spread: of the identities, or None where there is none.
        median_size: width and height in pixels, the median of each, or None without a picture.
        smallest: width and height of the picture with the smallest area.
        modes: Pillow's word for the colours -> pictures, sorted.
    """

    name: str
    files: int
    junk: int
    distractors: int
    identities: int
    cameras: Mapping[int, int]
    spread: Spread | None
    median_size: tuple[int, int] | None
    smallest: tuple[int, int] | None
    modes: Mapping[str, int]


@dataclass(frozen=True)
class Examination:
    """Everything that ``reid-nas check`` reports; files are named relative to ``folder``.

    Attributes:
        name: of the data set.
        layout: with its version, in words.
        folder: where it lies.
        protocol: how it is evaluated.
        counts: as `parts.counts_of` has them.
        known: what the published data set has; empty where nobody published it.
        parts: training and test, in this order.
        copies: pictures that the same bytes, or the same file, stand for more than once.
        mirrored: query pictures that lie in the gallery too, under the same identity and camera,
            where the camera rule leaves them out.
        errors: what has to be repaired.
        warnings: what a reader of the scores has to know.
    """

    name: str
    layout: str
    folder: Path
    protocol: Protocol
    counts: Mapping[str, int]
    known: Mapping[str, int]
    parts: tuple[PartFacts, ...]
    copies: tuple[Copies, ...]
    mirrored: int
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def examine(inventory: Inventory, *, progress: bool = False) -> Examination:
    """Decode every picture and compare what lies there with what should.

    The result does not depend on the order of the sightings. About 1 kB is kept of each
    picture, its paths included.

    Args:
        inventory: what a reader found.
        progress: whether to show a bar with the time left.
    """
    inventory = replace(  # sorted once: everything below is faster with sorted parts
        inventory,
        train=tuple(sorted(inventory.train)),
        query=tuple(sorted(inventory.query)),
        gallery=tuple(sorted(inventory.gallery)),
    )
    parts = parts_of(inventory)
    looks = survey((one.path for part in parts.values() for one in part), progress=progress)
    scene = Scene(inventory, parts, kept_in(inventory), looks)
    copies, mirrored = copies_of(scene)
    return Examination(
        name=inventory.name,
        layout=inventory.layout,
        folder=inventory.folder,
        protocol=inventory.protocol,
        counts=counts_of(inventory),
        known=inventory.known,
        parts=tuple(_facts(name, part, inventory, looks) for name, part in parts.items()),
        copies=copies,
        mirrored=mirrored,
        errors=errors_of(scene),
        warnings=warnings_of(scene, copies),
    )


def parts_of(inventory: Inventory) -> dict[str, tuple[Sighting, ...]]:
    """Name of each part -> its pictures, sorted; ``test`` where the gallery is drawn from it."""
    parts = {TRAINING: inventory.train}
    if inventory.protocol.repeats:
        parts["test"] = inventory.query
    else:
        parts |= {"query": inventory.query, "gallery": inventory.gallery}
    return {name: tuple(sorted(part)) for name, part in parts.items()}


def _facts(
    name: str,
    part: tuple[Sighting, ...],
    inventory: Inventory,
    looks: Mapping[Path, PictureFile | Fault],
) -> PartFacts:
    junk, distractors = inventory.protocol.junk, inventory.protocol.distractors
    people = Counter(one.identity for one in part if one.identity not in junk | distractors)
    pictures = [found for one in part if isinstance(found := looks[one.path], PictureFile)]
    return PartFacts(
        name=name,
        files=len(part),
        junk=sum(one.identity in junk for one in part),
        distractors=sum(one.identity in distractors for one in part),
        identities=len(people),
        cameras=_counted(one.camera for one in part if one.identity not in junk),
        spread=_spread(people.values()) if people else None,
        median_size=_median_size(pictures),
        smallest=_smallest(pictures),
        modes=_counted(picture.mode for picture in pictures),
    )


def _spread(pictures: Iterable[int]) -> Spread:
    """Of the numbers of pictures, one for each identity."""
    counts = sorted(pictures)
    return Spread(
        least=counts[0],
        median=median(counts),
        mean=sum(counts) / len(counts),
        most=counts[-1],
        histogram=_counted(counts),
    )


def _median_size(pictures: list[PictureFile]) -> tuple[int, int] | None:
    if not pictures:
        return None
    return (median_high(one.width for one in pictures), median_high(one.height for one in pictures))


def _smallest(pictures: list[PictureFile]) -> tuple[int, int] | None:
    sizes = ((one.width, one.height) for one in pictures)
    return min(sizes, key=lambda size: (size[0] * size[1], size), default=None)


def _counted(values: Iterable[Key]) -> dict[Key, int]:
    """Value -> how often it occurs, by rising value."""
    return dict(sorted(Counter(values).items()))
