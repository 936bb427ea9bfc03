"""TCM's iteration is the paper's: weights, then the architecture of the updated model, then memory.

Everything is watched in a real run: NNI's supernet, Lightning's loop, pictures from files.
Source: MSINet (CVPR 2023), section 3.2.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from evaluators.optimisation import WeightOptimiser
from evaluators.reid_evaluator import ReidEvaluator
from experiments.engine import run_one_shot
from reid_data.batch import Twin
from strategies.bilevel import Iteration
from strategies.contrastive_memory import ContrastiveMemory, absorbed
from strategies.differentiable import ArchOptimiser
from strategies.tcm import TCM, MemorySettings

ITERATION = ["train loss", "weight step", "val loss", "arch step"]
EPOCHS, MOMENTUM = 2, 0.3


@dataclass(frozen=True)
class Pass:
    """What a loss was computed from."""

    weight: Tensor
    alpha: Tensor
    centroid: Tensor
    feature: Tensor
    identity: Tensor


@dataclass
class Watched:
    """A search, what happened in it, and in which order."""

    searching: Any
    events: list[str] = field(default_factory=list)
    passes: dict[Twin, list[Pass]] = field(default_factory=lambda: {twin: [] for twin in Twin})

    @property
    def iterations(self) -> int:
        return EPOCHS * len(self.searching.oneshot_module.loader)

    def twin(self, memory: ContrastiveMemory) -> Twin:
        memories = self.searching.oneshot_module.memories
        (found,) = (twin for twin in Twin if memories.of(twin) is memory)
        return found

    def lost(self, memory: ContrastiveMemory, feature: Tensor, identity: Tensor) -> None:
        twin, supernet = self.twin(memory), self.searching.supernet
        self.events.append(f"{twin} loss")
        self.passes[twin].append(
            Pass(
                weight=supernet.weights.weight.detach().clone(),
                alpha=supernet.slots[0]._arch_alpha.detach().clone(),
                centroid=memory.centroid.clone(),
                feature=feature.detach().clone(),
                identity=identity,
            )
        )

    def stepped(self, optimizer: Optimizer, *_: Any) -> None:
        self.events.append("weight step" if isinstance(optimizer, SGD) else "arch step")


def watch(planted: Any, monkeypatch: pytest.MonkeyPatch, iteration: Iteration) -> Watched:
    watched = Watched(
        TCM(
            arch=ArchOptimiser(learning_rate=0.01, milestones=()),
            memory=MemorySettings(momentum=MOMENTUM),
            iteration=iteration,
        )
    )
    loss, absorb = ContrastiveMemory.loss, ContrastiveMemory.absorb

    def watched_loss(self: ContrastiveMemory, feature: Tensor, identity: Tensor) -> Tensor:
        watched.lost(self, feature, identity)
        return loss(self, feature, identity)

    def watched_absorb(self: ContrastiveMemory, feature: Tensor, identity: Tensor) -> None:
        watched.events.append(f"{watched.twin(self)} absorbs")
        absorb(self, feature, identity)

    monkeypatch.setattr(ContrastiveMemory, "loss", watched_loss)
    monkeypatch.setattr(ContrastiveMemory, "absorb", watched_absorb)
    handle = register_optimizer_step_post_hook(watched.stepped)
    optimiser = WeightOptimiser(learning_rate=0.1, warmup_epochs=0, milestones=())
    try:
        evaluator = ReidEvaluator(
            planted.data, epochs=EPOCHS, optimiser=optimiser, accelerator="cpu"
        )
        run_one_shot(planted.space(), evaluator, watched.searching)
    finally:
        handle.remove()
    return watched


@pytest.fixture
def watched(planted: Any, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return watch(planted, monkeypatch, Iteration())


def test_an_iteration_is_train_loss_weight_step_val_loss_arch_step(watched: Watched) -> None:
    moves = [event for event in watched.events if not event.endswith("absorbs")]
    assert watched.iterations > EPOCHS
    assert moves == ITERATION * watched.iterations


def test_the_val_loss_is_that_of_the_updated_weights_and_the_old_architecture(
    watched: Watched,
) -> None:
    for train, val in zip(*watched.passes.values(), strict=True):
        assert not torch.equal(train.weight, val.weight)
        assert torch.equal(train.alpha, val.alpha)


def test_the_next_train_loss_is_that_of_the_updated_architecture(watched: Watched) -> None:
    train, val = watched.passes[Twin.TRAIN], watched.passes[Twin.VAL]
    for before, after in zip(val[:-1], train[1:], strict=True):
        assert torch.equal(before.weight, after.weight)
        assert not torch.equal(before.alpha, after.alpha)


@pytest.mark.parametrize("twin", list(Twin))
def test_each_memory_absorbs_once_per_iteration_and_only_its_own_pass(
    watched: Watched, twin: Twin
) -> None:
    assert watched.events.count(f"{twin} absorbs") == watched.iterations
    sides, memories = watched.searching.sides, watched.searching.oneshot_module.memories
    row_of = {label: row for row, label in enumerate(getattr(sides, twin).labels)}
    passes = watched.passes[twin]
    after = [*(p.centroid for p in passes[1:]), memories.of(twin).centroid]
    for seen, centroid in zip(passes, after, strict=True):
        row = torch.tensor([row_of[label] for label in seen.identity.tolist()])
        expected = absorbed(seen.centroid, seen.feature, row, momentum=MOMENTUM)
        assert not torch.equal(expected, seen.centroid)
        torch.testing.assert_close(centroid, expected, rtol=0, atol=0)


def test_the_authors_code_moves_the_architecture_first_and_lets_it_rest_at_an_epochs_start(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch(planted, monkeypatch, Iteration("architecture", leak=True, skip_first=True))
    moves = [event for event in watched.events if not event.endswith("absorbs")]
    weights, architecture = ITERATION[:2], ITERATION[2:]
    per_epoch, rest = divmod(len(moves) + EPOCHS * len(architecture), EPOCHS * len(ITERATION))
    assert rest == 0
    assert moves == (weights + (architecture + weights) * (per_epoch - 1)) * EPOCHS
    assert watched.events.count("val absorbs") == EPOCHS * (per_epoch - 1)
    assert watched.events.count("train absorbs") == EPOCHS * per_epoch
