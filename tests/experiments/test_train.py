"""Retraining minimises both heads' losses at the scheduled rate, and depends on its seed alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evaluators.epoch_report import TrainingEpoch
from evaluators.objectives import Classifiers
from evaluators.optimisation import WeightOptimiser
from experiments.config import override
from experiments.presets import PRESETS
from experiments.recipe import Recipe
from experiments.search import given_genotype
from experiments.train import Loaders, network_of, objective_of, seeded, train
from nas_space.alignment import SpatialAlignment
from nas_space.genotype import FIXED
from nas_space.heads import Description, EmbeddingNetwork, Head, HeadOutput
from nas_space.interactions import CrossAttention
from reid_data.batch import Batch
from reid_data.catalog import load_dataset

CPU = torch.device("cpu")
MULTISTEP = {
    "retrain.epochs": 6,
    "retrain.weights.schedule": "multistep",
    "retrain.weights.warmup_epochs": 2,
    "retrain.weights.milestones": (4,),
    "retrain.weights.learning_rate": 0.05,
}


class Small(EmbeddingNetwork):
    """Two heads of different length on one convolution; remembers what they gave."""

    channels, dimensions = 8, 24

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.filters = nn.Conv2d(3, 8, 4, stride=4)
            self.whole, self.halves = Head(8), Head(16)
        self.gave: list[tuple[HeadOutput, ...]] = []

    def describe(self, images: Tensor) -> Description:
        maps = self.filters(images)
        halves = F.adaptive_avg_pool2d(maps, (2, 1)).flatten(1)
        outputs = self.whole(maps.mean(dim=(2, 3))), self.halves(halves)
        if self.training:
            self.gave.append(tuple(HeadOutput(*(t.detach() for t in out)) for out in outputs))
        return Description(outputs, maps)


def trained(
    recipe: Recipe, network: EmbeddingNetwork | None = None, **changes: Any
) -> tuple[EmbeddingNetwork, list[TrainingEpoch]]:
    recipe = override(recipe, {f"retrain.{k.replace('__', '.')}": v for k, v in changes.items()})
    epochs: list[TrainingEpoch] = []
    network = Small() if network is None else network
    sightings = load_dataset(recipe.data.name).train
    return train(network, sightings, recipe, on_epoch=epochs.append), epochs


def slow_id_loss(logits: Tensor, identity: list[int], smoothing: float) -> float:
    """Minus the log-likelihood under a target of ``1 - s`` on the truth and ``s / I`` on all."""
    total = 0.0
    for row, truth in zip(logits.double().softmax(1).log().tolist(), identity, strict=True):
        target = [smoothing / len(row) + (1 - smoothing) * (i == truth) for i in range(len(row))]
        total -= sum(t * log_p for t, log_p in zip(target, row, strict=True))
    return total / len(identity)


def slow_triplet(feature: Tensor, identity: list[int], margin: float) -> float:
    """Per picture: margin + distance to the farthest positive - that to the nearest negative."""
    f = [v / v.norm() for v in feature.double()]
    total = 0.0
    for a, y in zip(f, identity, strict=True):
        to = [(float((a - b).norm()), other) for b, other in zip(f, identity, strict=True)]
        farthest = max(d for d, other in to if other == y)
        nearest = min(d for d, other in to if other != y)
        total += max(0.0, margin + farthest - nearest)
    return total / len(identity)


def test_the_loss_is_the_sum_over_both_heads_of_their_id_and_triplet_loss(
    tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are caught in the run: what the heads gave, the classifiers, the labels."""
    smoothing, margin, weight = 0.2, 0.7, 1.5
    caught: list[tuple[list[Tensor], list[int]]] = []
    original = Classifiers.loss

    def spy(self: Classifiers, outputs: Any, identity: Tensor, *rest: Any) -> Tensor:
        weights = [linear.get_parameter("weight").detach().clone() for linear in self.linear]
        caught.append((weights, identity.tolist()))
        return original(self, outputs, identity, *rest)

    monkeypatch.setattr(Classifiers, "loss", spy)
    network = Small()
    settings = {"smoothing": smoothing, "margin": margin, "triplet": weight}
    _, (epoch,) = trained(tiny, network, weights__learning_rate=0.05, **settings)
    expected = []
    for outputs, (weights, identity) in zip(network.gave, caught, strict=True):
        terms = [
            slow_id_loss(out.normalised @ w.T, identity, smoothing)
            + weight * slow_triplet(out.pooled, identity, margin)
            for out, w in zip(outputs, weights, strict=True)
        ]
        assert [w.shape for w in weights] == [(10, 8), (10, 16)]  # 10 training identities
        expected.append(sum(terms))
    assert epoch.loss == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_the_rate_of_every_epoch_is_the_schedules(tiny: Recipe) -> None:
    """Warm-up from 0.01: 0.01, 0.505, then 1, 1, and a tenth from epoch 4 (counted from 0)."""
    recipe = override(tiny, MULTISTEP)
    _, epochs = trained(recipe)
    rates = [epoch.learning_rate for epoch in epochs]
    assert rates == pytest.approx([0.05 * f for f in (0.01, 0.505, 1, 1, 0.1, 0.1)])
    weights: WeightOptimiser = recipe.retrain.weights
    assert rates == pytest.approx([0.05 * weights.factor(epoch, 6) for epoch in range(6)])
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]


