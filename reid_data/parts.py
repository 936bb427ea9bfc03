"""The checks every data set passes before anyone uses its three parts."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reid_data.layout import counted, first_few, in_words
from reid_data.records import Inventory, ReidDataset, Sighting

_log = logging.getLogger(__name__)

Pictures = tuple[Sighting, ...]

PICTURE_COUNTS = ("training", "query", "gallery", "test")
"""Keys of ``counts_of`` that are numbers of pictures."""


class Kept(NamedTuple):
    """Pictures that count: junk is in no part, distractors are in the gallery only.

    Attributes:
        train: pictures to search and train on.
        query: pictures asked for.
        gallery: pictures searched in; none where it is drawn from the query part.
    """

    train: Pictures
    query: Pictures
    gallery: Pictures


def assemble(inventory: Inventory) -> ReidDataset:
    """Sort the parts, drop what the protocol drops, and refuse what would mislead a search.

    Junk leaves every part; distractors leave the training and the query part and stay in the
    gallery. The log says what was left out or passed over, and warns of counts that are not the
    known ones, of identities with a single picture and, where there is a camera rule, of
    identities that one camera saw. An inventory without query *and* gallery is for training only.

    Raises:
        ValueError: If a picture does not exist or contradicts itself (see ``contradictions``), an
            identity is in the training and in the test part, or a part has no picture of an
            identity left.
    """
    kept = Kept(*(tuple(sorted(part)) for part in kept_in(inventory)))
    _require_pictures(inventory, kept)
    _require_files(inventory, kept)
    _require_one_meaning(inventory, kept)
    _require_disjoint(inventory, kept)
    for remark in inventory.remarks:
        _log.warning("%s: %s", inventory.name, remark)
    _warn_of_counts(inventory)
    _warn_of_the_lonely(inventory, kept)
    return ReidDataset(inventory.name, *kept, protocol=inventory.protocol, layout=inventory.layout)


def kept_in(data: Inventory | ReidDataset) -> Kept:
    """What the protocol leaves of the three parts, in their order."""
    junk, nobody = data.protocol.junk, data.protocol.junk | data.protocol.distractors
    return Kept(
        train=_without(nobody, data.train),
        query=_without(nobody, data.query),
        gallery=() if data.protocol.repeats else _without(junk, data.gallery),
    )


def counts_of(data: Inventory | ReidDataset) -> dict[str, int]:
    """What a data set is known by, counted; whether the files exist makes no difference.

    ``training``, ``query`` and ``gallery`` are pictures without junk, distractors counted in the
    gallery; where the gallery is drawn from the query part, ``test`` stands in place of both.
    ``training identities`` and ``test identities`` count no distractors, and ``cameras`` are those
    of all these pictures, 0 where none is known.
    """
    kept = kept_in(data)
    test = kept.query + kept.gallery
    people = {sighting.identity for sighting in test} - data.protocol.distractors
    pictures = (
        {"test": len(kept.query)}
        if data.protocol.repeats
        else {"query": len(kept.query), "gallery": len(kept.gallery)}
    )
    return {
        "training": len(kept.train),
        **pictures,
        "training identities": len({sighting.identity for sighting in kept.train}),
        "test identities": len(people),
        "cameras": len({s.camera for s in kept.train + test if s.camera >= 0}),
    }


def count_differences(inventory: Inventory) -> list[str]:
    """Every count that is not the known one, in words.

    Example:
        ``["12,935 instead of 12,936 training pictures", "5 instead of 6 cameras"]``
    """
    counts, known = counts_of(inventory), inventory.known
    return [
        f"{counts[what]:,} instead of {known[what]:,} {_counted(what)}"
        for what in sorted(known, key=list(counts).index)
        if counts[what] != known[what]
    ]


def contradictions(kept: Kept) -> dict[Path, str]:
    """Pictures that show two identities, or are in training and in test, with what is said of them.

    A query picture may lie in the gallery too, as the same identity. Files are compared by their
    names once links and ``..`` among their folders are followed; a picture that is a link itself,
    as content-addressed stores have it, is a picture of its own.

    Returns:
        The path, or the first of several ways to the same file, sorted; and words such as
        ``identity 1 in training and identity 3 in test``.
    """
    meanings: dict[tuple[str, str], list[tuple[Path, str]]] = defaultdict(list)
    folders = {one.path.parent for part in kept for one in part}
    followed = {folder: os.path.realpath(folder) for folder in folders}
    for side, pictures in (("training", kept.train), ("test", kept.query + kept.gallery)):
        for one in pictures:
            file = followed[one.path.parent], one.path.name
            meanings[file].append((one.path, f"identity {one.identity} in {side}"))
    return dict(
        sorted(
            (min(path for path, _ in said), in_words(list(distinct)))
            for said in meanings.values()
            if len(distinct := dict.fromkeys(words for _, words in said)) > 1
        )
    )


def only_once(sightings: Iterable[Sighting]) -> list[int]:
    """Identities with one picture, sorted."""
    return [identity for identity, seen in _by_identity(sightings).items() if len(seen) == 1]


def by_one_camera(sightings: Iterable[Sighting]) -> list[int]:
    """Identities with several pictures, all by the same known camera, sorted."""
    lonely = []
    for identity, seen in _by_identity(sightings).items():
        cameras = {sighting.camera for sighting in seen}
        if len(seen) > 1 and len(cameras) == 1 and min(cameras) >= 0:
            lonely.append(identity)
    return lonely


def _by_identity(sightings: Iterable[Sighting]) -> dict[int, list[Sighting]]:
    """Identity -> its pictures, each file once, by rising identity."""
    seen: dict[int, dict[Path, Sighting]] = defaultdict(dict)
    for sighting in sightings:
        seen[sighting.identity][sighting.path] = sighting
    return {identity: list(seen[identity].values()) for identity in sorted(seen)}


def _counted(what: str) -> str:
    return f"{what} pictures" if what in PICTURE_COUNTS else what


def _without(dropped: frozenset[int], sightings: Iterable[Sighting]) -> Pictures:
    return tuple(one for one in sightings if one.identity not in dropped)


def _require_pictures(inventory: Inventory, kept: Kept) -> None:
    """Refuse an empty part, and log how many pictures were left out of each."""
    for_training_only = not inventory.query and not inventory.gallery
    no_gallery = for_training_only or inventory.protocol.repeats > 0
    for where, found, left, may_be_empty in (
        ("training part", inventory.train, kept.train, False),
        ("query part", inventory.query, kept.query, for_training_only),
        ("gallery", inventory.gallery, kept.gallery, no_gallery),
    ):
        if len(left) < len(found):
            _log.info(
                "%s left out of the %s of %s",
                counted(
                    len(found) - len(left),
                    "junk or distractor picture",
                    "junk or distractor pictures",
                ),
                where,
                inventory.name,
            )
        if not left and not may_be_empty:
            raise ValueError(
                f"The {where} of {inventory.name} has no picture of an identity among"
                f" {counted(len(found), 'file', 'files')}: check that the folder is complete."
            )


def _require_files(inventory: Inventory, kept: Kept) -> None:
    paths = sorted({sighting.path for part in kept for sighting in part})
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of the {len(paths)} pictures of {inventory.name} do not exist"
            f" ({first_few(missing)}): unpack the data set again."
        )


def _require_one_meaning(inventory: Inventory, kept: Kept) -> None:
    wrong = [f"{path}: {said}" for path, said in contradictions(kept).items()]
    if wrong:
        raise ValueError(
            f"Data set '{inventory.name}' has {counted(len(wrong), 'picture', 'pictures')} with two"
            f" identities, or in training and in test ({first_few(wrong)}): name each once."
        )


def _require_disjoint(inventory: Inventory, kept: Kept) -> None:
    trained = {sighting.identity for sighting in kept.train}
    tested = {sighting.identity for sighting in kept.query + kept.gallery}
    both = sorted(trained & tested)
    if both:
        raise ValueError(
            f"Data set '{inventory.name}' has {counted(len(both), 'identity', 'identities')} in"
            f" training and in test ({first_few(both)}), which would make every score too good:"
            " separate them."
        )


def _warn_of_counts(inventory: Inventory) -> None:
    differences = count_differences(inventory)
    if differences:
        _log.warning(
            "%s in %s has %s: its scores cannot be compared with published ones",
            inventory.name,
            inventory.folder,
            in_words(differences),
        )


def _warn_of_the_lonely(inventory: Inventory, kept: Kept) -> None:
    nobody = inventory.protocol.distractors
    test = [one for one in kept.query + kept.gallery if one.identity not in nobody]
    for where, part in (("training", kept.train), ("test", test)):
        single = only_once(part)
        if single:
            _log.warning(
                "%s of %s with one picture only, which has no other to be near to: %s",
                counted(len(single), f"{where} identity", f"{where} identities"),
                inventory.name,
                first_few(single),
            )
        one_camera = by_one_camera(part) if inventory.protocol.camera_rule else []
        if one_camera:
            _log.warning(
                "%s of %s seen by one camera only, of which the camera rule leaves nothing to"
                " find: %s",
                counted(len(one_camera), f"{where} identity", f"{where} identities"),
                inventory.name,
                first_few(one_camera),
            )
