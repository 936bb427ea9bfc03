"""Where a run computes, and with how many threads."""

import os
from typing import Protocol, runtime_checkable

import torch


@runtime_checkable
class Asks(Protocol):
    """What says where it wants to be computed: a recipe, or a command's request."""

    @property
    def device(self) -> str:
        """``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one."""
        ...


def device_of(asking: Asks) -> torch.device:
    """The device that is asked for.

    Raises:
        ValueError: if it is a GPU that is not there.
    """
    if asking.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "This run asks for device 'cuda' and torch sees none: take 'auto' or 'cpu', or install"
            " a driver and a CUDA build of torch."
        )
    gpu = asking.device == "cuda" or (asking.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if gpu else "cpu")


def ask_for_repeatable_kernels(device: torch.device) -> None:
    """On a GPU: the same seed should give the same result, as it does on a CPU.

    Operations that have no deterministic kernel warn and run nevertheless.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


@runtime_checkable
class AsksForThreads(Protocol):
    """A recipe: how many threads of the processor it wants."""

    @property
    def threads(self) -> int | None:
        """None leaves them as they are."""
        ...


def use_threads(recipe: AsksForThreads) -> None:
    """Give torch the recipe's number of CPU threads, for the whole process.

    Raises:
        ValueError: if the number is not positive.
    """
    if recipe.threads is None:
        return
    if recipe.threads < 1:
        raise ValueError(f"The recipe's field 'threads' is {recipe.threads}: 1 or more is needed.")
    torch.set_num_threads(recipe.threads)
