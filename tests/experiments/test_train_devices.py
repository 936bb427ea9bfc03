"""Two processes train as one: each on batches of its own, by the mean of their gradients."""

import copy
from itertools import islice
from pathlib import Path

import pytest
import torch

from evaluators.epoch_report import TrainingEpoch
from experiments.config import override
from experiments.recipe import Recipe
from experiments.train import Loaders, network_of, objective_of, train
from nas_space.genotype import FIXED
from nas_space.heads import EmbeddingNetwork
from reid_data.batch import Batch
from reid_data.catalog import load_dataset

PUBLISHED = FIXED["msinet_msmt17"]
CPU = torch.device("cpu")


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    """Two epochs of five batches per process, without momentum."""
    changes = {"retrain.weights.momentum": 0.0, "retrain.weights.learning_rate": 0.02}
    return override(tiny, changes | {"retrain.weights.schedule": "cosine", "retrain.epochs": 2})


def slow_twin(recipe: Recipe) -> tuple[EmbeddingNetwork, list[float]]:
    """The definition: per step the mean of the gradients of both processes' batches."""
    loaders = Loaders(load_dataset(recipe.data.name).train, recipe)
    both = [loaders(CPU, number) for number in (0, 1)]
    network = network_of(PUBLISHED, recipe)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    first = objective_of(network, len(loaders.labels), recipe).train()
    second, losses = copy.deepcopy(first), []
    weights = recipe.retrain.weights
    for epoch in range(recipe.retrain.epochs):
        rate, met = weights.learning_rate * weights.factor(epoch, recipe.retrain.epochs), []
        for loader in both:
            loader.set_epoch(epoch)
        pairs: zip[tuple[Batch, Batch]] = zip(*both, strict=True)
        for pair in islice(pairs, -(-len(both[0]) // 2)):
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


def test_every_process_draws_its_own_batches_again_and_again_the_same(recipe: Recipe) -> None:
    loaders = Loaders(load_dataset(recipe.data.name).train, recipe)
    first, second, again = (next(iter(loaders(CPU, number))).images for number in (0, 1, 1))
    assert not torch.equal(first, second)
    assert torch.equal(second, again)


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
def test_a_process_that_breaks_ends_the_others_in_a_sentence(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process finds no data in its own environment: pictures are decoded when read."""
    together = override(recipe, {"retrain.devices": 2, "data.cached": False})
    sightings = load_dataset(recipe.data.name).train
    loaded = Loaders.__reduce_ex__

    def broken(loaders: Loaders, version: int) -> object:
        nowhere = tuple(
            type(s)(s.identity, s.camera, s.path.with_name("nowhere.jpg"))
            for s in loaders.sightings
        )
        return Loaders, (nowhere, loaders.recipe)

    monkeypatch.setattr(Loaders, "__reduce_ex__", broken)
    assert loaded is not broken
    with pytest.raises(ValueError, match=r"Process 1 of the training ended .*nowhere\.jpg"):
        train(network_of(PUBLISHED, recipe), sightings, together, on_epoch=lambda _: None)
