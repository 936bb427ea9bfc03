"""Independent random streams, each named by a few whole numbers."""

import numpy as np
import torch


def mixed_seed(*key: int) -> int:
    """One 32-bit seed of a key such as (seed, epoch); keys that differ give unrelated seeds.

    Raises:
        ValueError: If a number of the key is negative.
    """
    if any(part < 0 for part in key):
        raise ValueError(f"A seed or an epoch of {min(key)} was found: give one of 0 or more.")
    # The length comes first, for a trailing 0 alone would make no difference.
    return int(np.random.SeedSequence((len(key), *key)).generate_state(1)[0])


def generator_of(*key: int) -> torch.Generator:
    """A generator on the CPU whose numbers depend on the key alone.

    Raises:
        ValueError: If a number of the key is negative.
    """
    return torch.Generator().manual_seed(mixed_seed(*key))
