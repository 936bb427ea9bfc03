"""One path is held in memory, a step moves two alphas of a slot, and the likeliest path is scored.

The gradient itself is in ``test_two_path.py``.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn

from evaluators.reid_evaluator import ReidEvaluator
from experiments.engine import run_one_shot
from strategies.differentiable import ArchOptimiser
from strategies.proxyless import GatedLayer, Proxyless, ProxylessModule

RESTLESS = ArchOptimiser(learning_rate=0.05, betas=(0.5, 0.999), weight_decay=0.1, milestones=())


class Deep(nn.Module):
    """A candidate as the MSI space has them, two tensors in and two out; some layers deep."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(8, 8) for _ in range(depth)))

    def forward(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.layers(pair[0]), self.layers(pair[1])


class DeepSpace(ModelSpace):  # type: ignore[misc]
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.slot = LayerChoice({name: Deep(depth) for name in "abc"}, label="slot")


def gated_layer(depth: int) -> GatedLayer:
    slot: GatedLayer = Proxyless().mutate_model(DeepSpace(depth)).slot
    return slot


def saved_numbers(run: Callable[[], Any]) -> int:
    """Numbers kept for the backward pass, parameters aside."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and tensor._base is None:
            kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(kept.values())


def test_only_the_output_of_the_inactive_candidate_is_kept() -> None:
    """Ten layers on two [5 8]: 10 x 80 numbers, and 80 of either candidate's output.

    A second path would have been another 800.
    """
    slot = gated_layer(10)
    pair = (torch.ones(5, 8, requires_grad=True), torch.ones(5, 8, requires_grad=True))
    slot.resample({"slot": "a"})
    one_path = saved_numbers(lambda: slot(pair))
    slot.compare("a", "b")
    two_paths = saved_numbers(lambda: slot(pair))
    assert one_path == 800
    assert two_paths <= one_path + 2 * 80 + 10  # the gates are few numbers


def test_no_gradient_reaches_the_weights_of_the_inactive_candidate() -> None:
    slot = gated_layer(1)
    slot.compare("b", "c")
    a, b = slot((torch.ones(5, 8), torch.ones(5, 8)))
    (a.sum() + b.square().sum()).backward()
    assert {name for name in "abc" if slot[name].layers[0].weight.grad is not None} == {"b"}
    gradient = slot._arch_alpha.grad
    assert gradient[0] == 0
    assert gradient[1] != 0
    assert gradient[1].item() == pytest.approx(-gradient[2].item())


def run(space: Any, planted: Any, **settings: Any) -> Any:
    searching = Proxyless(arch=RESTLESS, seed=1, calibration_batches=1)
    run_one_shot(space, ReidEvaluator(planted.data, epochs=2, accelerator="cpu"), searching)
    return searching


def test_an_iteration_moves_at_most_two_alphas_of_a_slot(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although momentum and weight decay pull at every alpha."""
    moved: list[int] = []
    original = ProxylessModule.training_step

    def spy(self: Any, batch: Any, batch_idx: int) -> Any:
        before = [slot._arch_alpha.detach().clone() for slot in self.model.slots]
        result = original(self, batch, batch_idx)
        for slot, alpha in zip(self.model.slots, before, strict=True):
            moved.append(int((slot._arch_alpha != alpha).sum()))
        return result

    monkeypatch.setattr(ProxylessModule, "training_step", spy)
    run(planted.pairs(), planted)
    assert moved
    assert set(moved) == {2}


class OneChoice(ModelSpace):  # type: ignore[misc]
    """Nothing to choose in one slot, two candidates in the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Linear(3 * 2 * 8, 4)
        self.one = LayerChoice({"only": nn.Linear(4, 4)}, label="one")
        self.two = LayerChoice({"x": nn.Identity(), "y": nn.Tanh()}, label="two")

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.two(self.one(self.weights(images.flatten(1))))
        return features


def test_a_slot_of_one_candidate_stays_on_it(planted: Any) -> None:
    searching = run(OneChoice(), planted)
    assert searching.genotype()["one"] == "only"
    assert searching.probabilities()["one"] == {"only": 1.0}
    assert sum(searching.probabilities()["two"].values()) == pytest.approx(1)


def test_the_genotype_is_the_likeliest_candidate_of_every_slot(planted: Any) -> None:
    searching = run(planted.pairs(), planted)
    for label, p in searching.probabilities().items():
        assert searching.genotype()[label] == max(p, key=lambda name: p[name])
    searching.settle()
    for slot in searching.supernet.slots:
        assert (slot._active, slot._inactive) == (searching.genotype()[slot.label], None)
