"""Each planted fault is found, named, and alone; a clean data set gives no finding at all."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_data.check import Examination, Spread, examine
from reid_data.combined import combine
from reid_data.records import DISTRACTOR, JUNK, Inventory, Protocol, Sighting

Seen = tuple[int, int]
"""Identity and camera."""

TRAIN: Sequence[Seen] = ((1, 1), (1, 2), (2, 1), (2, 2), (2, 2))
QUERY: Sequence[Seen] = ((3, 1), (4, 2))
GALLERY: Sequence[Seen] = ((3, 2), (3, 2), (4, 1))
DRAWN = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset(), repeats=10)


def pictures(folder: Path, seen: Iterable[Seen]) -> tuple[Sighting, ...]:
    """A different noisy picture for each."""
    folder.mkdir(parents=True, exist_ok=True)
    sightings = []
    for number, (identity, camera) in enumerate(seen):
        path = folder / f"{number}_{identity}_c{camera}.jpg"
        label = sum(map(ord, folder.name))  # parts differ from each other, too
        pixels = np.random.default_rng([label, number]).integers(0, 256, (12, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        sightings.append(Sighting(identity, camera, path))
    return tuple(sightings)


def inventory(
    root: Path,
    *,
    train: Iterable[Seen] = TRAIN,
    query: Iterable[Seen] = QUERY,
    gallery: Iterable[Seen] = GALLERY,
) -> Inventory:
    return Inventory(
        name="planted",
        layout="by hand",
        folder=root,
        train=pictures(root / "train", train),
        query=pictures(root / "query", query),
        gallery=pictures(root / "gallery", gallery),
    )


def kinds(found: Examination) -> tuple[list[str], list[str]]:
    """Of the errors and of the warnings."""
    return [one.kind for one in found.errors], [one.kind for one in found.warnings]


def test_a_clean_data_set_gives_no_finding_and_its_facts_are_those_worked_out_by_hand(
    tmp_path: Path,
) -> None:
    found = examine(inventory(tmp_path))
    assert kinds(found) == ([], [])
    assert (found.copies, found.mirrored) == ((), 0)
    assert found.counts == {
        "training": 5, "query": 2, "gallery": 3,
        "training identities": 2, "test identities": 2, "cameras": 2,
    }  # fmt: skip
    training, query, gallery = found.parts
    assert [part.name for part in found.parts] == ["training", "query", "gallery"]
    # identity 1 has 2 pictures and identity 2 has 3: median and mean are 5 / 2
    assert training.spread == Spread(2, 2.5, 2.5, 3, {2: 1, 3: 1})
    assert query.spread == Spread(1, 1, 1, 1, {1: 2})
    assert gallery.spread == Spread(1, 1.5, 1.5, 2, {1: 1, 2: 1})
    assert dict(training.cameras) == {1: 2, 2: 3}
    assert (training.median_size, training.smallest) == ((8, 12), (8, 12))
    assert dict(training.modes) == {"RGB": 5}


def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    planted = inventory(tmp_path)
    path = planted.gallery[1].path
    path.write_bytes(path.read_bytes()[:-100])
    found = examine(planted)
    assert kinds(found) == (["unreadable"], [])
    assert found.errors[0].names == ("gallery/1_3_c2.jpg",)
    assert re.search(r"gallery/1_3_c2\.jpg: .*[Tt]runcated", found.errors[0].words)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    planted = inventory(tmp_path)
    planted.train[4].path.unlink()
    found = examine(planted)
    assert kinds(found) == (["missing"], [])
    assert found.errors[0].names == ("train/4_2_c2.jpg",)
    assert found.counts["training"] == 5  # listed, all the same


def test_an_identity_in_training_and_test_is_an_error_that_names_it(tmp_path: Path) -> None:
    found = examine(inventory(tmp_path, train=[*TRAIN, (3, 1), (3, 2)]))
    assert kinds(found) == (["in_both"], [])
    assert found.errors[0].names == ("3",)


def test_a_file_with_two_meanings_is_an_error_that_names_it(tmp_path: Path) -> None:
    planted = inventory(tmp_path)
    twice = replace(planted.train[0], identity=2)
    found = examine(replace(planted, train=(*planted.train, twice)))
    assert kinds(found) == (["contradictory"], ["duplicates"])
    assert found.errors[0].names == ("train/0_1_c1.jpg",)
    assert "train/0_1_c1.jpg: identity 1 in training and identity 2 in tr" in found.errors[0].words
    used = replace(planted.query[0], identity=2)
    found = examine(replace(planted, train=(*planted.train, used)))
    assert kinds(found)[0] == ["contradictory"]
    assert found.errors[0].names == ("query/0_3_c1.jpg",)
    mirrored = examine(replace(planted, gallery=(*planted.gallery, planted.query[0])))
    assert kinds(mirrored) == ([], [])


def test_files_of_another_data_set_of_a_sum_are_named_by_it(tmp_path: Path) -> None:
    first, other = inventory(tmp_path / "va"), inventory(tmp_path / "elsewhere" / "va2")
    other = replace(other, name="other", train=pictures(other.folder / "new", [(1, 1), (1, 2)]))
    other.train[1].path.unlink()
    found = examine(combine([first, other]))
    assert found.errors[0].names == ("other/new/1_1_c2.jpg",)


@pytest.mark.parametrize("part", ["train", "query", "gallery"])
def test_a_part_that_holds_nobody_is_an_error_that_names_it(tmp_path: Path, part: str) -> None:
    whole = inventory(tmp_path)
    nobody = [(JUNK, 1)] + ([(DISTRACTOR, 1)] if part != "gallery" else [])
    emptied: dict[str, Any] = {part: pictures(tmp_path / "nobody", nobody)}
    found = examine(replace(whole, **emptied))
    name = {"train": "training"}.get(part, part)
    assert [one.names for one in found.errors if one.kind == "empty"] == [(name,)]
    assert kinds(found)[0] == ["empty"]


def test_a_data_set_without_any_test_part_can_still_be_trained_on(tmp_path: Path) -> None:
    assert kinds(examine(inventory(tmp_path, query=(), gallery=()))) == ([], ["training_only"])


def test_a_wrong_count_is_a_warning_with_both_numbers(tmp_path: Path) -> None:
    known = {"training": 6, "query": 2, "gallery": 3, "cameras": 2}
    found = examine(replace(inventory(tmp_path), known=known))
    assert kinds(found) == ([], ["counts"])
    assert "5 instead of 6 training pictures" in found.warnings[0].words
    assert kinds(examine(replace(inventory(tmp_path), known=known | {"training": 5}))) == ([], [])


@pytest.mark.parametrize(
    ("copy", "original", "words"),
    [
        ("gallery", "gallery", "gallery/0_3_c2.jpg = gallery/1_3_c2.jpg"),
        ("gallery", "train", "gallery/1_3_c2.jpg (gallery, identity 3)"
                             " = train/0_1_c1.jpg (training, identity 1)"),
    ],
)  # fmt: skip
def test_a_duplicate_is_a_warning_that_names_both_files(
    tmp_path: Path, copy: str, original: str, words: str
) -> None:
    planted = inventory(tmp_path)
    content = getattr(planted, original)[0].path.read_bytes()
    getattr(planted, copy)[1].path.write_bytes(content)
    found = examine(planted)
    assert kinds(found) == ([], ["duplicates"])
    assert found.warnings[0].names == (words,)


def test_files_of_one_length_are_no_duplicates_for_that(tmp_path: Path) -> None:
    planted = inventory(tmp_path)
    for sighting, colour in zip(planted.gallery, ("red", "blue", "green"), strict=True):
        Image.new("RGB", (8, 8), colour).save(sighting.path, "BMP")
    assert len({one.path.stat().st_size for one in planted.gallery}) == 1
    assert kinds(examine(planted)) == ([], [])


@pytest.mark.parametrize("camera_rule", [True, False])
def test_a_query_picture_in_the_gallery_is_no_duplicate_where_the_camera_rule_drops_it(
    tmp_path: Path, *, camera_rule: bool
) -> None:
    planted = inventory(tmp_path, gallery=[*GALLERY, QUERY[0]])
    planted.gallery[-1].path.write_bytes(planted.query[0].path.read_bytes())
    found = examine(replace(planted, protocol=Protocol(camera_rule=camera_rule)))
    assert kinds(found) == ([], [] if camera_rule else ["duplicates"])
    assert found.mirrored == int(camera_rule)


@pytest.mark.parametrize("filed", [(3, 2), (4, 1)])
def test_a_query_picture_in_the_gallery_under_another_name_is_a_duplicate(
    tmp_path: Path, filed: Seen
) -> None:
    planted = inventory(tmp_path, gallery=[*GALLERY, filed])  # the query says (3, 1)
    planted.gallery[-1].path.write_bytes(planted.query[0].path.read_bytes())
    assert kinds(examine(planted)) == ([], ["duplicates"])


@pytest.mark.parametrize(
    ("fields", "kind", "identity"),
    [
        ({"query": [*QUERY, (5, 1)], "gallery": [*GALLERY, (5, 1)]}, "one_camera_test", "5"),
        ({"train": [*TRAIN, (7, 2), (7, 2)]}, "one_camera_training", "7"),
        ({"gallery": [*GALLERY, (5, 1)]}, "single_picture_test", "5"),
        ({"query": [*QUERY, (5, 1)]}, "single_picture_test", "5"),
        ({"train": [*TRAIN, (7, 2)]}, "single_picture_training", "7"),
    ],
)
def test_a_lonely_identity_is_a_warning_that_names_it(
    tmp_path: Path, fields: dict[str, Sequence[Seen]], kind: str, identity: str
) -> None:
    found = examine(inventory(tmp_path, **fields))
    assert kinds(found) == ([], [kind])
    assert found.warnings[0].names == (identity,)


def test_without_a_camera_rule_one_camera_is_enough(tmp_path: Path) -> None:
    planted = inventory(tmp_path, query=[(3, 1), (4, 1)], gallery=[(3, 1), (4, 1)])
    assert kinds(examine(planted)) == ([], ["one_camera_test"])
    assert kinds(examine(replace(planted, protocol=Protocol(camera_rule=False)))) == ([], [])


def test_a_query_that_nothing_in_the_gallery_matches_is_a_warning(tmp_path: Path) -> None:
    found = examine(inventory(tmp_path, query=[*QUERY, (5, 1), (5, 2)]))
    assert kinds(found) == ([], ["unmatched"])
    assert found.warnings[0].names == ("query/2_5_c1.jpg", "query/3_5_c2.jpg")


def test_a_picture_of_more_than_8_bits_is_a_warning(tmp_path: Path) -> None:
    planted = inventory(tmp_path)
    deep = Image.fromarray(np.full((12, 8), 3000, dtype=np.uint16))
    deep.save(planted.train[0].path, "PNG")
    found = examine(planted)
    assert kinds(found) == ([], ["deep"])
    assert dict(found.parts[0].modes) == {"I;16": 1, "RGB": 4}


def test_what_a_reader_passed_over_is_a_warning(tmp_path: Path) -> None:
    remark = "Left out of train: 2 pictures."
    found = examine(replace(inventory(tmp_path), remarks=(remark,)))
    assert kinds(found) == ([], ["remark"])
    assert found.warnings[0].words == remark


def test_junk_and_distractors_are_counted_and_are_nobody(tmp_path: Path) -> None:
    nobody = [(JUNK, 1), (JUNK, 1), (DISTRACTOR, 2)]
    planted = inventory(tmp_path, train=[*TRAIN, *nobody], gallery=[*GALLERY, *nobody])
    planted.gallery[3].path.write_bytes(planted.gallery[4].path.read_bytes())  # junk twice
    found = examine(planted)
    assert kinds(found) == ([], [])
    gallery = found.parts[2]
    assert (gallery.files, gallery.junk, gallery.distractors, gallery.identities) == (6, 2, 1, 2)
    assert list(gallery.cameras.items()) == [(1, 1), (2, 3)]  # without junk
    assert found.counts["gallery"] == 4


def test_where_the_gallery_is_drawn_there_is_one_test_part(tmp_path: Path) -> None:
    test = [(3, -1), (3, -1), (4, -1), (4, -1)]
    planted = replace(inventory(tmp_path, query=test, gallery=()), protocol=DRAWN)
    found = examine(planted)
    assert kinds(found) == ([], [])
    assert [part.name for part in found.parts] == ["training", "test"]
    assert kinds(examine(replace(planted, query=planted.query[1:]))) == (
        [],
        ["single_picture_test"],
    )


def test_several_faults_are_all_found_errors_apart_from_warnings(tmp_path: Path) -> None:
    planted = inventory(tmp_path, train=[*TRAIN, (3, 1), (7, 1)])
    planted.train[0].path.unlink()
    planted.train[1].path.write_bytes(b"")
    planted.gallery[0].path.write_bytes(planted.gallery[1].path.read_bytes())
    found = examine(replace(planted, known={"query": 1}, remarks=("Read.",)))
    # identity 3 has a single picture in training, as identity 7 has
    assert kinds(found) == (
        ["missing", "unreadable", "in_both"],
        ["counts", "duplicates", "single_picture_training", "remark"],
    )
    single = found.warnings[2]
    assert single.names == ("3", "7")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """One of each."""
    root = tmp_path_factory.mktemp("faulty")
    planted = inventory(root, train=[*TRAIN, (3, 1), (7, 1)], gallery=[*GALLERY, (JUNK, 1), (5, 1)])
    planted.train[0].path.unlink()
    planted.train[1].path.write_bytes(b"")
    planted.gallery[0].path.write_bytes(planted.train[2].path.read_bytes())
    planted.gallery[1].path.write_bytes(planted.train[2].path.read_bytes())
    return planted


@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_pictures_changes_nothing(faulty: Inventory, seed: int) -> None:
    rng = random.Random(seed)

    def mixed(part: tuple[Sighting, ...]) -> tuple[Sighting, ...]:
        return tuple(rng.sample(part, len(part)))

    shuffled = replace(
        faulty,
        train=mixed(faulty.train),
        query=mixed(faulty.query),
        gallery=mixed(faulty.gallery),
    )
    found, expected = examine(shuffled), examine(faulty)
    assert found == expected
    assert repr(found) == repr(expected)  # the order within the mappings, too


SEEN = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 2)), max_size=8)


def named_by(found: Examination, query: Sequence[Sighting]) -> set[str]:
    """Query pictures that the warnings say cannot be scored."""
    lonely = {
        name
        for one in found.warnings
        if one.kind in ("single_picture_test", "one_camera_test")
        for name in one.names
    }
    unmatched = {name for one in found.warnings if one.kind == "unmatched" for name in one.names}
    return unmatched | {one.path.name for one in query if str(one.identity) in lonely}


@given(query=SEEN, gallery=SEEN, camera_rule=st.booleans())
def test_the_queries_named_are_those_that_have_no_match_by_definition(
    query: list[Seen], gallery: list[Seen], *, camera_rule: bool
) -> None:
    root = Path("/nowhere")  # the files are missing, which is another finding

    def part(name: str, seen: list[Seen]) -> tuple[Sighting, ...]:
        return tuple(Sighting(*one, root / f"{name}{n}") for n, one in enumerate(seen))

    asked, searched = part("q", query), part("g", gallery)
    skipped = {
        q.path.name
        for q in asked
        if q.identity not in (JUNK, DISTRACTOR)
        and not any(
            g.identity == q.identity and not (camera_rule and g.camera == q.camera)
            for g in searched
        )
    }
    everything = Inventory("x", "x", root, (), asked, searched, Protocol(camera_rule=camera_rule))
    found = examine(everything)
    if any(g.identity != JUNK for g in searched):  # else the gallery is empty, which is said
        assert named_by(found, asked) == skipped
