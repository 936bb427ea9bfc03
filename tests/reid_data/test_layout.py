"""The root is what the user named: the argument first, then one variable, then the other."""

from pathlib import Path

import pytest

from reid_data.layout import data_root, first_few, in_words


def test_the_argument_comes_before_both_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, argument = Path("/first"), Path("/second"), Path("/argument")
    monkeypatch.delenv("REID_DATA_ROOT", raising=False)
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    assert data_root(None) is None
    monkeypatch.setenv("FASTREID_DATASETS", str(second))
    assert data_root(None) == second
    monkeypatch.setenv("REID_DATA_ROOT", str(first))
    assert data_root(None) == first
    assert data_root(argument) == argument


def test_an_empty_variable_is_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", "")
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    assert data_root(None) is None


def test_long_lists_are_cut_and_counted() -> None:
    assert first_few([1, 2, 3, 4, 5]) == "1, 2, 3, 4, 5"
    assert first_few([1, 2, 3, 4, 5, 6, 7]) == "1, 2, 3, 4, 5 and 2 more"


def test_a_list_is_said_as_a_sentence_has_it() -> None:
    assert in_words(["query"]) == "query"
    assert in_words(["query", "gallery"]) == "query and gallery"
    assert in_words(["train", "query", "gallery"]) == "train, query and gallery"
