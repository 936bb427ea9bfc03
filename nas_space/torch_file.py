"""Files of tensors and plain values: read without running anything they say."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from nas_space.replacing import replaced


def read_tensors(file: Path | str) -> Any:
    """What ``torch.save`` put into a file, on the CPU.

    Raises:
        ValueError: if there is no such file, it is not torch's, or it is a pickle that would make
            anything but tensors and plain values.
    """
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"There is no file {path}: give one that a training or an author wrote.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(
            f"{path.name} is no file of torch's, or a pickle that holds more than tensors and plain"
            " values and could run anything: have its author save the state dict alone."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError) as error:
        raise ValueError(
            f"{path.name} is no whole file of torch's ({type(error).__name__}): copy or download it"
            " again."
        ) from error


def write_tensors(file: Path | str, content: Mapping[str, Any]) -> None:
    """Replace a file at once; equal content makes equal bytes, whatever the file is called.

    Args:
        file: in a folder that exists.
        content: tensors and plain values.
    """

    def write(draft: Path) -> None:
        with draft.open("wb") as out:
            torch.save(dict(content), out)

    replaced(Path(file), write)
