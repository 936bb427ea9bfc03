"""A state is written whole or not at all, and holds nothing that could run."""

import os
import pickle
import signal
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluators.state import FINISHED, finished_epochs, load_state, replaced, save_state


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    save_state(file, {"weights": {"w": torch.arange(3.0)}, FINISHED: 7})
    state = load_state(file)
    assert torch.equal(state["weights"]["w"], torch.arange(3.0))
    assert finished_epochs(file) == 7


def test_where_there_is_no_file_nothing_was_finished(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.pt") == {}
    assert finished_epochs(tmp_path / "state.pt") == 0


def test_a_write_that_breaks_off_leaves_the_old_state(tmp_path: Path) -> None:
    class Breaks:
        def __reduce__(self) -> Any:
            raise OSError("no space left")

    file = tmp_path / "state.pt"
    save_state(file, {FINISHED: 1})
    with pytest.raises(OSError, match="no space"):
        save_state(file, {FINISHED: 2, "broken": Breaks()})
    assert finished_epochs(file) == 1


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


def test_a_signal_during_a_write_is_answered_after_it(tmp_path: Path) -> None:
    class AskedToEndError(BaseException):
        pass

    def end(number: int, frame: object) -> None:
        raise AskedToEndError

    class Signals:
        """Sends the signal while it is written."""

        def __reduce__(self) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            return OrderedDict, ()

    file, before = tmp_path / "state.pt", signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(AskedToEndError):
            save_state(file, {FINISHED: 3, "signals": Signals()})
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert finished_epochs(file) == 3


def test_no_other_file_is_touched_and_none_is_left(tmp_path: Path) -> None:
    file, other, new = tmp_path / "state.pt", tmp_path / ".state.pt", tmp_path / "new"
    other.write_text("someone's")
    new.touch()
    save_state(file, {FINISHED: 1})
    assert file.stat().st_mode == new.stat().st_mode

    def fails(draft: Path) -> None:
        draft.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replaced(file, fails)
    assert sorted(tmp_path.iterdir()) == [other, new, file]
    assert other.read_text() == "someone's"
    assert finished_epochs(file) == 1
