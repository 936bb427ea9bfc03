"""Where a run computes, and with how many threads."""

import os

import torch

from experiments.recipe import Recipe


def device_of(recipe: Recipe) -> torch.device:
    """The recipe's device; ``"auto"`` is a GPU where there is one.

    Raises:
        ValueError: if it asks for a GPU that is not there.
    """
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "The recipe asks for device 'cuda' and torch sees none: set device to 'auto' or 'cpu',"
            " or install a driver and a CUDA build of torch."
        )
    gpu = recipe.device == "cuda" or (recipe.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if gpu else "cpu")


def ask_for_repeatable_kernels(device: torch.device) -> None:
    """On a GPU: the same seed should give the same result, as it does on a CPU.

    Operations that have no deterministic kernel warn and run nevertheless.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def use_threads(recipe: Recipe) -> None:
    """Give torch the recipe's number of CPU threads, for the whole process.

    Raises:
        ValueError: if the number is not positive.
    """
    if recipe.threads is None:
        return
    if recipe.threads < 1:
        raise ValueError(f"The recipe's field 'threads' is {recipe.threads}: 1 or more is needed.")
    torch.set_num_threads(recipe.threads)
