"""The made-up features have the size, the cameras and the scores they are announced with."""

from dataclasses import replace

import pytest
import torch

from evaluators.retrieval import Features, retrieve
from experiments.benchmarks.synthetic_features import SIZES, Size, synthetic_features

SMALL = SIZES["1,000 x 5,000"]


def made(size: Size, *, good: bool = True, seed: int = 0) -> tuple[Features, Features]:
    generator = torch.Generator().manual_seed(seed)
    return synthetic_features(size, good=good, generator=generator)


def test_good_ones_retrieve_well_and_noise_knows_nobody() -> None:
    good = retrieve(*made(SMALL))
    assert good.rank1 == pytest.approx(0.8, abs=0.05)
    assert good.mAP < 0.6
    assert retrieve(*made(SMALL, good=False)).rank1 < 0.02


def test_they_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    first, again, other = made(SMALL), made(SMALL), made(SMALL, seed=1)
    for one, two, three in zip(first, again, other, strict=True):
        assert torch.equal(one.vectors, two.vectors)
        assert torch.equal(one.identities, two.identities)
        assert torch.equal(one.cameras, two.cameras)
        assert not torch.equal(one.vectors, three.vectors)


def test_parts_are_as_large_as_the_data_set_says() -> None:
    size = replace(SMALL, queries=70, gallery=260, identities=40, distractors=20)
    query, gallery = made(size)
    assert query.vectors.shape == (70, 512)
    assert gallery.vectors.shape == (260, 512)
    assert set(query.identities.tolist()) == set(range(1, 41))
    assert set(gallery.identities.tolist()) == set(range(41))
    assert int((gallery.identities == 0).sum()) == 20
    assert set(gallery.cameras.tolist()) == set(range(6))


def test_an_identity_walks_past_five_cameras_at_most() -> None:
    query, gallery = made(replace(SMALL, cameras=15))
    for identity in range(1, 251):
        seen = [f.cameras[f.identities == identity].tolist() for f in (query, gallery)]
        assert 1 < len({*seen[0], *seen[1]}) <= 5
