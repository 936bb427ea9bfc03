"""A folder per identity gives the same data set whatever order its files come in."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid_data import identity_folders
from reid_data.identity_folders import read
from reid_data.parts import assemble
from reid_data.randomness import generator_of
from reid_data.records import Inventory, Sighting

PARTS = (
    "train/0001/c1_a.jpg",
    "train/0001/c2_a.jpg",
    "train/0003/c1_a.jpg",
    "query/0002/c1_a.jpg",
    "gallery/0002/c2_a.jpg",
    "gallery/0000/c2_a.jpg",
)


def tree(root: Path, pictures: Iterable[str]) -> Path:
    """A folder with empty files."""
    for picture in pictures:
        (root / picture).parent.mkdir(parents=True, exist_ok=True)
        (root / picture).touch()
    return root


def people(part: Iterable[Sighting]) -> list[int]:
    return sorted({sighting.identity for sighting in part})


def cameras(found: Inventory) -> list[int]:
    return [s.camera for part in (found.train, found.query, found.gallery) for s in part]


def test_train_query_and_gallery_are_read_as_they_lie(tmp_path: Path) -> None:
    found = read(tree(tmp_path, PARTS))
    assert found == Inventory(
        name="identity_folders",
        layout="a folder per identity in train, query and gallery",
        folder=tmp_path,
        train=(
            Sighting(1, 1, tmp_path / "train" / "0001" / "c1_a.jpg"),
            Sighting(1, 2, tmp_path / "train" / "0001" / "c2_a.jpg"),
            Sighting(3, 1, tmp_path / "train" / "0003" / "c1_a.jpg"),
        ),
        query=(Sighting(2, 1, tmp_path / "query" / "0002" / "c1_a.jpg"),),
        gallery=(
            Sighting(0, 2, tmp_path / "gallery" / "0000" / "c2_a.jpg"),
            Sighting(2, 2, tmp_path / "gallery" / "0002" / "c2_a.jpg"),
        ),
        protocol=found.protocol,
    )
    assert found.protocol.camera_rule
    assert (found.protocol.repeats, found.protocol.distractors) == (0, frozenset())


def test_what_is_loaded_is_what_was_read(tmp_path: Path) -> None:
    found = read(tree(tmp_path, PARTS))
    dataset = assemble(identity_folders.read(tmp_path, name="mine"))
    assert (dataset.name, dataset.layout) == ("mine", found.layout)
    assert (dataset.train, dataset.query, dataset.gallery) == (
        found.train,
        found.query,
        found.gallery,
    )


def test_galleries_are_drawn_of_a_test_part(tmp_path: Path) -> None:
    found = read(tree(tmp_path, ["train/1/a.jpg", "test/2/a.jpg", "test/2/b.PNG", "test/3/a.jpeg"]))
    assert found.layout == "a folder per identity in train and test"
    assert (people(found.train), people(found.query), found.gallery) == ([1], [2, 3], ())
    assert [s.path.name for s in found.query] == ["a.jpg", "b.PNG", "a.jpeg"]
    assert (found.protocol.repeats, found.protocol.camera_rule) == (10, False)


def test_an_identity_has_one_number_in_every_part(tmp_path: Path) -> None:
    found = read(tree(tmp_path, ["train/eve/a.jpg", "query/1/a.jpg", "gallery/1/b.jpg"]))
    # Sorted names: 1, eve. The name 1 alone would have kept its number, and does so here.
    assert (people(found.train), people(found.query), people(found.gallery)) == ([2], [1], [1])
    found = read(tree(tmp_path, ["gallery/0/b.jpg"]))
    assert (people(found.train), people(found.query), people(found.gallery)) == ([3], [2], [1, 2])


@pytest.mark.parametrize("junk", ["-1", "junk"])
def test_junk_stays_in_the_inventory_and_leaves_the_data_set(tmp_path: Path, junk: str) -> None:
    root = tree(tmp_path, [*PARTS, f"gallery/{junk}/a.jpg", f"train/{junk}/a.jpg"])
    found = read(root)
    assert (people(found.gallery), people(found.train)) == ([-1, 0, 2], [-1, 1, 3])
    assert found.protocol.camera_rule, "junk without a camera does not end the camera rule"
    dataset = assemble(identity_folders.read(root))
    assert (people(dataset.gallery), people(dataset.train)) == ([0, 2], [1, 3])


@pytest.mark.parametrize(
    ("file", "camera"),
    [
        ("c3_0001.jpg", 3),
        ("c3.jpg", 3),
        ("0001_c3_05.jpg", 3),
        ("0007_c1s1_0002.jpg", 1),
        ("0007_c012.jpg", 12),
        ("-1_c5s2_000001_00.jpg", 5),
        ("a_b_c0_c2.jpg", 0),
    ],
)
def test_a_file_name_says_its_camera(tmp_path: Path, file: str, camera: int) -> None:
    pictures = [f"train/1/{file}", "query/2/c1_a.jpg", "gallery/2/c2_a.jpg"]
    assert cameras(read(tree(tmp_path, pictures))) == [camera, 1, 2]


@pytest.mark.parametrize(
    "file",
    ["0001.jpg", "cat_1.jpg", "abc3_1.jpg", "1_c3x_1.jpg", "1-c3-1.jpg", "c_3.jpg", "c٣.jpg"],
)
def test_one_file_name_without_a_camera_and_none_is_used(tmp_path: Path, file: str) -> None:
    found = read(tree(tmp_path, [*PARTS, f"train/0003/{file}"]))
    assert set(cameras(found)) == {-1}
    assert not found.protocol.camera_rule
    assert found.remarks == (
        f"1 of 7 pictures say no camera (train/0003/{file}): no camera is used, and the scores are"
        " without the camera rule.",
    )


def test_without_parts_half_of_the_identities_are_drawn_to_train_on(tmp_path: Path) -> None:
    found = read(tree(tmp_path, [f"{name}/{n}.jpg" for name in "abcde" for n in range(2)]))
    # Names a to e are numbered 1 to 5; 5 / 2 = 2.5, rounded up 3 to train on.
    order = torch.randperm(5, generator=generator_of(0)).tolist()
    assert people(found.train) == sorted(place + 1 for place in order[:3])
    assert people(found.query) == sorted(place + 1 for place in order[3:])
    assert found.layout == "a folder per identity, divided in half"
    assert found.protocol.repeats == 10
    assert (
        "Nothing says which identities are for training: 3 were drawn for it and 2 for the test,"
        " the same ones on every machine; scores compare with those of this division alone."
    ) in found.remarks


def test_a_name_with_leading_zeros_falls_into_the_same_half(tmp_path: Path) -> None:
    names = ["1", "2", "3", "10", "11", "12"]
    short = read(tree(tmp_path / "short", [f"{name}/a.jpg" for name in names]))
    long = read(tree(tmp_path / "long", [f"{name:0>4}/a.jpg" for name in names]))
    assert people(short.train) == people(long.train)


def test_junk_is_no_identity_to_divide(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^The folders show 1 identity besides junk, .* 2 or more"
    ):
        read(tree(tmp_path, ["eve/a.jpg", "junk/a.jpg"]))
    found = read(tree(tmp_path, ["ann/a.jpg"]))
    assert people(found.query)[0] == -1
    assert -1 not in people(found.train)


def test_hidden_files_are_passed_over_in_silence(tmp_path: Path) -> None:
    plain = read(tree(tmp_path, PARTS))
    hidden = [
        "train/0001/._c1_a.jpg",
        ".thumbs/a.jpg",
        "train/.git/a.jpg",
        "train/.a.jpg",
        ".a.jpg",
    ]
    assert read(tree(tmp_path, [*hidden, "train/0001/.cache/b.jpg"])) == plain


def test_what_else_is_passed_over_is_said(tmp_path: Path) -> None:
    plain = read(tree(tmp_path, PARTS))
    found = read(
        tree(
            tmp_path,
            ["val/1/a.jpg", "train/a.jpg", "b.jpg", "train/0009/notes.txt", "query/0002/far/a.jpg"],
        )
    )
    assert (found.train, found.query, found.gallery) == (plain.train, plain.query, plain.gallery)
    assert found.remarks == (
        "Folders beside the parts passed over: val.",
        "Folders without a picture passed over: train/0009.",
        "Folders below an identity's passed over: query/0002/far.",
        "Pictures outside an identity's folder passed over: b.jpg, train/a.jpg.",
    )


@pytest.mark.parametrize(
    ("missing", "fault"),
    [
        ({"query"}, "train and gallery"),
        ({"train"}, "query and gallery"),
        ({"query", "gallery"}, "train"),
    ],
)
def test_parts_that_need_others_are_named(tmp_path: Path, missing: set[str], fault: str) -> None:
    kept = [picture for picture in PARTS if picture.split("/")[0] not in missing]
    with pytest.raises(
        ValueError, match=rf"has the part {fault}: folders per identity are divided"
    ):
        read(tree(tmp_path, kept))


def test_a_gallery_beside_a_part_to_draw_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has the part train, query, gallery and test: folders"):
        read(tree(tmp_path, [*PARTS, "test/5/a.jpg"]))


def test_a_part_without_a_picture_in_a_folder_per_identity_is_named(tmp_path: Path) -> None:
    tree(tmp_path, [*PARTS[:3], "query/0002.jpg", "gallery/0002/deep/a.jpg"])
    with pytest.raises(
        ValueError, match=r"query has no jpg or png picture in .*query/0001/a.jpg would be, am"
    ):
        read(tmp_path)
    tree(tmp_path, ["query/0002/a.jpg"])
    with pytest.raises(
        ValueError, match=r"gallery has no jpg or png picture .* among its 1 folder: move the"
    ):
        read(tmp_path)


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"looked for in .*nowhere, which is not a folder: pass"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no jpg or png picture in a folder per identity"):
        read(tmp_path)


# Names a folder may have, in any alphabet.
names = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1, max_size=5
).filter(
    lambda name: not name.startswith(".") and name not in {"train", "query", "gallery", "test"}
)


@given(st.lists(names | st.just("junk"), min_size=2, max_size=8, unique=True), st.data())
def test_the_order_in_which_folders_were_made_makes_no_difference(
    folders: list[str], data: st.DataObject
) -> None:
    pictures = [f"{name}/c{n}_a.jpg" for name in [*folders, "ann", "bob"] for n in (1, 2)]
    shuffled = data.draw(st.permutations(pictures))
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        found, again = read(tree(Path(one), pictures)), read(tree(Path(other), shuffled))
        for part, same in ((found.train, again.train), (found.query, again.query)):
            assert [(s.identity, s.camera, s.path.relative_to(one)) for s in part] == [
                (s.identity, s.camera, s.path.relative_to(other)) for s in same
            ]
    assert (found.protocol, found.remarks) == (again.protocol, again.remarks)
    assert not set(people(found.train)) & set(people(found.query))
    assert len(found.train + found.query) == len(set(pictures))
    assert abs(len(people(found.train)) - len(set(people(found.query)) - {-1})) <= 1


def test_pictures_in_other_formats_are_named(tmp_path: Path) -> None:
    found = read(tree(tmp_path, [*PARTS, "query/0002/b.webp", "train/0001/a.TIF"]))
    assert found.remarks == (
        "Pictures that are neither jpg nor png passed over: query/0002/b.webp, train/0001/a.TIF.",
    )


def test_a_part_with_other_formats_only_is_told_to_convert_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"among its 1 folder: convert 0001/a\.bmp, or list"):
        read(tree(tmp_path, ["0001/a.bmp"]))
