"""A manifest says the same in any order of its lines and columns, or one sentence on its fault."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_data import manifest, vehicleid
from reid_data.manifest import read
from reid_data.parts import assemble
from reid_data.records import Inventory, Sighting

LINES = (
    "a.jpg,1,1,train",
    "b.jpg,1,2,train",
    "c.jpg,2,1,query",
    "d.jpg,2,2,gallery",
)


def written(folder: Path, *lines: str, header: str = "path,identity,camera,split") -> Path:
    file = folder / "mine.csv"
    file.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return file


def of_rows(rows: Sequence[Sequence[str]]) -> Inventory:
    """What is read of a manifest whose first row is the header."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mine.csv"
        file.write_bytes(text.getvalue().encode())
        found = read(file)
        for part in (found.train, found.query, found.gallery):
            assert all(sighting.path.is_relative_to(folder) for sighting in part)
    return found


def said(inventory: Inventory) -> object:
    """All of an inventory but the temporary folder it was read in."""
    parts = (inventory.train, inventory.query, inventory.gallery)
    pictures = [[(s.identity, s.camera, s.path.name) for s in part] for part in parts]
    return pictures, inventory.protocol, inventory.remarks


def test_a_line_says_path_identity_camera_and_part(tmp_path: Path) -> None:
    found = read(written(tmp_path, *reversed(LINES)))
    assert found == Inventory(
        name="manifest",
        layout="CSV manifest",
        folder=tmp_path,
        train=(Sighting(1, 1, tmp_path / "a.jpg"), Sighting(1, 2, tmp_path / "b.jpg")),
        query=(Sighting(2, 1, tmp_path / "c.jpg"),),
        gallery=(Sighting(2, 2, tmp_path / "d.jpg"),),
        protocol=found.protocol,
    )


def test_the_camera_rule_holds_and_nobody_is_a_distractor(tmp_path: Path) -> None:
    protocol = read(written(tmp_path, *LINES)).protocol
    assert protocol.camera_rule
    assert (protocol.repeats, protocol.junk, protocol.distractors) == (
        0,
        frozenset({-1}),
        frozenset(),
    )


