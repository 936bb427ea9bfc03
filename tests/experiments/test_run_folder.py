"""A run has its folder to itself, and one that never finished an epoch leaves it to another."""

from pathlib import Path

import pytest

from experiments.config import override
from experiments.diary import Diary, Reporter
from experiments.recipe import Recipe
from experiments.training_run import run_training
from nas_space.genotype import FIXED

PUBLISHED = FIXED["msinet_msmt17"]


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    return override(tiny, {"retrain.epochs": 1})


def test_a_run_that_broke_in_its_first_epoch_leaves_the_folder_to_another(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Its genotype would be taken for that of the peer that is trained next."""
    folder = tmp_path / "run"
    wild = override(recipe, {"retrain.weights.learning_rate": 1e30})
    with pytest.raises(ValueError, match="retraining epoch 1"):
        run_training(wild, PUBLISHED, folder, Reporter())
    assert (folder / "genotype.json").exists()
    peer = override(recipe, {"retrain.network": "osnet_x1_0"})
    assert run_training(peer, None, folder, Reporter()).strategy == "osnet_x1_0"
    assert not (folder / "genotype.json").exists()
    assert not (folder / "network.svg").exists()
    with pytest.raises(ValueError, match="holds a run already"):
        run_training(peer, None, folder, Reporter())


def test_what_a_killed_run_was_writing_is_removed_and_nothing_else(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draft of a network has hundreds of megabytes, and each kill leaves one."""
    folder = tmp_path / "run"
    (folder / ".draft_a1b2").mkdir(parents=True)
    (folder / ".draft_a1b2" / "last.pt").write_bytes(b"half")
    (folder / ".progress.json.123").write_text("{")
    (folder / "notes.txt").write_text("mine")

    def stop(_diary: Diary, _stage: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Diary, "enter", stop)
    with pytest.raises(KeyboardInterrupt):
        run_training(recipe, PUBLISHED, folder, Reporter())
    left = {file.name for file in folder.iterdir()}
    assert "notes.txt" in left
    assert not {".draft_a1b2", ".progress.json.123"} & left


@pytest.mark.parametrize(
    ("field", "value"),
    [("alignment.mode", "pos_neg"), ("held_out", 0.3), ("devices", 2)],
)
def test_what_needs_labels_is_refused_without_them_before_the_folder_is_there(
    recipe: Recipe, tmp_path: Path, field: str, value: object
) -> None:
    asked = override(recipe, {f"retrain.{field}": value})
    with pytest.raises(ValueError, match=rf"without labels [^\n]*{field}"):
        run_training(asked, PUBLISHED, tmp_path / "run", Reporter(), kind="unsupervised")
    assert not (tmp_path / "run").exists()
