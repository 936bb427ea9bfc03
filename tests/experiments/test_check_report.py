"""The report says all that was found, aligned, with the verdict last."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.check_report import bins, report, verdict
from reid_data.check import Examination, PartFacts, Spread
from reid_data.check_findings import Copies, Finding
from reid_data.records import Protocol

TRAINING = PartFacts(
    name="training",
    files=1_030,
    junk=0,
    distractors=0,
    identities=3,
    cameras={1: 1_000, 12: 30},
    spread=Spread(10, 20, 1_030 / 3, 1_000, {10: 1, 20: 1, 1_000: 1}),
    median_size=(64, 128),
    smallest=(20, 31),
    modes={"L": 2, "RGB": 1_028},
)
TEST = replace(
    TRAINING,
    name="test",
    files=2,
    identities=1,
    cameras={-1: 2},
    spread=Spread(2, 2, 2, 2, {2: 1}),
    modes={"RGB": 1},
)
CLEAN = Examination(
    name="vehicles",
    layout="CSV manifest",
    folder=Path("/data/vehicles"),
    protocol=Protocol(camera_rule=False, junk=frozenset({-1}), distractors=frozenset(), repeats=10),
    counts={"training": 1_030, "test": 2, "training identities": 3},
    known={"training": 1_031},
    parts=(TRAINING, TEST),
    copies=(),
    mirrored=0,
    errors=(),
    warnings=(),
)
BROKEN = Finding("unreadable", "Unreadable pictures: 1 (a.jpg: empty); replace them.", ("a.jpg",))
LONELY = Finding("one_camera_test", "Test identities seen by one camera only: 1 (5).", ("5",))
FAULTY = replace(
    CLEAN,
    errors=(BROKEN,),
    warnings=(LONELY, LONELY),
    copies=(Copies(("a.jpg", "b.jpg"), ("training", "test"), (1, 5)),),
)


@pytest.mark.parametrize(
    ("errors", "warnings", "words"),
    [
        (0, 0, "OK"),
        (1, 0, "1 error"),
        (0, 1, "1 warning"),
        (2, 1, "2 errors, 1 warning"),
        (1, 2, "1 error, 2 warnings"),
    ],
)
def test_the_last_line_is_the_verdict(errors: int, warnings: int, words: str) -> None:
    found = replace(CLEAN, errors=(BROKEN,) * errors, warnings=(LONELY,) * warnings)
    assert verdict(found) == words
    assert report(found).splitlines()[-1] == words


def test_errors_and_warnings_come_last_in_their_own_words() -> None:
    *_, errors, warnings, _ = report(FAULTY).split("\n\n")
    assert errors == f"Errors\n  {BROKEN.words}"
    assert warnings == f"Warnings\n  {LONELY.words}\n  {LONELY.words}"
    assert "Errors" not in report(CLEAN)
    assert "Warnings" not in report(CLEAN)


def test_counts_stand_beside_the_known_ones_where_there_are_any() -> None:
    assert """\
counts               found  known
training pictures    1,030  1,031
test pictures            2      -
training identities      3      -
""" in report(CLEAN)
    assert "known" not in report(replace(CLEAN, known={}))


def test_the_parts_stand_side_by_side() -> None:
    assert """\
pictures        training        test
files              1,030           2
of junk                0           0
of distractors         0           0
identities             3           1
cameras                2  not stated
median size     64 x 128    64 x 128
smallest         20 x 31     20 x 31

camera  training  test
none           0     2
     1     1,000     0
    12        30     0
""" in report(CLEAN)


def test_a_histogram_worked_out_by_hand() -> None:
    # 10 to 1,000 in at most ten bins: of 1, 2, 5, 10, 20, 50, 100 wide, 100 gives ten of them.
    # 10 and 20 lie in the first, 1,000 in the last; the longest bar has 40 characters.
    lines = report(CLEAN, block="=").splitlines()
    begin = lines.index("pictures of 3 training identities: 10 to 1,000, median 20, mean 343.3")
    assert lines[begin + 1] == "     1-100 |" + "=" * 40 + " 2"
    assert lines[begin + 2] == "   101-200 | 0"
    assert lines[begin + 10] == "  901-1000 |" + "=" * 20 + " 1"
    assert "pictures of 1 test identity: 2 to 2, median 2, mean 2.0\n  2 |" in report(CLEAN)


def test_no_line_of_words_is_wider_than_a_terminal_and_no_file_name_is_cut() -> None:
    names = [f"half-a-set-of-pictures/part-1/{n:04d}_c1s1.jpg" for n in range(5)]
    long = Finding("missing", f"Missing pictures: 5 ({', '.join(names)}).", tuple(names))
    text = report(replace(CLEAN, errors=(long,)))
    assert max(map(len, text.splitlines())) <= 100
    assert all(name in text for name in names)


def test_odd_colours_and_mirrored_queries_are_a_line_each() -> None:
    text = report(replace(CLEAN, mirrored=7))
    assert "pictures that become RGB when read: 4 grey" not in text
    assert "pictures that become RGB when read: 2 grey" in text
    assert "where the camera rule leaves them out: 7" in text


HISTOGRAM = st.dictionaries(st.integers(1, 10**6), st.integers(1, 10**6), min_size=1, max_size=20)


@given(HISTOGRAM)
def test_bins_hold_every_identity_once_and_are_alike(histogram: dict[int, int]) -> None:
    found = bins(histogram)
    assert 1 <= len(found) <= 10
    assert sum(count for *_, count in found) == sum(histogram.values())
    widths = {last - first + 1 for first, last, _ in found}
    assert len(widths) == 1
    assert all(after[0] == before[1] + 1 for before, after in pairwise(found))
    for first, last, count in found:
        assert count == sum(n for value, n in histogram.items() if first <= value <= last)
    assert found[0][2] > 0
    assert found[-1][2] > 0


@pytest.mark.parametrize("fields", [{"spread": None}, {"median_size": None, "smallest": None}])
def test_a_part_without_pictures_or_identities_is_reported_too(fields: dict[str, Any]) -> None:
    found = replace(CLEAN, parts=(TRAINING, replace(TEST, **fields)))
    assert report(found)
