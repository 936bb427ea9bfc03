"""A key names one stream of random numbers, and another key another one."""

import pytest
import torch

from reid_data.randomness import generator_of, mixed_seed


def test_one_key_gives_one_stream() -> None:
    first, again = (torch.rand(8, generator=generator_of(3, 5)) for _ in range(2))
    assert torch.equal(first, again)


def test_keys_that_differ_give_other_streams() -> None:
    keys = [(), (0,), (1,), (0, 1), (1, 0), (0, 0, 1), (10, 1), (1, 10)]
    assert len({mixed_seed(*key) for key in keys}) == len(keys)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="of -2 was found: give one of 0 or more"):
        generator_of(1, -2)
