"""A recipe small enough to run the whole way in seconds."""

from pathlib import Path
from typing import Any

import pytest

from experiments.config import override
from experiments.recipe import Recipe
from experiments.recipes import quickstart


@pytest.fixture
def tiny(tiny_folder: Path, tiny_fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A whole run in a few seconds."""
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    return override(quickstart(), tiny_fields | {"device": "cpu"})
