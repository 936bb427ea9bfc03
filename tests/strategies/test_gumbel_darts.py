"""Noise is a function of seed and epoch and cools down; what is reported and scored is without."""

from math import log
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.reid_evaluator import ReidEvaluator
from experiments.engine import run_one_shot
from reid_data.randomness import generator_of
from strategies.differentiable import ArchOptimiser
from strategies.gumbel_darts import (
    GumbelDARTS,
    GumbelModule,
    GumbelSoftmax,
    GumbelTemperature,
    gumbel,
)


def test_the_noisy_softmax_by_hand() -> None:
    """Alpha + g = (ln 3, ln 2): odds 3 to 2 at tau = 1, and 9 to 4 at tau = 1/2."""
    softmax, alpha = GumbelSoftmax(), torch.tensor([0.0, log(2)])
    torch.testing.assert_close(softmax(alpha), torch.tensor([1 / 3, 2 / 3]))
    softmax.noise = torch.tensor([log(3), 0.0])
    torch.testing.assert_close(softmax(alpha), torch.tensor([3 / 5, 2 / 5]))
    softmax.temperature = 0.5
    torch.testing.assert_close(softmax(alpha), torch.tensor([9 / 13, 4 / 13]))


def test_the_largest_of_alpha_plus_noise_is_drawn_by_the_softmax_of_alpha() -> None:
    """The Gumbel-max law: odds 1 to 3."""
    noise = gumbel(2 * 20000, torch.Generator().manual_seed(0)).view(-1, 2)
    first = (torch.tensor([0.0, log(3)]) + noise).argmax(1) == 0
    assert first.float().mean().item() == pytest.approx(1 / 4, abs=0.01)
    assert noise.median().item() == pytest.approx(-log(log(2)), abs=0.02)


def test_the_temperature_falls_from_the_first_epoch_to_the_last() -> None:
    """1, 0.8, 0.6, 0.4 over four epochs."""
    temperature = GumbelTemperature(first=1.0, last=0.4)
    assert [temperature.at(e, 4) for e in range(4)] == pytest.approx([1.0, 0.8, 0.6, 0.4])
    assert temperature.at(0, 1) == 1.0


@given(first=st.floats(-2, 2), last=st.floats(-2, 2))
def test_temperatures_that_rise_or_vanish_are_refused(first: float, last: float) -> None:
    if first >= last > 0:
        GumbelTemperature(first, last)
    else:
        with pytest.raises(ValueError, match="must not rise, and stay above 0"):
            GumbelTemperature(first, last)


def run(planted: Any, **settings: Any) -> Any:
    searching = GumbelDARTS(arch=ArchOptimiser(learning_rate=0.05, milestones=()), seed=5)
    evaluator = ReidEvaluator(planted.data, epochs=2, accelerator="cpu", **settings)
    run_one_shot(planted.pairs(), evaluator, searching)
    return searching


def test_noise_of_a_step_is_drawn_by_seed_epoch_and_label(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two draws per iteration, 'a_second' before 'z_first', begun anew in every epoch."""
    met: dict[int, list[torch.Tensor]] = {0: [], 1: []}
    temperatures: dict[int, float] = {}
    original = GumbelModule.resample

    def spy(self: Any) -> Any:
        result = original(self)
        first, second = self.model.slots
        epoch = self.trainer.current_epoch
        met[epoch] += [second._softmax.noise, first._softmax.noise]
        temperatures[epoch] = first._softmax.temperature
        return result

    monkeypatch.setattr(GumbelModule, "resample", spy)
    torch.manual_seed(1)
    searching = run(planted, on_epoch=lambda report: None)
    assert temperatures == pytest.approx({0: 1.0, 1: 0.33})
    for epoch, noises in met.items():
        generator = generator_of(5, 1, epoch)
        assert len(noises) == 4 * len(searching.oneshot_module.loader)
        for noise in noises:
            assert torch.equal(noise, gumbel(3, generator))


def test_probabilities_are_the_softmax_of_alpha_whatever_noise_there_is(planted: Any) -> None:
    searching = run(planted)
    searching.oneshot_module.resample()
    found = searching.probabilities()
    assert list(found) == ["a_second", "z_first"]
    for slot in searching.supernet.slots:
        expected = slot._arch_alpha.detach().softmax(0).tolist()
        assert list(found[slot.label].values()) == pytest.approx(expected)
        assert not torch.equal(slot._softmax(slot._arch_alpha), torch.tensor(expected))


def test_the_supernet_is_scored_without_noise(planted: Any) -> None:
    """Slot outputs are sums weighed by the softmax of alpha: keep, swap, and mix of (1, 2)."""
    searching = run(planted)
    searching.oneshot_module.resample()
    searching.settle()
    slot = searching.supernet.slots[0]
    p = slot._arch_alpha.detach().softmax(0)
    w = slot["mix"].weight.detach()
    a, _ = slot((torch.tensor(1.0), torch.tensor(2.0)))
    torch.testing.assert_close(a.detach(), p[0] * 1 + p[1] * 2 + p[2] * (1 + w * 2))
