"""What a training needs to go on, in a file of tensors and plain values."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

FINISHED = "finished_epochs"
"""Key of every state: the epochs behind it."""


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
        state[FINISHED]
    except (RuntimeError, UnpicklingError, EOFError, OSError, LookupError, TypeError) as error:
        raise ValueError(
            f"{file.name} of the run folder is no state of a training ({type(error).__name__}):"
            " delete the folder and start anew."
        ) from error
    return state
