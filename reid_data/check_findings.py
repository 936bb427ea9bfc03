"""The sentences of a check: each rule a data set breaks, with everything that breaks it."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from reid_data.check_files import Fault, PictureFile
from reid_data.layout import first_few
from reid_data.parts import Kept, by_one_camera, contradictions, count_differences, only_once
from reid_data.records import Inventory, Sighting

TRAINING = "training"


class Finding(NamedTuple):
    """One rule that is broken.

    Attributes:
        kind: a word for programs.
        words: a sentence that names the first few.
        names: all of them: files, identities, or sentences.
    """

    kind: str
    words: str
    names: tuple[str, ...]


class Copies(NamedTuple):
    """Pictures with equal bytes.

    Attributes:
        files: sorted; a file that two parts list stands here twice.
        parts: that each of them is in.
        identities: that each of them is filed under.
    """

    files: tuple[str, ...]
    parts: tuple[str, ...]
    identities: tuple[int, ...]

    def __str__(self) -> str:
        """Parts and identities are said where they differ."""
        parts = [part for part in self.parts if len(set(self.parts)) > 1]
        identities = [f"identity {who}" for who in self.identities if len(set(self.identities)) > 1]
        said = [
            ", ".join(filter(None, words)) for words in zip_longest(parts, identities, fillvalue="")
        ]
        pairs = zip_longest(self.files, said, fillvalue="")
        return " = ".join(f"{file} ({words})" if words else file for file, words in pairs)


@dataclass(frozen=True)
class Scene:
    """An inventory and what became of its files.

    Attributes:
        inventory: as it was read.
        parts: name -> its pictures, sorted; ``training`` is the first, the others are for the test.
        kept: what of them counts in an evaluation, sorted.
        looks: what each file is, sorted by path.
    """

    inventory: Inventory
    parts: Mapping[str, tuple[Sighting, ...]]
    kept: Kept
    looks: Mapping[Path, PictureFile | Fault]

    def sides(self) -> Iterator[tuple[str, list[Sighting]]]:
        """Training and test, each with its pictures of identities."""
        nobody, test = self.inventory.protocol.distractors, self.kept.query + self.kept.gallery
        yield TRAINING, list(self.kept.train)
        yield "test", [one for one in test if one.identity not in nobody]

    def file(self, path: Path) -> str:
        """A file's name relative to the data set's folder, the same on every machine.

        In a sum, files of the others are named by their data set and relative to its folder.
        """
        for name, folder in self.inventory.others.items():
            if path.is_relative_to(folder) and not path.is_relative_to(self.inventory.folder):
                return f"{name}/{path.relative_to(folder).as_posix()}"
        return Path(os.path.relpath(path, self.inventory.folder)).as_posix()


def copies_of(scene: Scene) -> tuple[tuple[Copies, ...], int]:
    """Pictures with equal bytes, and how many query pictures lie in the gallery too.

    Junk is left out. A query picture whose only copy lies in the gallery under the same identity
    and camera is counted apart where the camera rule leaves it out: so VeRi-776 is made.
    """
    junk, camera_rule = scene.inventory.protocol.junk, scene.inventory.protocol.camera_rule
    alike: dict[bytes, list[tuple[str, Sighting]]] = defaultdict(list)
    for part, sightings in scene.parts.items():
        for one in sightings:
            found = scene.looks[one.path]
            if isinstance(found, PictureFile) and one.identity not in junk:
                alike[found.digest].append((part, one))
    several = [group for group in alike.values() if len(group) > 1]
    copies = [_copies(scene, group) for group in several if not (camera_rule and _mirrors(group))]
    return tuple(sorted(copies)), len(several) - len(copies)


def _copies(scene: Scene, group: Iterable[tuple[str, Sighting]]) -> Copies:
    entries = sorted((scene.file(one.path), part, one.identity) for part, one in group)
    files, parts, identities = zip(*entries, strict=True)
    return Copies(files, parts, identities)


def _mirrors(group: Sequence[tuple[str, Sighting]]) -> bool:
    """Whether a picture lies once in the query part and once in the gallery, filed alike."""
    filed = {(one.identity, one.camera) for _, one in group}
    return sorted(part for part, _ in group) == ["gallery", "query"] and len(filed) == 1


def errors_of(scene: Scene) -> tuple[Finding, ...]:
    """What has to be repaired before anyone trains or scores on the data set."""
    return tuple(
        filter(
            None,
            (
                _empty(scene),
                _missing(scene),
                _unreadable(scene),
                _contradictory(scene),
                _in_both(scene),
            ),
        )
    )


def warnings_of(scene: Scene, copies: Sequence[Copies]) -> tuple[Finding, ...]:
    """What a reader of scores on the data set has to know.

    Args:
        scene: the data set.
        copies: of `copies_of`.
    """
    repeated = _finding("duplicates", "Pictures that lie in it more than once", copies)
    found = [
        _for_training_only(scene),
        _counts(scene),
        repeated,
        *_lonely(scene),
        _unmatched(scene),
        _deep(scene),
    ]
    remarks = (Finding("remark", words, ()) for words in scene.inventory.remarks)
    return (*filter(None, found), *remarks)


def _finding(kind: str, what: str, names: Iterable[object], hint: str = "") -> Finding | None:
    """What was found, how often, the first few of it, and what it means; None for no name."""
    texts = tuple(str(name) for name in names)
    words = f"{what}: {len(texts):,} ({first_few(texts)}){'; ' if hint else ''}{hint}."
    return Finding(kind, words, texts) if texts else None


def _empty(scene: Scene) -> Finding | None:
    """Parts with nothing to use; without query *and* gallery a data set is for training only."""
    kept = scene.kept
    left = {TRAINING: kept.train, "test": kept.query, "query": kept.query, "gallery": kept.gallery}
    tested = scene.inventory.query or scene.inventory.gallery
    empty = (part for part in scene.parts if not left[part] and (tested or part == TRAINING))
    return _finding("empty", "Parts without a picture of an identity", empty, "unpack them again")


def _missing(scene: Scene) -> Finding | None:
    files = (file for file, fault in _faults(scene) if fault.missing)
    return _finding("missing", "Missing pictures", files, "unpack the data set again")


def _unreadable(scene: Scene) -> Finding | None:
    broken = {file: fault.reason for file, fault in _faults(scene) if not fault.missing}
    reasons = (f"{file}: {reason}" for file, reason in broken.items())
    found = _finding("unreadable", "Unreadable pictures", reasons, "replace or remove them")
    return found and found._replace(names=tuple(broken))


def _faults(scene: Scene) -> Iterator[tuple[str, Fault]]:
    for path, found in scene.looks.items():
        if isinstance(found, Fault):
            yield scene.file(path), found


def _contradictory(scene: Scene) -> Finding | None:
    wrong = {scene.file(path): said for path, said in contradictions(scene.kept).items()}
    words = (f"{file}: {said}" for file, said in wrong.items())
    what = "Pictures with two identities, or in both training and test"
    found = _finding("contradictory", what, words, "each can be used once, repair the list")
    return found and found._replace(names=tuple(wrong))


def _in_both(scene: Scene) -> Finding | None:
    trained, tested = ({one.identity for one in pictures} for _, pictures in scene.sides())
    hint = "every score would be too good, separate them"
    return _finding(
        "in_both", "Identities in both training and test", sorted(trained & tested), hint
    )


def _counts(scene: Scene) -> Finding | None:
    differences = tuple(count_differences(scene.inventory))
    words = (
        f"Other counts than those of the published data set: {', '.join(differences)}; scores"
        " cannot be compared with published ones."
    )
    return Finding("counts", words, differences) if differences else None


def _for_training_only(scene: Scene) -> Finding | None:
    if scene.inventory.query or scene.inventory.gallery:
        return None
    words = (
        "Neither query nor gallery has a picture: the data set can be trained on, not tested on."
    )
    return Finding("training_only", words, ())


def _lonely(scene: Scene) -> Iterator[Finding | None]:
    """Identities with one picture and, where there is a camera rule, with several by one camera."""
    camera_rule = scene.inventory.protocol.camera_rule
    for side, pictures in scene.sides():
        yield _finding(
            f"single_picture_{side}",
            f"{side.capitalize()} identities with a single picture",
            only_once(pictures),
            "they have no other picture to be near to",
        )
        yield _finding(
            f"one_camera_{side}",
            f"{side.capitalize()} identities seen by one camera only",
            by_one_camera(pictures) if camera_rule else (),
            "" if side == TRAINING else "the camera rule leaves their queries no match",
        )


def _unmatched(scene: Scene) -> Finding | None:
    """Query pictures that cannot be scored, unless `_lonely` named their identity already."""
    kept, camera_rule = scene.kept, scene.inventory.protocol.camera_rule
    if not kept.gallery:
        return None
    (_, test) = dict(scene.sides()).values()
    named = {*only_once(test), *(by_one_camera(test) if camera_rule else ())}
    cameras: dict[int, set[int]] = defaultdict(set)
    for one in kept.gallery:
        cameras[one.identity].add(one.camera)
    files = (
        scene.file(one.path)
        for one in kept.query
        if one.identity not in named
        and not cameras[one.identity] - ({one.camera} if camera_rule else set())
    )
    hint = "they will be skipped"
    return _finding("unmatched", "Query pictures without a match in the gallery", files, hint)


def _deep(scene: Scene) -> Finding | None:
    files = (
        scene.file(path)
        for path, found in scene.looks.items()
        if isinstance(found, PictureFile) and found.mode.startswith(("F", "I"))
    )
    hint = "their values are cut at 255 when they are read, convert them"
    return _finding("deep", "Pictures of more than 8 bits a colour", files, hint)