def test_identity_0_is_somebody(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.jpg,0,0,train", "b.jpg,1,0,query", "c.jpg,1,1,gallery"))
    assert [s.identity for s in found.train] == [0]
    assert 0 not in found.protocol.junk | found.protocol.distractors


def test_galleries_are_drawn_of_a_test_part_as_often_as_vehicleids(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.jpg,1,1,train", "b.jpg,2,1,test", "c.jpg,2,2,test"))
    assert [s.path.name for s in found.query] == ["b.jpg", "c.jpg"]
    assert found.gallery == ()
    assert found.protocol.repeats == vehicleid.PROTOCOL.repeats == 10
    assert found.protocol.camera_rule


def test_names_are_numbered_over_all_parts_and_remembered(tmp_path: Path) -> None:
    found = read(
        written(
            tmp_path,
            "a.jpg,red van,yard,train",
            "b.jpg,blue van,gate,query",
            "c.jpg,blue van,yard,gallery",
            "d.jpg,-1,yard,gallery",
        )
    )
    assert [(s.identity, s.camera) for s in found.train] == [(2, 2)]
    assert [(s.identity, s.camera) for s in found.query] == [(1, 1)]
    assert [(s.identity, s.camera) for s in found.gallery] == [(-1, 2), (1, 2)]
    assert found.remarks == (
        "The identities have names (blue van, red van): they are numbered from 1 to 2 in the"
        " sorted order of the names.",
        "The cameras have names (gate, yard): they are numbered from 1 to 2 in the sorted order of"
        " the names.",
    )


def test_a_named_identity_in_both_parts_is_remembered_by_its_name(tmp_path: Path) -> None:
    lines = ("a.jpg,ann,1,train", "b.jpg,ann,1,query", "c.jpg,bob,2,gallery")
    junk = ("d.jpg,-1,1,train", "e.jpg,-1,1,gallery")
    found = read(written(tmp_path, *lines, *junk))
    assert "Identities in training and in test: ann." in found.remarks
    with pytest.raises(ValueError, match=r"1 identity in training and in test"):
        assemble(manifest.read(touched(found.folder / "mine.csv", "a.jpg", "b.jpg", "c.jpg")))


def touched(file: Path, *names: str) -> Path:
    """The same file, with pictures (empty ones) beside it."""
    for name in names:
        (file.parent / name).touch()
    return file


def test_what_is_loaded_is_what_was_read_without_junk(tmp_path: Path) -> None:
    file = written(tmp_path, *LINES, "e.jpg,-1,1,gallery")
    touched(file, *(f"{letter}.jpg" for letter in "abcde"))
    dataset = assemble(manifest.read(file, name="mine"))
    found = read(file)
    assert (dataset.name, dataset.layout) == ("mine", found.layout)
    assert (dataset.train, dataset.query) == (found.train, found.query)
    assert dataset.gallery == found.gallery[1:]
    assert found.gallery[0].identity == -1


def test_pictures_need_not_exist_to_be_read_but_to_be_loaded(tmp_path: Path) -> None:
    file = touched(written(tmp_path, *LINES), "a.jpg", "b.jpg", "c.jpg")
    assert len(read(file).gallery) == 1
    with pytest.raises(ValueError, match=r"d\.jpg"):
        assemble(manifest.read(file))


@pytest.mark.parametrize("camera", ["", "-1", "  "])
def test_one_unknown_camera_and_none_is_used(tmp_path: Path, camera: str) -> None:
    found = read(written(tmp_path, *LINES, f"e.jpg,3,{camera},train"))
    assert {s.camera for part in (found.train, found.query, found.gallery) for s in part} == {-1}
    assert not found.protocol.camera_rule
    assert found.remarks == (
        "1 of 5 pictures say no camera (e.jpg): no camera is used, and the scores are without the"
        " camera rule.",
    )


def test_a_column_of_cameras_may_be_missing(tmp_path: Path) -> None:
    lines = ("a.jpg,1,train", "b.jpg,2,query", "c.jpg,2,gallery")
    found = read(written(tmp_path, *lines, header="path,identity,split"))
    assert {s.camera for s in found.train + found.query + found.gallery} == {-1}
    assert not found.protocol.camera_rule
    assert found.remarks[0].startswith("3 of 3 pictures say no camera: no camera is used")


def test_junk_without_a_camera_does_not_end_the_camera_rule(tmp_path: Path) -> None:
    found = read(written(tmp_path, *LINES, "e.jpg,-1,,gallery"))
    assert found.protocol.camera_rule
    assert [s.camera for s in found.gallery] == [-1, 2]


def test_a_test_of_one_camera_is_without_the_rule_that_would_leave_nothing(tmp_path: Path) -> None:
    lines = ("a.jpg,1,1,train", "b.jpg,1,2,train", "c.jpg,2,1,query", "d.jpg,2,01,gallery")
    found = read(written(tmp_path, *lines))
    assert not found.protocol.camera_rule
    assert [s.camera for s in found.train] == [1, 2]
    assert found.remarks[-1].startswith("All pictures to test on are of one camera")


def test_numbers_that_differ_in_leading_zeros_are_one_and_a_remark_says_so(tmp_path: Path) -> None:
    found = read(written(tmp_path, *LINES, "e.jpg,002,1,query", "f.jpg,3,1,query"))
    assert [s.identity for s in found.query] == [2, 2, 3]
    assert found.remarks == (
        "Some identities differ in leading zeros only and count as one: 002, 2.",
    )


def test_columns_come_in_any_order_and_case_and_others_are_passed_over(tmp_path: Path) -> None:
    rows = ["train,x,1,1,a.jpg", "train,,2,1,b.jpg", "Query,,1,2,c.jpg", "gallery,y,2,2,d.jpg"]
    found = read(written(tmp_path, *rows, header="split,note,camera,Identity,PATH"))
    plain = read(written(tmp_path, *LINES))
    assert found.remarks == ("Columns passed over: note.",)
    assert (found.train, found.query, found.gallery) == (plain.train, plain.query, plain.gallery)


def test_a_byte_order_mark_carriage_returns_blanks_and_empty_lines_do_not_count(
    tmp_path: Path,
) -> None:
    plain = read(written(tmp_path, *LINES))
    lines = ["path, identity, camera, split", "", *(line.replace(",", " , ") for line in LINES)]
    file = tmp_path / "mine.csv"
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, ",,,", " "]).encode())
    assert read(file) == plain


