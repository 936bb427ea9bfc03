"""Every picture gets the network's output for itself alone, in order; the network is unchanged."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from evaluators.embedding import embed, embed_sightings
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import normalise

embed_small = partial(embed_sightings, height=6, width=4, device="cpu")


@pytest.fixture
def sightings(tmp_path: Path) -> list[Sighting]:
    pixels = np.random.default_rng(0).integers(0, 256, (11, 6, 4, 3), dtype=np.uint8)
    paths = [tmp_path / f"{number}.png" for number in range(len(pixels))]
    for path, picture in zip(paths, pixels, strict=True):
        Image.fromarray(picture).save(path)
    return [Sighting(7 - i % 3, i % 2, path) for i, path in enumerate(paths)]


def network(dropout: float = 0.5) -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(5)
    norm.running_mean = torch.tensor([0.1, -0.2, 0.3, -0.4, 0.5])
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 5), norm, nn.Dropout(dropout))


def one_at_a_time(model: nn.Module, sightings: Sequence[Sighting]) -> torch.Tensor:
    pixels = [torch.from_numpy(np.array(Image.open(s.path))).permute(2, 0, 1) for s in sightings]
    with torch.no_grad():
        return torch.cat([model.eval()(normalise(picture[None])) for picture in pixels])


@pytest.mark.parametrize("batch_size", [1, 4, 11, 100])
def test_each_picture_is_embedded_by_itself_in_order(
    sightings: list[Sighting], batch_size: int
) -> None:
    got = embed(
        network(),
        Pictures(sightings, height=6, width=4),
        sightings,
        device="cpu",
        batch_size=batch_size,
    )
    torch.testing.assert_close(got.vectors, one_at_a_time(network(), sightings))
    assert got.identities.tolist() == [s.identity for s in sightings]
    assert got.cameras.tolist() == [s.camera for s in sightings]


@pytest.mark.parametrize("cached", [True, False])
def test_features_are_the_same_with_and_without_the_cache(
    sightings: list[Sighting], *, cached: bool
) -> None:
    got = embed_small(network(), sightings, cached=cached, batch_size=3)
    torch.testing.assert_close(got.vectors, one_at_a_time(network(), sightings))
    assert got.identities.tolist() == [s.identity for s in sightings]


def test_flip_takes_the_mean_with_the_mirror_image(sightings: list[Sighting]) -> None:
    # a network that returns the red values of the left and right edge of the first row, as floats
    def edges(images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0, [0, -1]]

    plain = embed_small(edges, sightings).vectors
    got = embed_small(edges, sightings, flip=True).vectors
    torch.testing.assert_close(got, plain.mean(1, keepdim=True).expand(-1, 2))


def test_the_network_keeps_its_modes_and_state(sightings: list[Sighting]) -> None:
    model = network()
    model[2].eval()  # a part that somebody froze stays frozen
    before = {name: value.clone() for name, value in model.state_dict().items()}
    embed_small(model, sightings)
    assert [part.training for part in model] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_network_gets_its_modes_back_after_an_error(sightings: list[Sighting]) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(71, 5))
    with pytest.raises(RuntimeError):
        embed_small(model, sightings)
    assert all(part.training for part in model.modules())


def test_features_can_be_used_in_training(sightings: list[Sighting]) -> None:
    vectors = embed_small(network(), sightings).vectors
    head = nn.Linear(5, 1)
    (gradient,) = torch.autograd.grad(head(vectors).sum(), head.weight)  # or it raises
    torch.testing.assert_close(gradient[0], vectors.sum(0))


@pytest.mark.parametrize("shape", [(-1, 3, 24), (-1,)])
def test_a_network_that_does_not_end_in_vectors_is_refused(
    sightings: list[Sighting], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"for 11 pictures and \[11, D\] is needed"):
        embed_small(lambda images: images.reshape(shape), sightings)


def test_pictures_of_other_sightings_are_refused(sightings: list[Sighting]) -> None:
    with pytest.raises(ValueError, match="11 pictures of 10 sightings"):
        embed(network(), Pictures(sightings, height=6, width=4), sightings[:10], device="cpu")


def test_no_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="no pictures to embed"):
        embed_small(network(), [])