def test_one_cycle_of_the_rate_rises_and_ends_near_0(tiny: Recipe) -> None:
    _, epochs = trained(tiny, epochs=4, weights__learning_rate=0.05, weights__schedule="one_cycle")
    rates = [epoch.learning_rate for epoch in epochs]
    assert max(rates) > 0.8 * 0.05
    assert rates[-1] < 0.02 * 0.05


def first_batch(recipe: Recipe) -> Batch:
    return next(iter(Loaders(load_dataset(recipe.data.name).train, recipe)(CPU, 0)))


def aligned_loss(recipe: Recipe, batch: Batch) -> Tensor:
    return objective_of(Small(), 10, recipe).train().loss(batch)


ALIGNED = {"retrain.alignment.mode": "pos_neg", "data.identities": 4}


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({}, {}),
        ({"alignment.mode": "neg"}, {"mode": "neg"}),
        ({"alignment.orientation": "other"}, {"orientation": "other"}),
        ({"alignment.self_pairs": True}, {"self_pairs": True}),
        ({"alignment.ratio": 5.0}, {}),
    ],
)
def test_the_loss_is_that_without_alignment_and_the_ratio_of_the_alignment_asked_for(
    tiny: Recipe, fields: dict[str, Any], settings: dict[str, Any]
) -> None:
    recipe = override(tiny, ALIGNED | {f"retrain.{name}": x for name, x in fields.items()})
    batch = first_batch(recipe)
    plain = aligned_loss(override(recipe, {"retrain.alignment.mode": "none"}), batch)
    with seeded(recipe.seed):
        alignment = SpatialAlignment(8, **settings)
    with torch.no_grad():
        term = alignment(Small().train().describe(batch.images).last, batch.identities)
    expected = plain + fields.get("alignment.ratio", 2.0) * term
    torch.testing.assert_close(aligned_loss(recipe, batch), expected)


def test_every_setting_of_the_alignment_and_the_triplet_loss_changes_the_loss(tiny: Recipe) -> None:
    """So does the preset that stands for the authors' code."""
    recipe = override(tiny, ALIGNED)
    batch = first_batch(recipe)
    others: dict[str, Any] = {
        "alignment.mode": "pos",
        "alignment.orientation": "other",
        "alignment.self_pairs": True,
        "alignment.ratio": 3.0,
        "triplet_on": "normalised",
        "triplet": 2.0,
        "margin": 0.9,
        "smoothing": 0.4,
    }
    losses = [aligned_loss(override(recipe, {f"retrain.{n}": x}), batch) for n, x in others.items()]
    losses.append(aligned_loss(override(recipe, PRESETS["sam_authors_code"]), batch))
    losses.append(aligned_loss(recipe, batch))
    assert len({round(loss.item(), 5) for loss in losses}) == len(losses)


def test_training_moves_every_weight_and_lowers_the_loss(tiny: Recipe) -> None:
    begun = Small().state_dict()
    network, epochs = trained(tiny, epochs=40, weights__learning_rate=0.05)
    assert epochs[-1].loss < 0.9 * epochs[0].loss
    moving = {name for name, weight in network.named_parameters() if weight.requires_grad}
    still = {n for n, value in network.state_dict().items() if torch.equal(value, begun[n])}
    assert not moving & still
    assert not network.training


def test_the_same_seed_gives_the_same_weights_whatever_ran_before(tiny: Recipe) -> None:
    found = []
    for disturbance, seed in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(disturbance)
        recipe = override(tiny, {"seed": seed})
        drawn = given_genotype(override(recipe, {"strategy": "random"}))
        network, _ = trained(recipe, network_of(drawn, recipe))
        found.append(torch.cat([weight.flatten() for weight in network.parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_loss_that_is_no_longer_finite_names_the_rate(tiny: Recipe) -> None:
    with pytest.raises(ValueError, match=r"lower retrain\.weights\.learning_rate, which is 1e\+30"):
        trained(tiny, epochs=3, weights__learning_rate=1e30)


def test_fewer_identities_than_a_batch_are_counted_in_one_sentence(tiny: Recipe) -> None:
    with pytest.raises(ValueError, match=r"^[^\n.]* 11 identities [^\n.]* 10[^\n.]*\.$"):
        trained(override(tiny, {"data.identities": 11}))


def test_the_settings_of_the_space_reach_the_network(tiny: Recipe) -> None:
    attention = FIXED["uniform_cross_attention"]
    plain = network_of(attention, tiny)
    for changes, dimensions in (({}, 128 + 64), ({"space.local_branch": False}, 128)):
        network = network_of(attention, override(tiny, changes))
        images = torch.zeros(2, 3, tiny.data.height, tiny.data.width)
        assert network.eval()(images).shape[1] == network.dimensions == dimensions
        assert len(network.heads(images)) == (1 if changes else 2)
    shallow = network_of(attention, override(tiny, {"space.depths": (1, 1)}))
    count = [sum(p.numel() for p in network.parameters()) for network in (shallow, plain)]
    assert count[0] < count[1]
    for subtract in (True, False):
        network = network_of(attention, override(tiny, {"space.subtract": subtract}))
        attentions = [m for m in network.modules() if isinstance(m, CrossAttention)]
        assert [m.subtract for m in attentions] == [subtract] * 12
