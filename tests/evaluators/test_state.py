"""A state is read as it was written, and holds nothing that could run."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluators.state import FINISHED, finished_epochs, load_state
from nas_space.torch_file import write_tensors


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    write_tensors(file, {"weights": {"w": torch.arange(3.0)}, FINISHED: 7})
    state = load_state(file)
    assert torch.equal(state["weights"]["w"], torch.arange(3.0))
    assert finished_epochs(file) == 7


def test_where_there_is_no_file_nothing_was_finished(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.pt") == {}
    assert finished_epochs(tmp_path / "state.pt") == 0


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(2), "words"])
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "state.pt"
    torch.save(content, file)
    with pytest.raises(ValueError, match=r"state\.pt of the run folder is no state"):
        finished_epochs(file)


@pytest.mark.parametrize("kept", [0, 1, 101, -1])
def test_a_state_that_was_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "state.pt"
    write_tensors(file, {"weights": {"w": torch.arange(3.0)}, FINISHED: 7})
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"state\.pt of the run folder is no state"):
        finished_epochs(file)


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return (tmp_path / "ran").touch, ()

    file = tmp_path / "state.pt"
    for content in (Runs(), {FINISHED: Runs()}):
        torch.save(content, file)
        with pytest.raises(ValueError, match=r"state\.pt of the run folder is no state"):
            load_state(file)
        file.write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(ValueError, match="delete the folder and start anew"):
            load_state(file)
    assert not (tmp_path / "ran").exists()
