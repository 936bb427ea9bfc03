"""What a camera adds to all its pictures, or multiplies them by, is gone."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.camera_standardisation import standardised_by_camera

CAMERAS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 7])


def noise(seed: int) -> torch.Tensor:
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))


def test_worked_out_by_hand() -> None:
    # camera 0: mean (2, 5), deviation (1, 0): rows (-1, 0), (1, 0)
    # camera 1: mean (0, 3), deviation (3, 4): rows (1, 1), (-1, -1), of length sqrt 2
    vectors = torch.tensor([[1.0, 5.0], [3.0, 5.0], [3.0, 7.0], [-3.0, -1.0]])
    expected = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.5**0.5] * 2, [-(0.5**0.5)] * 2])
    found = standardised_by_camera(vectors, torch.tensor([0, 0, 1, 1]))
    assert torch.allclose(found, expected)


@given(seed=st.integers(0, 50), shift=st.floats(-9, 9), factor=st.floats(0.1, 10))
def test_shift_and_scale_of_a_camera_are_taken_out(seed: int, shift: float, factor: float) -> None:
    vectors = noise(seed)
    moved = vectors.clone()
    moved[3:7] = moved[3:7] * factor + shift * torch.arange(5)
    found = standardised_by_camera(vectors, CAMERAS)
    assert torch.allclose(standardised_by_camera(moved, CAMERAS), found, atol=1e-4)


@given(seed=st.integers(0, 50))
def test_rows_have_unit_length_and_every_camera_its_mean_at_nothing(seed: int) -> None:
    found = standardised_by_camera(noise(seed), CAMERAS)
    assert torch.allclose(found.norm(dim=1), torch.ones(8))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    again = standardised_by_camera(noise(seed)[order], CAMERAS[order])
    assert torch.allclose(again, found[order], atol=1e-5)


def test_the_only_picture_of_a_camera_stays_as_it_is() -> None:
    vectors = noise(0)
    found = standardised_by_camera(vectors, CAMERAS)
    assert torch.allclose(found[7], vectors[7] / vectors[7].norm())


def test_of_a_single_camera_nothing_is_taken_out() -> None:
    vectors = noise(0)
    found = standardised_by_camera(vectors, torch.full((8,), 3))
    assert torch.allclose(found, vectors / vectors.norm(dim=1, keepdim=True))


def test_copies_within_a_camera_do_not_become_rounding() -> None:
    """The mean of equal numbers may differ from them in the last digit."""
    vectors = torch.full((8, 5), 0.1)
    vectors[CAMERAS == 1] = 0.3
    found = standardised_by_camera(vectors, CAMERAS)
    assert torch.allclose(found, vectors / vectors.norm(dim=1, keepdim=True))