def test_quoted_cells_hold_commas_quotes_and_ends_of_lines(tmp_path: Path) -> None:
    found = read(
        written(
            tmp_path,
            '"x, y/a.jpg","Ann, ""the fox""",1,train',
            '"two\nlines.jpg",Bob,1,query',
            "é.jpg,Bob,2,gallery",
        )
    )
    assert found.train[0].path == tmp_path / "x, y" / "a.jpg"
    assert found.query[0].path == tmp_path / "two\nlines.jpg"
    assert 'Ann, "the fox", Bob' in found.remarks[0]


def test_paths_are_absolute_or_from_the_manifests_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere" / "b.jpg"
    below = tmp_path / "below"
    below.mkdir()
    written(below, "x/a.jpg,1,1,train", f"{elsewhere},1,1,train", "../c.jpg,1,1,train")
    monkeypatch.chdir(tmp_path)
    assert {s.path for s in read(Path("below/mine.csv")).train} == {
        below / "x" / "a.jpg",
        elsewhere,
        tmp_path / "c.jpg",
    }


def test_a_line_said_twice_counts_once_and_is_named(tmp_path: Path) -> None:
    found = read(written(tmp_path, *LINES, "./b.jpg,1,2,train", f"{tmp_path}/b.jpg,1,2,train"))
    assert len(found.train) == 2
    assert found.remarks == ("Lines that repeat a picture, which counts once: 2 (b.jpg, b.jpg).",)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "a.jpg,5,1,train",
            r"identity 5, camera 1, split train of a.jpg, and line 2 says ide.* 1,",
        ),
        ("a.jpg,1,2,train", r"identity 1, camera 2, .* and line 2 says identity 1, camera 1,"),
        ("a.jpg,1,,train", r"identity 1, camera none, .* and line 2 says"),
        (
            "a.jpg,1,1,query",
            r".*camera 1, split query .* and line 2 says .* split train: a picture",
        ),
    ],
)
def test_a_picture_of_which_two_things_are_said_is_refused(
    tmp_path: Path, line: str, fault: str
) -> None:
    with pytest.raises(ValueError, match=rf"^Line 6 of .*mine\.csv says {fault}"):
        read(written(tmp_path, *LINES, line))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("e.jpg,3,1,val", "has the split 'val': take train and either query and gallery or test"),
        (",3,1,train", "has an empty path: every picture needs"),
        ("e.jpg, ,1,train", "has an empty identity: every picture needs"),
        ("e.jpg,3", "has an empty split: every picture needs"),
        ("e.jpg", "has an empty identity and split: every picture needs"),
        ("x, y.jpg,3,1,train", r"has 5 cells and the first line 4 columns \(train is too many\)"),
        ('"e.jpg,3,1,train', "is not comma-separated text .*: put a cell that has a comma"),
        ('"e"f.jpg,3,1,train', "is not comma-separated text .*: put a cell that has a comma"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_by_its_number(
    tmp_path: Path, line: str, fault: str
) -> None:
    with pytest.raises(ValueError, match=rf"^Line 7 of .*mine\.csv {fault}"):
        read(written(tmp_path, LINES[0], '"two\nlines.jpg",3,1,train', "", "b.jpg,1,2,train", line))


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (
            "path;identity;split",
            r"the columns path;identity;split and none called path, identity and",
        ),
        (
            "path,person,camera,split",
            r"the columns path, person, camera, split and none called identity: begin",
        ),
        (
            "a.jpg,1,1,train",
            r".* none called path, identity and split: begin .* with path,identity,",
        ),
        ("path,identity,split,Path", r"two columns path: remove or rename one"),
    ],
)
def test_a_header_without_the_columns_is_answered_with_the_right_one(
    tmp_path: Path, header: str, fault: str
) -> None:
    with pytest.raises(ValueError, match=rf"^Line 1 of .*mine\.csv has {fault}"):
        read(written(tmp_path, *LINES, header=header))


