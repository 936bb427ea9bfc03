"""A run is tested on pictures it did not train on, or it does not begin."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.data import data_of
from experiments.recipe import Data
from reid_data.records import ReidDataset, Sighting


def seen(folder: str, *identities: int) -> tuple[Sighting, ...]:
    return tuple(
        Sighting(i, camera, Path(folder, f"{i}_{camera}")) for i in identities for camera in (1, 2)
    )


SETS = {
    "market1501": ReidDataset(
        "market1501", train=seen("m/train", 1), query=seen("m/query", 2), gallery=seen("m/test", 2)
    ),
    "msmt17": ReidDataset(
        "msmt17_v1", train=seen("s/train", 1), query=seen("s/query", 2), gallery=seen("s/test", 2)
    ),
    "empty": ReidDataset("empty", train=(), query=(), gallery=seen("e/test", 3)),
    "seen": ReidDataset("seen", train=(), query=seen("m/train", 1), gallery=seen("e/test", 1)),
}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, *, part: str = "trainval") -> ReidDataset:
        found = SETS[name.split(":", maxsplit=1)[0]]
        if part != "all":
            return found
        return replace(found, train=found.train + found.query + found.gallery, query=(), gallery=())

    monkeypatch.setattr("experiments.data.load_dataset", load)


def test_a_target_lends_its_test_pictures_and_its_rules_and_the_source_its_training() -> None:
    source, (target,) = data_of(Data("msmt17", part="all", targets=("market1501",)))
    assert (source.name, target.name) == ("msmt17_v1", "market1501")
    assert len(source.train) == 6
    assert data_of(Data("market1501")).targets == (SETS["market1501"],)


def test_targets_stay_in_their_order_and_the_source_may_be_one_of_them() -> None:
    for names in (("msmt17", "market1501"), ("market1501", "msmt17")):
        targets = data_of(Data("market1501", targets=names)).targets
        assert targets == tuple(SETS[name] for name in names)


def test_targets_of_one_name_are_refused_by_their_own_and_by_that_of_their_data() -> None:
    """Both folders of MSMT17 hold a set that calls itself ``msmt17_v1`` here."""
    with pytest.raises(ValueError, match=r"field 'data\.targets' is .*: name each data set once"):
        Data("market1501", targets=("msmt17", "msmt17"))
    with pytest.raises(ValueError, match="'msmt17_v1' is named twice to be tested on"):
        data_of(Data("market1501", targets=("msmt17:one", "market1501", "msmt17:two")))


@pytest.mark.parametrize("place", [0, 1])
def test_what_is_wrong_with_one_target_is_found_wherever_it_stands(place: int) -> None:
    for wrong, said in (("empty", "'empty' has no query"), ("seen", "^2 test pictures of 'seen'")):
        names = ["msmt17", wrong] if place else [wrong, "msmt17"]
        with pytest.raises(ValueError, match=said):
            data_of(Data("market1501", targets=tuple(names)))


def test_all_of_a_set_cannot_be_tested_on_itself() -> None:
    with pytest.raises(ValueError, match="no query pictures"):
        data_of(Data("msmt17", part="all"))
    with pytest.raises(ValueError, match=r"^4 test pictures of 'msmt17_v1' are among the training"):
        data_of(Data("msmt17", part="all", targets=("market1501", "msmt17")))


def test_nor_on_another_edition_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = SETS["msmt17"]
    whole = replace(first, train=first.train + first.query + first.gallery, query=(), gallery=())
    masked = replace(first, query=seen("v2/query", 2), gallery=seen("v2/test", 2))
    editions = {"msmt17:MSMT17_V1": whole, "msmt17:MSMT17_V2": masked}
    monkeypatch.setattr("experiments.data.load_dataset", lambda name, **_: editions[name])
    with pytest.raises(ValueError, match=r"^The test pictures"):
        data_of(Data("msmt17:MSMT17_V1", part="all", targets=("msmt17:MSMT17_V2",)))


def test_a_source_that_is_tested_on_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(name: str, *, part: str = "trainval") -> ReidDataset:
        loaded.append((name, part))
        return SETS[name]

    monkeypatch.setattr("experiments.data.load_dataset", load)
    data_of(Data("market1501", targets=("msmt17", "market1501")))
    data_of(Data("msmt17"))
    assert loaded == [(name, "trainval") for name in ("market1501", "msmt17", "msmt17")]


def test_a_target_that_is_not_there_is_said_to_be_the_recipes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(name: str, *, part: str = "trainval") -> ReidDataset:
        if name not in SETS:
            raise ValueError("It is not there.")
        return SETS[name]

    monkeypatch.setattr("experiments.data.load_dataset", load)
    with pytest.raises(ValueError, match=r"^The recipe tests on 'b' .*targets.*: It is not there"):
        data_of(Data("market1501", targets=("b",)))
    with pytest.raises(ValueError, match=r"^It is not there"):
        data_of(Data("b", targets=("market1501",)))
