"""The words of a ReID data set: a sighting, its parts, and the rules it is evaluated by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

JUNK = -1
"""Identity of pictures that every evaluation leaves out (Market-1501's ``-1_...`` files)."""

DISTRACTOR = 0
"""Identity of gallery pictures that belong to nobody: they stay, and count as wrong."""

UNKNOWN_CAMERA = -1
"""Camera of pictures that do not say which one took them."""


@dataclass(frozen=True, order=True)
class Sighting:
    """One picture of one identity by one camera.

    Attributes:
        identity: as the data set numbers it; ``-1`` is junk, ``0`` a distractor.
        camera: as the data set numbers it, or -1 where it does not say.
        path: of the picture file.
    """

    identity: int
    camera: int
    path: Path


@dataclass(frozen=True)
class Protocol:
    """How a data set is evaluated.

    Attributes:
        camera_rule: leave out, per query, gallery pictures of the same identity *and* camera.
        junk: identities dropped everywhere.
        distractors: gallery identities that count as wrong and are never queries.
        repeats: how often a gallery is drawn, one picture of each identity, from the query part,
            whose other pictures are then the queries; 0 where the gallery is a part of its own.
        seed: of these draws.
    """

    camera_rule: bool = True
    junk: frozenset[int] = frozenset({JUNK})
    distractors: frozenset[int] = frozenset({DISTRACTOR})
    repeats: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Inventory:
    """What lies on disk, before anything of it is dropped or refused.

    Files may be missing or broken, junk is still in it, and identities may be in both parts:
    ``parts.assemble`` makes a data set of it or says why not, ``check.examine`` reports on it.

    Attributes:
        name: as the catalog knows it, with edition and size (``msmt17_v2``, ``vehicleid_800``).
        layout: how it is laid out, with its version, in words (``MSMT17 V2``).
        folder: where it was found.
        train: pictures to search and train on.
        query: pictures asked for.
        gallery: pictures searched in; none where the protocol draws them from the query part.
        protocol: the rules of this data set.
        known: counts the published data set has, by the keys of ``parts.counts_of``; empty for
            data nobody published.
        remarks: what was passed over in reading it, a sentence each, in which files and folders
            are named relative to ``folder``.
        people: the published data set whose identities they are, the same in all its editions;
            empty where it is not known.
        others: name -> folder of each data set that was added to the first one of a sum.
    """

    name: str
    layout: str
    folder: Path
    train: tuple[Sighting, ...]
    query: tuple[Sighting, ...]
    gallery: tuple[Sighting, ...]
    protocol: Protocol = Protocol()
    known: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    people: str = ""
    others: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class ReidDataset:
    """A data set in its three parts, each sorted; training and test identities are disjoint.

    Attributes:
        name: as the catalog knows it.
        train: pictures to search and train on.
        query: pictures asked for.
        gallery: pictures searched in; junk is already dropped, distractors are not. Empty where
            the protocol draws it from the query part.
        protocol: the rules of this data set.
        layout: how it is laid out, with its version, in words.
    """

    name: str
    train: tuple[Sighting, ...]
    query: tuple[Sighting, ...]
    gallery: tuple[Sighting, ...]
    protocol: Protocol = Protocol()
    layout: str = ""
