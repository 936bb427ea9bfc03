"""A data set and a recipe small enough to run the whole way in seconds."""

from pathlib import Path

import pytest

from experiments.config import override
from experiments.recipes import Recipe, quickstart
from reid_data.synthetic import SyntheticSettings, write


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten training and four test identities in Market-1501's layout; not to be changed."""
    settings = SyntheticSettings(
        train_identities=10, test_identities=4, cameras=2, shots=2, distractors=2, junk=1
    )
    return write(settings, tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A whole run in a few seconds."""
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    return override(
        quickstart(),
        {
            "data.name": "market_layout",
            "data.height": 32,
            "data.width": 16,
            "data.held_out": 0.2,
            "data.identities": 2,
            "data.images": 2,
            "search.epochs": 2,
            "retrain.epochs": 1,
            "device": "cpu",
        },
    )
