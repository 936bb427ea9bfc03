"""JSON has the facts of the report as plain numbers and lists, and nothing of the machine."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.check_json import to_dict
from reid_data.check import Examination, examine
from reid_data.market1501 import read


@pytest.fixture
def found(tiny_folder: Path, tmp_path: Path) -> Examination:
    """Of a sound data set but for one picture that two identities have, and one file cut short."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "mine"))
    first, *_, last = sorted((folder / "bounding_box_train").iterdir())
    last.write_bytes(first.read_bytes())
    cut = min((folder / "query").iterdir())
    cut.write_bytes(cut.read_bytes()[:100])
    return examine(replace(read(folder, name="mine"), known={"query": 9}))


def test_the_facts_are_those_of_the_folder(found: Examination) -> None:
    facts = to_dict(found)
    assert facts["name"] == "mine"
    assert facts["protocol"] == {
        "camera_rule": True, "junk": [-1], "distractors": [0], "repeats": 0,
    }  # fmt: skip
    # 10 and 4 identities x 2 cameras x 2 shots, of the 4 one shot each is a query; 2 distractors
    assert facts["counts"] == {
        "training": 40, "query": 8, "gallery": 10,
        "training identities": 10, "test identities": 4, "cameras": 2,
    }  # fmt: skip
    assert facts["known_counts"] == {"query": 9}
    gallery = facts["parts"]["gallery"]
    assert gallery == {
        "files": 11, "junk": 1, "distractors": 2, "identities": 4,
        "cameras": {"1": 5, "2": 5},
        "pictures_per_identity": {
            "min": 2, "median": 2, "mean": 2, "max": 2,
            "histogram": [{"pictures": 2, "identities": 4}],
        },
        "median_size": [32, 64], "smallest": [32, 64], "modes": {"RGB": 11},
    }  # fmt: skip
    assert facts["query_pictures_in_gallery"] == 0


def test_what_is_wrong_is_listed_whole(found: Examination) -> None:
    facts = to_dict(found)
    assert [(one["kind"], one["names"]) for one in facts["errors"]] == [
        ("unreadable", ["query/0011_c1s1_000001_00.png"])
    ]
    assert [one["kind"] for one in facts["warnings"]] == ["counts", "duplicates"]
    assert facts["duplicates"] == [
        {
            "files": [
                "bounding_box_train/0001_c1s1_000001_00.png",
                "bounding_box_train/0010_c2s1_000002_00.png",
            ],
            "parts": ["training", "training"],
            "identities": [1, 10],
        }
    ]
    assert (facts["ok"], to_dict(replace(found, errors=()))["ok"]) == (False, True)


def test_it_is_read_back_as_it_was_and_does_not_say_where_the_data_set_lies(
    found: Examination, tmp_path: Path
) -> None:
    words = json.dumps(to_dict(found))
    assert json.loads(words) == to_dict(found)
    assert str(tmp_path) not in words


def test_a_part_without_an_identity_has_no_histogram(found: Examination) -> None:
    nobody = replace(found.parts[0], spread=None, median_size=None, smallest=None)
    facts = to_dict(replace(found, parts=(nobody,)))["parts"]["training"]
    assert facts["pictures_per_identity"] is facts["median_size"] is facts["smallest"] is None
