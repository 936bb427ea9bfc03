"""A path is taken whole, scored as itself, and what an epoch draws depends on seed and epoch."""

from typing import Any

import pytest
import torch
from torch import nn

from evaluators.reid_evaluator import ReidEvaluator
from experiments.engine import run_one_shot
from strategies.enas import ENAS, ControllerSettings
from strategies.random_one_shot import RandomOneShot, RandomOneShotModule, RandomOneShotSettings
from strategies.single_path import SinglePathModule, fresh_statistics, take


def test_fresh_statistics_are_plain_means_of_what_passes_meanwhile() -> None:
    """Two batches of means 1 and 4: 2.5, whatever was there before."""
    norm = nn.BatchNorm1d(1, momentum=0.3)
    norm(torch.tensor([[100.0], [300.0]]))
    with fresh_statistics(nn.Sequential(norm)):
        norm(torch.tensor([[0.0], [2.0]]))
        norm(torch.tensor([[3.0], [5.0]]))
    assert norm.running_mean is not None
    assert norm.running_mean.item() == pytest.approx(2.5)
    assert norm.momentum == 0.3


def test_norms_follow_as_before_even_after_an_error() -> None:
    norm = nn.BatchNorm1d(1, momentum=0.3)
    with pytest.raises(RuntimeError, match="broke off"), fresh_statistics(norm):
        raise RuntimeError("broke off")
    assert norm.momentum == 0.3


def test_norms_without_running_statistics_are_left_alone() -> None:
    norm = nn.BatchNorm1d(1, momentum=0.3, track_running_stats=False)
    with fresh_statistics(norm):
        assert norm.momentum == 0.3


def test_a_path_is_taken_in_every_slot(planted: Any) -> None:
    supernet = RandomOneShot().mutate_model(planted.pairs())
    take(supernet, {"z_first": "mix", "a_second": "swap"})
    assert [slot._sampled for slot in supernet.slots] == ["mix", "swap"]


@pytest.mark.parametrize("name", ["enas", "random_one_shot"])
def test_the_paths_of_an_epoch_depend_on_seed_and_epoch_alone(
    planted: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each epoch's generator begins where the seed and the epoch say, however much was drawn."""
    begun: list[tuple[int, torch.Tensor]] = []
    original = SinglePathModule.on_train_epoch_start

    def spy(self: Any) -> None:
        original(self)
        begun.append((self.trainer.current_epoch, self.generator.get_state()))

    monkeypatch.setattr(SinglePathModule, "on_train_epoch_start", spy)
    for steps in (1, 3):
        few = ControllerSettings(steps_per_epoch=steps, calibration_batches=0)
        searching: Any = (
            ENAS(controller=few, seed=4)
            if name == "enas"
            else RandomOneShot(settings=RandomOneShotSettings(steps, 0), seed=4)
        )
        evaluator = ReidEvaluator(planted.data, epochs=2, accelerator="cpu")
        run_one_shot(planted.pairs(), evaluator, searching)
    assert [epoch for epoch, _ in begun] == [0, 1, 0, 1]
    states = [state for _, state in begun]
    assert torch.equal(states[0], states[2])
    assert torch.equal(states[1], states[3])
    assert not torch.equal(states[0], states[1])


def test_weights_off_the_path_are_left_as_they_were(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of a candidate move in exactly the iterations whose path holds it."""
    seen: list[tuple[str, bool]] = []
    original = RandomOneShotModule.training_step

    def spy(self: Any, batch: Any, batch_idx: int) -> Any:
        weight = self.model.slots[0]["mix"].weight
        before = weight.detach().clone()
        result = original(self, batch, batch_idx)
        seen.append((self.model.slots[0]._sampled, not torch.equal(weight, before)))
        return result

    monkeypatch.setattr(RandomOneShotModule, "training_step", spy)
    searching = RandomOneShot(settings=RandomOneShotSettings(1, 0))
    evaluator = ReidEvaluator(planted.data, epochs=3, accelerator="cpu")
    run_one_shot(planted.pairs(), evaluator, searching)
    assert set(seen) == {("keep", False), ("swap", False), ("mix", True)}
