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
    source, target = data_of(Data("msmt17", part="all", target="market1501"))
    assert (source.name, target.name) == ("msmt17_v1", "market1501")
    assert len(source.train) == 6
    assert data_of(Data("market1501")).target is SETS["market1501"]


def test_all_of_a_set_cannot_be_tested_on_itself() -> None:
    with pytest.raises(ValueError, match="no query pictures"):
        data_of(Data("msmt17", part="all"))
    with pytest.raises(ValueError, match=r"^4 test pictures of 'msmt17_v1' are among the training"):
        data_of(Data("msmt17", part="all", target="msmt17"))


def test_nor_on_another_edition_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = SETS["msmt17"]
    whole = replace(first, train=first.train + first.query + first.gallery, query=(), gallery=())
    masked = replace(first, query=seen("v2/query", 2), gallery=seen("v2/test", 2))
    editions = {"msmt17:MSMT17_V1": whole, "msmt17:MSMT17_V2": masked}
    monkeypatch.setattr("experiments.data.load_dataset", lambda name, **_: editions[name])
    with pytest.raises(ValueError, match=r"^The test pictures"):
        data_of(Data("msmt17:MSMT17_V1", part="all", target="msmt17:MSMT17_V2"))
