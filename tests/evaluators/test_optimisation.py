"""Learning rates follow the paper's schedule, and each schedule what its docstring says."""

import pytest
from torch import nn, zeros
from torch.optim import SGD, AdamW

from evaluators.optimisation import WeightOptimiser


def rates(settings: WeightOptimiser, epochs: int, steps: int) -> list[float]:
    """The rate at every batch of a run."""
    descent = settings.build([nn.Parameter(zeros(1))], epochs=epochs, steps_per_epoch=steps)
    found = []
    for _ in range(epochs):
        for _ in range(steps):
            found.append(descent.optimizer.param_groups[0]["lr"])
            descent.optimizer.step()
            if descent.interval == "step":
                descent.scheduler.step()
        if descent.interval == "epoch":
            descent.scheduler.step()
    return found


def test_the_papers_schedule() -> None:
    """0.025: a hundredth at first, 0.505 of it in epoch 5, all from 10, a tenth at each milestone.

    0.01 + 0.99 * 5 / 10 = 0.505.
    """
    found = rates(WeightOptimiser(), 350, 1)
    asked = {0: 0.00025, 5: 0.012625, 10: 0.025, 149: 0.025, 150: 0.0025, 225: 2.5e-4, 300: 2.5e-5}
    assert [found[epoch] for epoch in asked] == pytest.approx(list(asked.values()))


def test_the_rate_changes_between_epochs_only() -> None:
    found = rates(WeightOptimiser(warmup_epochs=2, milestones=(3,)), 4, 3)
    assert [len(set(found[start : start + 3])) for start in (0, 3, 6, 9)] == [1] * 4


def test_a_cosine_falls_to_half_in_the_middle() -> None:
    found = rates(WeightOptimiser(learning_rate=1.0, schedule="cosine", warmup_epochs=2), 12, 1)
    assert found[2] == pytest.approx(1)
    assert found[7] == pytest.approx(0.5)
    assert found[11] == pytest.approx(0.02447174)  # (1 + cos(0.9 pi)) / 2


def test_one_cycle_rises_for_three_tenths_and_falls_over_all_batches() -> None:
    found = rates(WeightOptimiser("adamw", 1.0, schedule="one_cycle"), 10, 10)
    assert found[0] == pytest.approx(1 / 25)
    assert found.index(max(found)) == 29
    assert found[-1] == pytest.approx(0, abs=1e-5)


def test_the_optimiser_has_the_numbers_it_was_given_and_no_frozen_parameters() -> None:
    moving, frozen = nn.Parameter(zeros(1)), nn.Parameter(zeros(1), requires_grad=False)
    sgd = WeightOptimiser().build([moving, frozen], epochs=1, steps_per_epoch=1).optimizer
    assert isinstance(sgd, SGD)
    group = sgd.param_groups[0]
    assert [id(p) for p in group["params"]] == [id(moving)]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 5e-4)
    adamw = WeightOptimiser("adamw").build([moving], epochs=1, steps_per_epoch=1).optimizer
    assert isinstance(adamw, AdamW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", "adam"), ("schedule", "step"), ("learning_rate", -1.0), ("warmup_epochs", -1)),
        *(("learning_rate", float("inf")), ("weight_decay", float("nan")), ("momentum", 7.0)),
        *(("momentum", -0.1), ("gamma", -1.0), ("warmup_start", -4.0), ("warmup_start", 1.5)),
    ],
)
def test_impossible_settings_are_refused(field: str, value: object) -> None:
    settings = WeightOptimiser()
    object.__setattr__(settings, field, value)
    with pytest.raises(ValueError, match=str(value)):
        settings.__post_init__()
