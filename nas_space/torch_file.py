"""Files of tensors and plain values: read without running anything they say."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from nas_space.replacing import replaced

PROGRAM_RECORDS = ("/constants.pkl", "/archive_format")
"""Ends of names in archives of TorchScript and of exported programs, and not of tensors alone."""

_NUMBERS: list[Any] = [
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int64")),
    np.float64(0).__reduce__()[0],  # what makes a number of its bytes
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),  # as NumPy 1 called it
]
"""What a pickled number of NumPy is made by: trainings write their scores beside the weights."""


def read_tensors(file: Path | str) -> Any:
    """What ``torch.save`` put into a file, on the CPU.

    Raises:
        ValueError: if there is no such file, it is not torch's, or it is a pickle that would make
            anything but tensors and plain values.
    """
    path = Path(file)
    _refuse_other_formats(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path}: give one that a training or an author wrote.")
    try:
        with torch.serialization.safe_globals(_NUMBERS):
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


def _refuse_other_formats(path: Path) -> None:
    """Name what is whole and is not for ``torch.load``.

    Raises:
        ValueError: if it is safetensors, TorchScript or an exported program.
    """
    if not path.is_file():
        return
    with path.open("rb") as opened:
        begins = opened.read(9)
    if begins[8:] == b"{" and int.from_bytes(begins[:8], "little") < path.stat().st_size:
        raise ValueError(
            f"{path.name} is a file of safetensors: read it with that package, and save what it"
            " gives by torch.save."
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            exported = any(name.endswith(PROGRAM_RECORDS) for name in archive.namelist())
        if exported:
            raise ValueError(
                f"{path.name} is an exported program and no state dict: give what a training wrote"
                " (best.pt), or open it in its own runtime."
            )


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
