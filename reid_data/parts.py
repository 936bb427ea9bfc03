"""The checks every data set passes before anyone uses its three parts."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from reid_data.layout import first_few, in_words
from reid_data.records import Protocol, ReidDataset, Sighting

_log = logging.getLogger(__name__)


def assemble(
    name: str,
    *,
    train: Iterable[Sighting],
    query: Iterable[Sighting],
    gallery: Iterable[Sighting],
    protocol: Protocol,
) -> ReidDataset:
    """Sort the parts, drop what the protocol drops, and refuse what would mislead a search.

    Junk leaves every part; distractors leave the training and the query part and stay in the
    gallery. Identities with a single picture are named in a warning of the log.

    Args:
        name: of the data set.
        train: pictures to search and train on.
        query: pictures asked for.
        gallery: pictures searched in; none where the protocol draws them from the query part.
        protocol: says what is junk and what a distractor.

    Raises:
        ValueError: If an identity is in the training and in the test part, or if a part has no
            picture left.
    """
    nobody = protocol.junk | protocol.distractors
    dataset = ReidDataset(
        name,
        train=_without(nobody, train, f"training part of {name}"),
        query=_without(nobody, query, f"query part of {name}"),
        gallery=() if protocol.repeats else _without(protocol.junk, gallery, f"gallery of {name}"),
        protocol=protocol,
    )
    _require_disjoint(dataset)
    _warn_of_single_pictures(dataset)
    return dataset


def counts_of(dataset: ReidDataset) -> dict[str, int]:
    """Part -> its pictures, of a data set with a gallery of its own."""
    return {
        "training": len(dataset.train),
        "query": len(dataset.query),
        "gallery": len(dataset.gallery),
    }


def compare_counts(
    folder: Path, counts: Mapping[str, int], *, called: str, known: Mapping[str, int]
) -> None:
    """Warn where a data set has other counts than the one it takes itself for.

    Args:
        folder: the data set.
        counts: part -> pictures found.
        called: the data set it takes itself for.
        known: part -> pictures of that one.
    """
    if counts != known:
        _log.warning(
            "%s has %s pictures where %s has %s: its scores cannot be compared with published ones",
            folder,
            in_words([f"{count} {part}" for part, count in counts.items()]),
            called,
            in_words([str(count) for count in known.values()]),
        )


def _without(
    dropped: frozenset[int], sightings: Iterable[Sighting], where: str
) -> tuple[Sighting, ...]:
    """The pictures of other identities, sorted; how many went is logged."""
    found = sorted(sightings)
    kept = tuple(sighting for sighting in found if sighting.identity not in dropped)
    if len(kept) < len(found):
        _log.info(
            "%d junk or distractor pictures left out of the %s", len(found) - len(kept), where
        )
    if not kept:
        raise ValueError(
            f"The {where} has no picture of an identity among {len(found)} files: check that the"
            " folder is complete."
        )
    return kept


def _require_disjoint(dataset: ReidDataset) -> None:
    trained = {sighting.identity for sighting in dataset.train}
    tested = {sighting.identity for sighting in (*dataset.query, *dataset.gallery)}
    both = sorted(trained & tested)
    if both:
        raise ValueError(
            f"Data set '{dataset.name}' has {len(both)} identities in training and in test"
            f" ({first_few(both)}), which would make every score too good: separate them."
        )


def _warn_of_single_pictures(dataset: ReidDataset) -> None:
    test = (*dataset.query, *dataset.gallery)
    nobody = dataset.protocol.distractors
    for where, part in (("training", dataset.train), ("test", test)):
        single = [identity for identity in _single(part) if identity not in nobody]
        if single:
            _log.warning(
                "%d %s identities of %s have one picture only, so that they have no other picture"
                " to be near to: %s",
                len(single),
                where,
                dataset.name,
                first_few(single),
            )


def _single(sightings: Iterable[Sighting]) -> list[int]:
    """Identities seen exactly once, sorted."""
    once: set[int] = set()
    again: set[int] = set()
    for sighting in sightings:
        (again if sighting.identity in once else once).add(sighting.identity)
    return sorted(once - again)
