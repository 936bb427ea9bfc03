"""A data set holds what its protocol leaves of an inventory, sorted, or is refused by one sentence.

Letters: pictures are touched in a folder; an identity of -1 is junk and 0 a distractor.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_data.parts import (
    Kept,
    assemble,
    by_one_camera,
    contradictions,
    count_differences,
    counts_of,
    only_once,
)
from reid_data.records import Inventory, Protocol, Sighting

FRIENDLY = [(1, 1), (1, 2), (2, 1), (2, 2)]
"""Identity and camera of pictures that nothing can be said against."""

NOBODY = Protocol(junk=frozenset(), distractors=frozenset())
DRAWN = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset(), repeats=10)


def part(folder: Path, seen: Iterable[tuple[int, int]]) -> tuple[Sighting, ...]:
    """Pictures of these identities by these cameras; they exist."""
    folder.mkdir(parents=True, exist_ok=True)
    sightings = [
        Sighting(identity, camera, folder / f"{number}.jpg")
        for number, (identity, camera) in enumerate(seen)
    ]
    for sighting in sightings:
        sighting.path.touch()
    return tuple(sightings)


def inventory(
    folder: Path,
    *,
    train: Iterable[tuple[int, int]] = FRIENDLY,
    query: Iterable[tuple[int, int]] = ((3, 1),),
    gallery: Iterable[tuple[int, int]] = ((3, 2),),
    protocol: Protocol = Protocol(),  # noqa: B008
) -> Inventory:
    return Inventory(
        "tiny",
        "a layout",
        folder,
        train=part(folder / "train", train),
        query=part(folder / "query", query),
        gallery=part(folder / "gallery", gallery),
        protocol=protocol,
    )


def test_the_counts_of_a_set_with_junk_and_distractors_by_hand(tmp_path: Path) -> None:
    tiny = inventory(
        tmp_path,
        train=[(1, 1), (1, 2), (2, 3), (-1, 9)],
        query=[(3, 1), (-1, 9)],
        gallery=[(3, 4), (5, 4), (0, 6), (0, 6), (-1, 9)],
    )
    # Junk is nowhere, camera 9 neither; a distractor is a gallery picture and no identity.
    assert counts_of(tiny) == {
        "training": 3,  # 1, 1 and 2
        "query": 1,
        "gallery": 4,  # 3, 5 and two distractors
        "training identities": 2,
        "test identities": 2,  # 3 and 5
        "cameras": 5,  # 1, 2, 3, 4 and 6
    }


def test_a_drawn_gallery_is_counted_as_one_test_part_and_no_camera_is_none(tmp_path: Path) -> None:
    tiny = inventory(
        tmp_path, train=[(0, -1), (0, -1)], query=[(3, -1), (3, -1)], gallery=(), protocol=DRAWN
    )
    assert counts_of(tiny) == {
        "training": 2,
        "test": 2,
        "training identities": 1,
        "test identities": 1,
        "cameras": 0,
    }


PICTURES = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 2)), max_size=6)
TEST_PICTURES = PICTURES.map(lambda seen: [(i + 10 if i > 0 else i, c) for i, c in seen])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PICTURES, TEST_PICTURES, TEST_PICTURES, st.sampled_from([Protocol(), NOBODY]), st.data())
def test_whatever_lies_there_the_order_makes_no_difference(
    tmp_path: Path,
    train: list[tuple[int, int]],
    query: list[tuple[int, int]],
    gallery: list[tuple[int, int]],
    protocol: Protocol,
    data: st.DataObject,
) -> None:
    given_order = inventory(tmp_path, train=train, query=query, gallery=gallery, protocol=protocol)
    other_order = replace(
        given_order,
        train=tuple(data.draw(st.permutations(given_order.train))),
        query=tuple(data.draw(st.permutations(given_order.query))),
        gallery=tuple(data.draw(st.permutations(given_order.gallery))),
    )

    def outcome(what: Inventory) -> object:
        try:
            return assemble(what)
        except ValueError as error:
            return str(error)

    assert counts_of(given_order) == counts_of(other_order)
    assert outcome(given_order) == outcome(other_order)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PICTURES, TEST_PICTURES, TEST_PICTURES)
def test_the_counts_are_those_of_the_data_set_that_is_made_of_it(
    tmp_path: Path,
    train: list[tuple[int, int]],
    query: list[tuple[int, int]],
    gallery: list[tuple[int, int]],
) -> None:
    tiny = inventory(
        tmp_path,
        train=[*train, (1, 1)],
        query=[*query, (11, 1)],
        gallery=[*gallery, (11, 1)],
    )
    dataset = assemble(tiny)
    assert counts_of(tiny) == counts_of(dataset)
    # The slow twin: what is there after everything was dropped is all there is to count.
    test = dataset.query + dataset.gallery
    assert counts_of(dataset) == {
        "training": len(dataset.train),
        "query": len(dataset.query),
        "gallery": len(dataset.gallery),
        "training identities": len({one.identity for one in dataset.train}),
        "test identities": len({one.identity for one in test if one.identity != 0}),
        "cameras": len({one.camera for one in dataset.train + test} - {-1}),
    }
    assert all(one.identity > 0 for one in dataset.train + dataset.query)
    assert all(one.identity >= 0 for one in dataset.gallery)


def test_only_counts_that_differ_are_named_in_one_order_whatever_order_they_are_known_in(
    tmp_path: Path,
) -> None:
    tiny = inventory(tmp_path)
    known = counts_of(tiny)
    assert count_differences(replace(tiny, known=known)) == []
    assert count_differences(tiny) == []
    wrong = {"cameras": 15, "test identities": 1, "training": 32_621}
    assert count_differences(replace(tiny, known=wrong)) == [
        "4 instead of 32,621 training pictures",
        "2 instead of 15 cameras",
    ]
    with pytest.raises(ValueError, match="camera"):
        count_differences(replace(tiny, known={"camera": 15}))


@pytest.mark.parametrize("what", ["training", "query", "gallery", "cameras", "test identities"])
@pytest.mark.parametrize("off", [-1, 1])
def test_one_more_or_less_than_known_is_a_warning(
    tmp_path: Path, what: str, off: int, caplog: pytest.LogCaptureFixture
) -> None:
    tiny = inventory(tmp_path)
    counts = counts_of(tiny)
    assemble(replace(tiny, known=counts))
    assert not caplog.records
    assemble(replace(tiny, known=counts | {what: counts[what] + off}))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"{counts[what]} instead of {counts[what] + off} {what}" in caplog.text


def test_a_remark_is_logged_with_the_name_of_the_data_set(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assemble(replace(inventory(tmp_path), remarks=("Two lines were passed over.",)))
    assert caplog.messages == ["tiny: Two lines were passed over."]


def test_an_identity_that_one_camera_saw_is_named_where_there_is_a_camera_rule(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny = inventory(
        tmp_path,
        train=[*FRIENDLY, (7, 2), (7, 2)],
        query=[(9, 3), (3, 1)],
        gallery=[(9, 3), (3, 2), (0, 1), (0, 1)],
    )
    assemble(tiny)
    assert caplog.messages == [
        "1 training identity of tiny seen by one camera only, of which the camera rule leaves"
        " nothing to find: 7",
        "1 test identity of tiny seen by one camera only, of which the camera rule leaves nothing"
        " to find: 9",
    ]
    caplog.clear()
    assemble(replace(tiny, protocol=Protocol(camera_rule=False)))
    assert not caplog.records


def test_one_picture_is_not_named_for_its_one_camera_as_well() -> None:
    seen = [Sighting(1, 1, Path("a")), Sighting(2, 1, Path("b")), Sighting(2, 1, Path("c"))]
    assert only_once(seen) == [1]
    assert by_one_camera(seen) == [2]
    # The same file in two parts is one picture, and an unknown camera is not one camera.
    assert only_once([*seen, seen[0]]) == [1]
    assert by_one_camera([Sighting(3, -1, Path("d")), Sighting(3, -1, Path("e"))]) == []


@pytest.mark.parametrize(
    ("seen", "where"),
    [
        ({"train": [(-1, 1), (0, 1)]}, "training part of tiny .* among 2 files"),
        ({"train": ()}, "training part of tiny .* among 0 files"),
        ({"query": [(0, 1)]}, "query part of tiny .* among 1 file"),
        ({"gallery": ()}, "gallery of tiny .* among 0 files"),
        ({"query": ()}, "query part of tiny .* among 0 files"),
        ({"query": (), "gallery": (), "protocol": DRAWN}, None),
    ],
)
def test_a_part_without_an_identity_is_refused(
    tmp_path: Path, seen: dict[str, object], where: str | None
) -> None:
    tiny = inventory(tmp_path, **seen)  # type: ignore[arg-type]
    if where is None:
        assert not assemble(tiny).query
    else:
        with pytest.raises(ValueError, match=f"The {where}: check that the folder is complete"):
            assemble(tiny)


def test_without_query_and_gallery_it_is_for_training_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = assemble(inventory(tmp_path, query=(), gallery=()))
    assert len(dataset.train) == 4
    assert dataset.query == dataset.gallery == ()
    assert not caplog.records


def test_a_missing_picture_is_an_error_unless_it_is_junk(tmp_path: Path) -> None:
    tiny = inventory(tmp_path, gallery=[(3, 2), (-1, 1), (0, 1)])
    (tmp_path / "gallery" / "1.jpg").unlink()
    assemble(tiny)
    (tmp_path / "gallery" / "2.jpg").unlink()
    (tmp_path / "train" / "0.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"2 of the 7 pictures of tiny do not exist \(.*2\.jpg, .*train/0\.jpg\):"
    ):
        assemble(tiny)


def test_an_identity_in_training_and_test_is_an_error_and_junk_is_nobody(tmp_path: Path) -> None:
    nobody = [(-1, 1), (0, 1)]
    tiny = inventory(
        tmp_path,
        train=[*FRIENDLY, *nobody],
        query=[(3, 1), *nobody],
        gallery=[(3, 2), *nobody],
    )
    assert assemble(tiny).name == "tiny"
    with pytest.raises(ValueError, match=r"'tiny' has 1 identity in training and in test \(3\)"):
        assemble(replace(tiny, train=part(tmp_path / "other", [*FRIENDLY, (3, 1)])))
    with pytest.raises(ValueError, match=r"has 2 identities in training and in test \(1, 2\)"):
        assemble(replace(tiny, gallery=part(tmp_path / "other", FRIENDLY)))


def test_one_file_with_two_identities_is_an_error_that_names_it(tmp_path: Path) -> None:
    tiny = inventory(tmp_path)
    first = tiny.train[0]
    twice = replace(tiny, train=(*tiny.train, replace(first, identity=2)))
    with pytest.raises(
        ValueError,
        match=r"has 1 picture with two .*train/0\.jpg: identity 1 in training and identity 2 in tr",
    ):
        assemble(twice)
    query = replace(tiny, query=(*tiny.query, replace(tiny.gallery[0], identity=4)))
    with pytest.raises(ValueError, match=r"gallery/0\.jpg: identity 4 in test and identity 3 in"):
        assemble(query)


def test_one_file_in_training_and_test_is_an_error_whoever_it_shows(tmp_path: Path) -> None:
    tiny = inventory(tmp_path)
    for identity in (1, 3):
        used = replace(tiny, train=(*tiny.train, replace(tiny.query[0], identity=identity)))
        with pytest.raises(ValueError, match=rf"query/0\.jpg: identity {identity} in training"):
            assemble(used)


def test_a_query_may_lie_in_the_gallery_and_junk_is_nobodys_contradiction(tmp_path: Path) -> None:
    tiny = inventory(tmp_path)
    junk = replace(tiny.query[0], identity=-1)
    both = replace(tiny, gallery=(*tiny.gallery, *tiny.query), train=(*tiny.train, junk))
    assert len(assemble(both).gallery) == 2


def test_other_ways_to_one_file_are_followed_and_a_picture_that_is_a_link_is_one(
    tmp_path: Path,
) -> None:
    tiny = inventory(tmp_path)
    file = tiny.train[0]
    (tmp_path / "linked").symlink_to(tmp_path / "train")
    (tmp_path / "query" / "link.jpg").symlink_to(file.path)
    for way in (tmp_path / "query" / ".." / "train" / "0.jpg", tmp_path / "linked" / "0.jpg"):
        kept = Kept((file, Sighting(9, 1, way)), (), ())
        words = "identity 1 in training and identity 9 in training"
        assert contradictions(kept) == {min(file.path, way): words}
    assert not contradictions(Kept((file,), (Sighting(9, 1, tmp_path / "query/link.jpg"),), ()))


LISTED = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=6)


@given(LISTED, LISTED, LISTED)
def test_contradictions_are_those_of_two_lines_by_definition(
    train: list[tuple[int, int]], query: list[tuple[int, int]], gallery: list[tuple[int, int]]
) -> None:
    def pictures(listed: list[tuple[int, int]]) -> tuple[Sighting, ...]:
        return tuple(Sighting(who, 1, Path(f"/nowhere/{number}.jpg")) for who, number in listed)

    kept = Kept(pictures(train), pictures(query), pictures(gallery))
    lines = [
        (one.path, one.identity, one in kept.train and part is kept.train)
        for part in kept
        for one in part
    ]
    wrong = {
        path
        for path, identity, trained in lines
        for other, its_identity, its_trained in lines
        if path == other and (identity, trained) != (its_identity, its_trained)
    }
    assert list(contradictions(kept)) == sorted(wrong)


def test_what_was_left_out_is_told_of_every_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny = inventory(tmp_path, query=[(3, 1), (0, 1), (-1, 1)], gallery=[(3, 2), (0, 1), (-1, 1)])
    with caplog.at_level(logging.INFO):
        assemble(tiny)
    assert caplog.messages == [
        "2 junk or distractor pictures left out of the query part of tiny",
        "1 junk or distractor picture left out of the gallery of tiny",
    ]
