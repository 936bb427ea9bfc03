"""What a training needs to go on, in a file that is replaced at once and holds plain values."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

FINISHED = "finished_epochs"
"""Key of every state: the epochs behind it."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def save_state(file: Path, state: Mapping[str, Any]) -> None:
    """Replace ``file``: a reader, and a run killed meanwhile, has the old state or the new one."""

    def write(draft: Path) -> None:
        with draft.open("wb") as out:
            torch.save(dict(state), out)

    replaced(file, write)


def replaced(file: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a new file, and put it in the place of ``file`` when it is on the disk.

    A signal that asks the process to end is answered afterwards: an exception out of the middle of
    torch's writer would come out of it as another one. Until then it lies in a folder of its
    own beside ``file``, which is gone again if ``write`` fails.
    """
    folder = file.parent
    with _signals_held(), tempfile.TemporaryDirectory(dir=folder, prefix=".draft_") as own:
        draft = Path(own) / file.name
        write(draft)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)


@contextmanager
def _signals_held() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only that one gets any
        yield
        return
    came: list[int] = []
    found = {number: signal.getsignal(number) for number in _ENDING}
    handlers = {number: handler for number, handler in found.items() if handler is not None}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for first in came[:1]:
            os.kill(os.getpid(), first)


def finished_epochs(file: Path) -> int:
    """Epochs behind the state in ``file``; 0 where there is none.

    Raises:
        ValueError: as :func:`load_state`.
    """
    return int(load_state(file).get(FINISHED, 0))


def load_state(file: Path) -> dict[str, Any]:
    """The state in ``file``; empty where there is none.

    Raises:
        ValueError: if the file is broken, or holds more than tensors and plain values.
    """
    if not file.is_file():
        return {}
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise ValueError(
            f"{file.name} of the run folder is no state of a training ({type(error).__name__}):"
            " delete the folder and start anew."
        ) from error
    return state
