"""A map shows where the network answers: per picture from 0 to 1, where it did and nowhere else."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor, nn

from evaluators.activation_maps import (
    activation,
    enlarged,
    last_maps,
    shared,
    spread_out,
)
from nas_space.heads import Description, EmbeddingNetwork, HeadOutput
from reid_data.randomness import generator_of


class Pooling(EmbeddingNetwork):
    """The image itself, averaged over squares of two, is the last map."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.batches: list[int] = []

    @property
    def channels(self) -> int:
        return 3

    @property
    def dimensions(self) -> int:
        return 3

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        self.batches.append(len(images))
        last = nn.functional.avg_pool2d(images, 2) * self.scale
        v = last.mean(dim=(2, 3))
        return Description((HeadOutput(v, v),), last)


def random_maps(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator_of(seed))


def test_a_map_by_hand() -> None:
    """Vectors (3, 4), (0, 0), (-5, 12), (0, 2.6): lengths 5, 0, 13, 2.6.

    From 0 to 13: 5/13, 0, 1, 0.2.
    """
    maps = torch.tensor([[[[3.0, 0.0], [-5.0, 0.0]], [[4.0, 0.0], [12.0, 2.6]]]])
    lengths = activation(maps)
    assert lengths.tolist() == [[[5.0, 0.0], [13.0, pytest.approx(2.6)]]]
    expected = torch.tensor([[[5 / 13, 0.0], [1.0, 0.2]]])
    torch.testing.assert_close(spread_out(lengths), expected)


def test_what_two_pictures_share_by_hand() -> None:
    """One row of two positions each: x = (1, 0), (0, 2); y = (3, 0), (1, 1).

    x looks like y: max(3, 1) = 3 and max(0, 2) = 2. y like x: max(3, 0) = 3 and max(1, 2) = 2.
    With z = (3, 0), (5, 1) the two sides differ: x like z 5 and 2, z like x 3 and 5.
    """
    x = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])
    y = torch.tensor([[[3.0, 1.0]], [[0.0, 1.0]]])
    z = torch.tensor([[[3.0, 5.0]], [[0.0, 1.0]]])
    assert [side.tolist() for side in shared(x, y)] == [[[3.0, 2.0]], [[3.0, 2.0]]]
    assert [side.tolist() for side in shared(x, z)] == [[[5.0, 2.0]], [[3.0, 5.0]]]


@given(st.integers(0, 2**20), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_what_is_shared_is_what_its_definition_says(seed: int, C: int, h: int, w: int) -> None:
    first, second = random_maps(seed, 2, C, h, w)
    got = shared(first, second)
    for mine, other, found in ((first, second, got.first), (second, first, got.second)):
        for i in range(h):
            for j in range(w):
                products = [
                    float(mine[:, i, j] @ other[:, k, m]) for k in range(h) for m in range(w)
                ]
                assert float(found[i, j]) == pytest.approx(max(products), abs=1e-5)


@given(
    st.integers(0, 2**20),
    st.floats(1e-6, 1e6),
    st.floats(-1e3, 1e3),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_a_map_goes_from_0_to_1_whatever_its_scale(
    seed: int, scale: float, shift: float, B: int, side: int
) -> None:
    values = random_maps(seed, B, side, side) * scale + shift
    got = spread_out(values)
    for one, source in zip(got, values, strict=True):
        if source.min() == source.max():
            assert not one.any()
        else:
            assert (float(one.min()), float(one.max())) == (0, 1)
            order = source.flatten().argsort()
            assert all(a <= b for a, b in pairwise(one.flatten()[order].tolist()))


def test_a_picture_has_the_map_it_has_alone() -> None:
    values = random_maps(3, 4, 5, 6) * torch.tensor([1.0, 100.0, 0.01, 7.0])[:, None, None]
    together = spread_out(values)
    for place in range(4):
        torch.testing.assert_close(together[place], spread_out(values[place : place + 1])[0])


def test_a_map_that_is_equal_everywhere_is_dark() -> None:
    for value in (0.0, 3.7, -1e30):
        assert not spread_out(torch.full((2, 3, 4), value)).any()


def test_a_bright_spot_stays_where_it_is_when_it_is_enlarged() -> None:
    """Four columns to eight: those of column 2 are 4 and 5, those of row 1 of two are 3 to 5."""
    values = torch.zeros(1, 2, 4)
    values[0, 1, 2] = 1
    big = enlarged(values, height=6, width=8)[0]
    assert big.shape == (6, 8)
    row, column = divmod(int(big.argmax()), 8)
    assert (row >= 3, column in (4, 5)) == (True, True)
    assert float(big[:2].max()) < 1e-6
    assert float(big[:, :3].max()) < 1e-6


@given(st.integers(0, 2**20), st.integers(1, 6), st.integers(1, 6), st.integers(1, 40))
def test_enlarging_leaves_the_range_as_it_was(seed: int, h: int, w: int, size: int) -> None:
    values = spread_out(random_maps(seed, 2, h, w))
    big = enlarged(values, height=size, width=2 * size)
    assert 0 <= float(big.min()) <= float(big.max()) <= 1
    constant = enlarged(torch.full((1, h, w), 0.3), height=size, width=size)
    torch.testing.assert_close(constant, torch.full((1, size, size), 0.3))


def test_maps_are_those_of_the_last_stage_in_batches_of_any_size() -> None:
    network = Pooling().eval()
    images = random_maps(1, 5, 3, 4, 6)
    expected = nn.functional.avg_pool2d(images, 2)
    for size, batches in ((1, [1] * 5), (2, [2, 2, 1]), (99, [5])):
        network.batches.clear()
        got = last_maps(network, images, batch_size=size)
        torch.testing.assert_close(got, expected)
        assert network.batches == batches
        assert not got.requires_grad


def test_a_network_in_training_mode_or_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"training mode: call eval\(\)"):
        last_maps(Pooling(), random_maps(1, 1, 3, 4, 4))
    with pytest.raises(ValueError, match="no image to look at"):
        last_maps(Pooling().eval(), torch.zeros(0, 3, 4, 4))