def test_a_part_to_draw_from_beside_a_gallery_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^Line 6 of .* the split test, and others have gallery a"
    ):
        read(written(tmp_path, *LINES, "e.jpg,3,1,test"))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty: its first line has to be path,identity,camera,split"),
        (b"\n ,,\n", "is empty: its first line"),
        (b"path,identity,split\n\xff.jpg,1,train\n", r"is not UTF-8 text \(byte 20\): save it as"),
        ("path,identity,split\n".encode("utf-16-le"), "has zero bytes, as UTF-16 text does"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^Manifest .*mine\.csv {fault}"):
        read(file)


def test_a_manifest_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^Manifest .*mine\.csv lists no picture below its header"
    ):
        read(written(tmp_path))


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "mine.csv"):
        with pytest.raises(ValueError, match=r"^Manifest .* is not a file: name a CSV file"):
            read(place)


# Anything a spreadsheet may hold, but blanks around a cell and zero bytes.
cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6)
texts = cells.map(str.strip).filter(bool)
faces = st.tuples(
    texts | st.integers(0, 3).map(str) | st.just("-1"),
    texts | st.sampled_from(["1", "2", "", "-1"]),
    st.sampled_from(["train", "query", "gallery"]),
)
HEADER = ["path", "identity", "camera", "split"]


@given(st.lists(faces, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_columns_makes_no_difference(
    pictures: list[tuple[str, str, str]], random: Random
) -> None:
    rows = [[f"{n}.jpg", *face] for n, face in enumerate(pictures)]
    rows += rows[:2]  # repeated lines are no exception
    columns = random.sample(range(4), k=4)
    shuffled = [[row[column] for column in columns] for row in random.sample(rows, k=len(rows))]
    other_header = [HEADER[column] for column in columns]
    assert said(of_rows([HEADER, *rows])) == said(of_rows([other_header, *shuffled]))


@given(st.lists(texts, min_size=1, max_size=8, unique=True))
def test_every_text_is_an_identity_of_its_own_and_its_cell_is_read_back(names: list[str]) -> None:
    rows = [[f"{n}.jpg", name, "1", "train"] for n, name in enumerate(["word", *names])]
    found = of_rows([HEADER, *rows])
    numbers = {int(s.path.stem): s.identity for s in found.train}
    same = {numbers[n] for n, name in enumerate(["word", *names]) if name == "word"}
    assert len(same) == 1
    assert len(set(numbers.values())) == len({"word", *names})


def test_two_ways_of_writing_one_path_are_one_picture(tmp_path: Path) -> None:
    other = f"../{tmp_path.name}/b.jpg"
    found = read(written(tmp_path, *LINES, f"{other},1,2,train"))
    assert len(found.train) == 2
    assert found.remarks == ("Lines that repeat a picture, which counts once: 1 (b.jpg).",)
    for line in (f"{other},9,2,train", f"{other},1,2,query"):
        with pytest.raises(ValueError, match=r"Line 6 of .* of b\.jpg, and line 3 says identity 1"):
            read(written(tmp_path, *LINES, line))


def test_the_way_up_from_a_linked_folder_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    found = read(written(tmp_path / "mine", *LINES, "link/../a.jpg,3,1,train"))
    assert len(found.train) == 3
    other = next(s for s in found.train if s.identity == 3)
    assert other.path.resolve() == tmp_path / "elsewhere" / "a.jpg"


def test_a_remark_names_a_picture_elsewhere_from_the_manifests_folder(tmp_path: Path) -> None:
    line = f"{tmp_path}/elsewhere/e.jpg,3,,train"
    (tmp_path / "mine").mkdir()
    (remark,) = read(written(tmp_path / "mine", *LINES, line)).remarks
    assert "(../elsewhere/e.jpg)" in remark
    assert str(tmp_path) not in remark
