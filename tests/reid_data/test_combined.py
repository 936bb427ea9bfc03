"""Of several data sets one is made to train on, in which nobody of one is somebody of another."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_data.combined import combine
from reid_data.parts import kept_in
from reid_data.records import Inventory, Protocol, Sighting

NOBODY = Protocol(junk=frozenset(), distractors=frozenset())
NO_CAMERAS = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset(), repeats=10)


def sightings(where: str, seen: Sequence[tuple[int, int]]) -> tuple[Sighting, ...]:
    return tuple(
        Sighting(identity, camera, Path("/data", where, f"{number}.jpg"))
        for number, (identity, camera) in enumerate(seen)
    )


def inventory(
    name: str,
    *,
    train: Sequence[tuple[int, int]] = ((1, 1), (2, 2)),
    query: Sequence[tuple[int, int]] = ((3, 1),),
    gallery: Sequence[tuple[int, int]] = ((3, 2),),
    protocol: Protocol = Protocol(),  # noqa: B008
) -> Inventory:
    return Inventory(
        name,
        f"layout of {name}",
        Path("/data", name),
        train=sightings(f"{name}/train", train),
        query=sightings(f"{name}/query", query),
        gallery=sightings(f"{name}/gallery", gallery),
        protocol=protocol,
    )


def numbers(train: tuple[Sighting, ...]) -> list[tuple[int, int]]:
    return [(sighting.identity, sighting.camera) for sighting in train]


def test_two_sets_and_their_numbers_by_hand() -> None:
    first = inventory("a", train=[(5, 1), (2, 4)], query=[(7, 2)], gallery=[(9, 6), (0, 1)])
    other = inventory("b", train=[(5, 4), (1, 1), (5, 1), (-1, 3), (0, 3)], query=[(40, 8)])
    # a's highest identity is 9 and its highest camera 6. b's junk and distractor go, so that its
    # identities 1 and 5 become 10 and 11, and its cameras 1 and 4 become 7 and 8.
    assert numbers(combine([first, other]).train) == [(5, 1), (2, 4), (11, 8), (10, 7), (11, 7)]


def test_three_sets_follow_each_other() -> None:
    combined = combine([inventory("a"), inventory("b"), inventory("c")])
    # a has identities up to 3 and cameras 1 and 2; b's two become 4 and 5, c's 6 and 7.
    assert numbers(combined.train) == [(1, 1), (2, 2), (4, 3), (5, 4), (6, 5), (7, 6)]


def test_test_part_and_protocol_are_the_first_ones_and_the_words_are_of_both() -> None:
    first = inventory("a", protocol=NO_CAMERAS, gallery=())
    combined = combine([first, inventory("b")])
    assert combined.query == first.query
    assert combined.gallery == ()
    assert combined.protocol == NO_CAMERAS
    assert combined.folder == first.folder
    assert (combined.name, combined.layout) == ("a+b", "layout of a + layout of b")


def test_nobody_becomes_junk_or_a_distractor_of_the_first() -> None:
    protocol = Protocol(junk=frozenset({-1}), distractors=frozenset({0, 4, 5}))
    combined = combine([inventory("a", protocol=protocol), inventory("b")])
    assert [s.identity for s in combined.train] == [1, 2, 6, 7]
    assert len(kept_in(combined).train) == 4


def test_identity_0_of_a_set_without_distractors_is_somebody() -> None:
    combined = combine([inventory("a"), inventory("b", train=[(0, 1), (1, 1)], protocol=NOBODY)])
    assert [s.identity for s in combined.train] == [1, 2, 4, 5]


def test_a_camera_that_is_not_known_stays_unknown() -> None:
    combined = combine(
        [inventory("a"), inventory("b", train=[(1, -1), (1, 0)]), inventory("c", train=[(1, 3)])]
    )
    assert [s.camera for s in combined.train] == [1, 2, -1, 3, 4]


def test_differences_from_known_counts_and_remarks_are_said_of_each() -> None:
    first = replace(inventory("a"), known={"training": 2, "query": 1}, remarks=("One line.",))
    other = replace(inventory("b"), known={"training": 9}, remarks=("Another line.",))
    combined = combine([first, other])
    assert combined.known == {}
    assert combined.remarks == (
        "a: One line.",
        "b: Another line.",
        "b has 2 instead of 9 training pictures.",
    )


@pytest.mark.parametrize("of_the_first", ["train", "query", "gallery"])
def test_one_picture_in_two_sets_is_refused(of_the_first: str) -> None:
    first = inventory("a")
    other = inventory("b")
    twice = replace(other, train=(*other.train, *getattr(first, of_the_first)[:1]))
    with pytest.raises(ValueError, match=rf"b has 1 picture that .*{of_the_first}/0\.jpg\), and"):
        combine([first, twice])
    with pytest.raises(ValueError, match="one picture cannot be two identities"):
        combine([inventory("c"), other, twice])


@pytest.mark.parametrize("at", [0, 1])
def test_two_editions_of_one_data_set_are_refused(at: int) -> None:
    sets = [replace(inventory(name), people="MSMT17") for name in ("v1", "v2")]
    sets.insert(at, inventory("mine"))
    with pytest.raises(ValueError, match="v1 and v2 both show the identities of MSMT17, and nob"):
        combine(sets)
    assert combine([inventory("c"), inventory("d"), *sets[: at + 1]])


def test_a_picture_that_is_a_link_to_itself_can_be_compared(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("a.jpg")
    loop = replace(inventory("b"), train=(Sighting(1, 1, tmp_path / "a.jpg"),))
    assert len(combine([inventory("a"), loop]).train) == 3


def test_one_alone_keeps_its_numbers() -> None:
    alone = inventory("a")
    assert combine([alone]) == alone


SEEN = st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 3)), max_size=8)
SETS = st.lists(
    st.tuples(SEEN, SEEN, st.sampled_from([Protocol(), NOBODY, NO_CAMERAS])), min_size=1, max_size=4
)


@given(SETS, st.randoms(use_true_random=False))
def test_two_pictures_show_one_identity_where_one_set_says_so_whatever_their_order(
    sets: list[tuple[list[tuple[int, int]], list[tuple[int, int]], Protocol]],
    random: Random,
) -> None:
    found = [
        inventory(str(at), train=train, query=query, protocol=protocol)
        for at, (train, query, protocol) in enumerate(sets)
    ]
    combined = combine(found)
    said = {
        one.path: (at, one.identity, (at if one.camera >= 0 else None, one.camera))
        for at, inventory in enumerate(found)
        for one in (kept_in(inventory).train if at else inventory.train)
    }
    pictures = combined.train
    assert {one.path for one in pictures} == set(said)
    for one in pictures:
        for other in pictures:
            (at, identity, camera), (its_at, its_identity, its_camera) = (
                said[one.path],
                said[other.path],
            )
            same = (at, identity) == (its_at, its_identity)
            assert (one.identity == other.identity) == same
            assert (one.camera == other.camera) == (camera == its_camera)
    tested = {one.identity for one in combined.query + combined.gallery}
    added = {one.identity for one in pictures if said[one.path][0] > 0}
    assert not added & (tested | combined.protocol.junk | combined.protocol.distractors)

    shuffled = [
        replace(inventory, train=tuple(random.sample(inventory.train, len(inventory.train))))
        for inventory in found
    ]
    assert sorted(combine(shuffled).train) == sorted(pictures)
