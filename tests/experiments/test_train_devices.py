"""Two processes train as one: each on its share of an epoch, by the mean of their gradients."""

import copy
import time
from itertools import cycle, islice
from pathlib import Path

import pytest
import torch

from evaluators.epoch_report import TrainingEpoch
from experiments.config import override
from experiments.recipe import Recipe
from experiments.train import Loaders, network_of, objective_of, train
from nas_space.genotype import FIXED
from nas_space.heads import EmbeddingNetwork
from nas_space.speed import channels_last
from reid_data.batch import Batch
from reid_data.catalog import load_dataset
from reid_data.records import Sighting

PUBLISHED = FIXED["msinet_msmt17"]
CPU = torch.device("cpu")


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    """Two epochs of five batches, without momentum."""
    changes = {"retrain.weights.momentum": 0.0, "retrain.weights.learning_rate": 0.02}
    changes |= {"data.identities": 4}
    return override(tiny, changes | {"retrain.weights.schedule": "cosine", "retrain.epochs": 2})


def slow_twin(recipe: Recipe) -> tuple[EmbeddingNetwork, list[float]]:
    """The definition: per step the mean of the gradients of two batches of one device's epoch.

    The last step lacks one, and takes the epoch's first.
    """
    loaders = Loaders(load_dataset(recipe.data.name).train, recipe)
    loader = loaders(CPU, 0)
    network = network_of(PUBLISHED, recipe)
    channels_last(network)
    first = objective_of(network, len(loaders.labels), recipe).train()
    second, losses = copy.deepcopy(first), []
    weights = recipe.retrain.weights
    for epoch in range(recipe.retrain.epochs):
        rate, met = weights.learning_rate * weights.factor(epoch, recipe.retrain.epochs), []
        loader.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) % 2 == 1
        for pair in zip(batches[::2], [*batches[1::2], batches[0]], strict=True):
            for objective, batch in zip((first, second), pair, strict=True):
                objective.zero_grad()
                loss = objective.loss(batch)
                loss.backward()  # type: ignore[no-untyped-call]
                met.append(loss.item())
            step(first, second, rate, weights.weight_decay)
        losses.append(sum(met) / len(met))
    return network.eval(), losses


@torch.no_grad()
def step(first: torch.nn.Module, second: torch.nn.Module, rate: float, decay: float) -> None:
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        if p.grad is not None and q.grad is not None:
            p.sub_(rate * ((p.grad + q.grad) / 2 + decay * p))
            q.copy_(p)


@pytest.mark.parametrize("devices", [2, 3, 8])
def test_the_shares_of_all_processes_are_the_epoch_of_one(recipe: Recipe, devices: int) -> None:
    """Picture by picture, augmentation included; 8 processes have 5 batches a step to share."""
    sightings = load_dataset(recipe.data.name).train
    mild = override(recipe, {"retrain.augmentation.erasing": 0.5})
    alone = Loaders(sightings, mild)(CPU, 0)
    loaders = Loaders(sightings, override(mild, {"retrain.devices": devices}))
    shares = [loaders(CPU, number) for number in range(devices)]
    for loader in (alone, *shares):
        loader.set_epoch(3)
    epoch = [batch.images for batch in alone]
    together: list[Batch] = [batch for step in zip(*shares, strict=True) for batch in step]
    assert len(together) >= len(epoch)
    for images, batch in zip(islice(cycle(epoch), len(together)), together, strict=True):
        assert torch.equal(images, batch.images)


@pytest.mark.slow
def test_two_processes_end_where_the_definition_does_and_go_on_if_they_broke_off(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Running statistics are those of the first process."""

    class BrokenError(BaseException):
        pass

    def breaking(epoch: TrainingEpoch) -> None:
        heard.append(epoch)
        if heard[-1].epoch == 2 and len(heard) == 2:
            raise BrokenError

    heard: list[TrainingEpoch] = []
    together = override(recipe, {"retrain.devices": 2})
    sightings, state = load_dataset(recipe.data.name).train, tmp_path / "state.pt"
    with pytest.raises(BrokenError):
        train(
            network_of(PUBLISHED, recipe), sightings, together, on_epoch=breaking, checkpoint=state
        )
    network = network_of(PUBLISHED, recipe)
    train(network, sightings, together, on_epoch=breaking, checkpoint=state)
    assert [epoch.epoch for epoch in heard] == [1, 2, 2]
    expected, losses = slow_twin(recipe)
    assert [epoch.loss for epoch in heard] == pytest.approx([*losses, losses[1]], rel=1e-4)
    found = network.state_dict()
    for name, value in expected.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_a_process_that_breaks_ends_the_others_in_a_sentence(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    """In the second process no picture is found: at once, or not before the first batch."""
    together = override(recipe, {"retrain.devices": 2, "data.cached": cached})
    sightings = load_dataset(recipe.data.name).train

    def elsewhere(loaders: Loaders, version: int) -> object:
        nowhere = tuple(
            Sighting(s.identity, s.camera, s.path.with_name("nowhere.jpg"))
            for s in loaders.sightings
        )
        return Loaders, (nowhere, loaders.recipe)

    monkeypatch.setattr(Loaders, "__reduce_ex__", elsewhere)
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"Process 1 of the training ended .*nowhere\.jpg"):
        train(network_of(PUBLISHED, recipe), sightings, together, on_epoch=lambda _: None)
    assert time.monotonic() - began < 300  # torch would wait for half an hour
