"""A recipe small enough to run the whole way in seconds."""

from pathlib import Path

import pytest

from experiments.config import override
from experiments.recipes import Recipe, quickstart


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
