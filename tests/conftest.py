"""What holds for every test: shapes are checked, and a test that cannot run says why."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

PACKAGES = ["reid_data", "nas_space", "strategies", "evaluators", "experiments"]
REAL_DATA = "REID_TEST_DATA"

# As for mypy, an int may stand where a float is asked for; beartype says no unless told.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"

install_import_hook(PACKAGES, CHECKER)

torch.set_num_threads(
    1
)  # tiny networks: threads that wait for each other cost more than they bring

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs real inputs or a CUDA device where there is none."""
    if not os.environ.get(REAL_DATA):
        _skip(items, "data", f"set {REAL_DATA} to the folder with the real inputs to run this")
    if not torch.cuda.is_available():
        _skip(items, "gpu", "needs a CUDA device, and none is available")


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where rendered data sets and decoded pictures are kept: not in the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that shows the log in one test shows it in no other, where its stream is closed."""
    log = logging.getLogger("reid_data")
    handlers, level = list(log.handlers), log.level
    yield
    log.handlers[:] = handlers
    log.setLevel(level)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real inputs; only for tests marked ``data``."""
    return Path(os.environ[REAL_DATA])


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten training and four test identities in Market-1501's layout; not to be changed."""
    from reid_data.synthetic import SyntheticSettings, write

    settings = SyntheticSettings(
        train_identities=10, test_identities=4, cameras=2, shots=2, distractors=2, junk=1
    )
    return write(settings, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_fields() -> dict[str, Any]:
    """Fields of a recipe with which a whole run on ``tiny_folder`` takes seconds."""
    return {
        "data.name": "market_layout",
        "data.height": 32,
        "data.width": 16,
        "data.held_out": 0.2,
        "data.identities": 2,
        "data.images": 2,
        "search.epochs": 2,
        "search.one_shot.samples": 4,
        "retrain.epochs": 1,
    }
