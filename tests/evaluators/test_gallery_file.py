"""Saving and loading drawn galleries changes nothing, and those of other pictures are refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from evaluators.gallery_file import Galleries, load_galleries, save_galleries
from evaluators.repeats import drawn_galleries

IDENTITIES = torch.tensor([4, 4, 4, 7, 7, 9, 9, 9, 9])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "splits.json"


@given(
    st.lists(st.integers(-3, 6), min_size=1, max_size=30).map(torch.tensor),
    st.integers(1, 4),
    st.integers(0, 2**40),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_loaded(file: Path, identities: Tensor, repeats: int, seed: int) -> None:
    chosen = drawn_galleries(identities, repeats=repeats, seed=seed)
    save_galleries(file, Galleries(chosen, seed), identities)
    loaded = load_galleries(file, identities)
    assert torch.equal(loaded.chosen, chosen)
    assert loaded.seed == seed


def test_the_file_is_plain_json_that_others_can_write(file: Path) -> None:
    """The draws are those of ``test_repeats``: rows 0, 4, 8 and rows 1, 4, 8."""
    chosen = drawn_galleries(IDENTITIES, repeats=2, seed=0)
    save_galleries(file, Galleries(chosen, 0), IDENTITIES)
    assert json.loads(file.read_text()) == {
        "seed": 0,
        "repeats": 2,
        "pictures": 9,
        "identities_sha256": hashlib.sha256(b"4,4,4,7,7,9,9,9,9").hexdigest(),
        "galleries": [[0, 4, 8], [1, 4, 8]],
    }


@pytest.mark.parametrize(
    "others",
    [IDENTITIES[:-1], IDENTITIES + 1, IDENTITIES.flip(0), torch.cat([IDENTITIES, IDENTITIES[:1]])],
    ids=["fewer", "other", "another order", "more"],
)
def test_galleries_of_other_pictures_are_refused(file: Path, others: Tensor) -> None:
    chosen = drawn_galleries(IDENTITIES, repeats=2, seed=0)
    save_galleries(file, Galleries(chosen, 0), IDENTITIES)
    with pytest.raises(ValueError, match=r"splits\.json were drawn from 9 other pictures than"):
        load_galleries(file, others)


@pytest.mark.parametrize(
    "rows",
    [[0, 4], [0, 1, 4], [0, 4, 4], [0, 4, 5, 6], [0, 4, 9], [0, 4, 4, 8], [0, 4, 8, 9], []],
    ids=[
        "two",
        "one missing",
        "one twice",
        "too many",
        "beyond",
        "row twice",
        "one more beyond",
        "none",
    ],
)
def test_a_gallery_without_every_identity_once_is_refused(file: Path, rows: list[int]) -> None:
    change(file, galleries=[[0, 4, 8], rows])
    with pytest.raises(ValueError, match="does not hold each of the 3 identities once"):
        load_galleries(file, IDENTITIES)


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": None}, {"seed": -1}, {"seed": True}, {"repeats": 3}, {"repeats": 0.5},
        {"galleries": []}, {"galleries": [[0, 4, 8], 3]}, {"galleries": [[0, 4, 8], [0.0, 4, 8]]},
        {"galleries": [[0, 4, 8], [-9, 4, 8]]}, {"pictures": "9"}, {"repeats": 0, "galleries": []},
    ],
)  # fmt: skip
def test_a_file_with_other_fields_is_refused(file: Path, fields: dict[str, Any]) -> None:
    change(file, **fields)
    with pytest.raises(ValueError, match=r"splits\.json holds no drawn galleries: a JSON object"):
        load_galleries(file, IDENTITIES)


@pytest.mark.parametrize("text", ["", "[1", "\xff", "[" * 100_000])
def test_a_file_that_is_no_json_is_refused(file: Path, text: str) -> None:
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"splits\.json cannot be read as JSON"):
        load_galleries(file, IDENTITIES)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match=r"splits\.json cannot be read as JSON \(FileNotFound"):
        load_galleries(file, IDENTITIES)
    file.write_text("[]")
    with pytest.raises(ValueError, match="holds no drawn galleries"):
        load_galleries(file, IDENTITIES)


def change(file: Path, **fields: Any) -> None:
    chosen = drawn_galleries(IDENTITIES, repeats=2, seed=0)
    save_galleries(file, Galleries(chosen, 0), IDENTITIES)
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
