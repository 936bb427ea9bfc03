"""A genotype is complete, ordered and survives its file."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_space.genotype import CANDIDATES, MSI_SLOTS, PUBLISHED, Genotype

slots = st.fixed_dictionaries({slot: st.sampled_from(CANDIDATES["msi"]) for slot in MSI_SLOTS})


@given(slots, st.randoms())
def test_a_genotype_survives_its_file_whatever_the_order_of_its_slots(
    chosen: dict[str, str], shuffler: random.Random
) -> None:
    items = list(chosen.items())
    shuffler.shuffle(items)
    genotype = Genotype("msi", dict(items))
    assert tuple(genotype.slots) == MSI_SLOTS
    assert Genotype.from_json(genotype.to_json()) == Genotype("msi", chosen)


def test_the_published_genotype_reads_as_the_paper_prints_it() -> None:
    assert str(PUBLISHED["msinet_msmt17"]) == "GG EG CG G- GC EC"


def test_a_missing_and_an_unknown_slot_are_named() -> None:
    wrong = dict(PUBLISHED["msinet_msmt17"].slots)
    wrong["cell9_slot0"] = wrong.pop("cell0_slot0")
    with pytest.raises(ValueError, match=r"missing \['cell0_slot0'\], unknown \['cell9_slot0'\]"):
        Genotype("msi", wrong)


def test_an_unknown_candidate_is_named_with_its_slot() -> None:
    wrong = dict(PUBLISHED["msinet_msmt17"].slots) | {"cell2_slot1": "gate"}
    with pytest.raises(ValueError, match="cell2_slot1 holds 'gate'"):
        Genotype("msi", wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds JSON, and this does not"),
        ("[]", "and this holds something else: give"),
        ("{}", "and this holds nothing: give"),
        ('{"mAP": 1, "a": 2}', "and this holds a, mAP: give"),
        (json.dumps({"space": "msi", "version": 0, "slots": {}}), "of version 0 was found"),
        (json.dumps({"space": "msi", "version": 1, "slots": []}), "here they are not"),
    ],
)
def test_a_file_that_holds_no_genotype_is_refused_in_one_sentence(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Genotype.from_json(text)
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ValueError, match=rf"^mine\.json: .*{words}"):
        Genotype.load(str(tmp_path / "mine.json"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"\x80\xff")
    with pytest.raises(ValueError, match=r"best\.pt is no text"):
        Genotype.load(str(tmp_path / "best.pt"))


def test_a_genotype_is_found_by_name_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "genotype.json"
    file.write_text(PUBLISHED["msinet_msmt17"].to_json())
    assert Genotype.load(str(file)) == Genotype.load("msinet_msmt17")
    with pytest.raises(ValueError, match="No genotype 'nowhere': there is no such file"):
        Genotype.load("nowhere")
