"""Several data sets as one to train on; the first of them is the one to test on."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reid_data.layout import counted, first_few, in_words
from reid_data.parts import count_differences, kept_in
from reid_data.records import Inventory, Sighting


def combine(inventories: Sequence[Inventory]) -> Inventory:
    """Train on all, test on the first.

    Nobody of one data set is somebody of another: the first keeps its numbers, and the identities
    and cameras of each other one follow, by rising number, behind those before it. A camera that is
    not known (-1) stays so. Junk and distractors of the others go by their own protocols; query,
    gallery and protocol are the first's. Counts are known of each alone, so that differences are
    among the remarks, each of which begins with the name of its data set.

    Args:
        inventories: one or more, in an order that matters for the numbers only behind the first.

    Raises:
        ValueError: If a picture is in two of them, or two are of one published data set, so that
            one would have to be two identities.
    """
    _require_different(inventories)
    first = inventories[0]
    nobody = first.protocol.junk | first.protocol.distractors
    everybody = list(first.train + first.query + first.gallery)
    train = list(first.train)
    identity_before = max((0, *nobody, *(sighting.identity for sighting in everybody)))
    camera_before = max((-1, *(sighting.camera for sighting in everybody)))
    for other in inventories[1:]:
        added = kept_in(other).train
        identities = _behind(identity_before, (sighting.identity for sighting in added))
        cameras = _behind(camera_before, (s.camera for s in added if s.camera >= 0))
        train += _renumbered(added, identities, cameras)
        identity_before += len(identities)
        camera_before += len(cameras)
    return replace(
        first,
        name="+".join(inventory.name for inventory in inventories),
        layout=" + ".join(inventory.layout for inventory in inventories),
        train=tuple(train),
        known={},
        others={inventory.name: inventory.folder for inventory in inventories[1:]},
        remarks=tuple(remark for inventory in inventories for remark in _remarks(inventory)),
        people="",
    )


def _behind(before: int, numbers: Iterable[int]) -> dict[int, int]:
    """Number -> the one it becomes: ``before + 1`` and so on, by rising number."""
    return {number: before + at for at, number in enumerate(sorted(set(numbers)), start=1)}


def _renumbered(
    sightings: Iterable[Sighting], identities: Mapping[int, int], cameras: Mapping[int, int]
) -> list[Sighting]:
    return [
        Sighting(identities[one.identity], cameras.get(one.camera, one.camera), one.path)
        for one in sightings
    ]


def _remarks(inventory: Inventory) -> list[str]:
    differences = count_differences(inventory)
    return [
        *(f"{inventory.name}: {remark}" for remark in inventory.remarks),
        *([f"{inventory.name} has {in_words(differences)}."] if differences else []),
    ]


def _require_different(inventories: Sequence[Inventory]) -> None:
    first = inventories[0]
    seen = _files((*first.query, *first.gallery, *first.train))
    people = {first.people: first.name}
    for other in inventories[1:]:
        added = _files(other.train)
        twice = sorted(seen & added)
        if twice:
            raise ValueError(
                f"{other.name} has {counted(len(twice), 'picture', 'pictures')} that a data set"
                f" before it in the sum has too ({first_few(twice)}), and one picture cannot be two"
                " identities: name each data set once."
            )
        if other.people and other.people in people:
            raise ValueError(
                f"{people[other.people]} and {other.name} both show the identities of"
                f" {other.people}, and nobody can be two identities: name one of them."
            )
        seen |= added
        people[other.people] = other.name


def _files(sightings: Iterable[Sighting]) -> set[str]:
    """Their files, whatever links lead there."""
    return {os.path.realpath(sighting.path) for sighting in sightings}
