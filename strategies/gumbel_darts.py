r"""DARTS with Gumbel noise on alpha: SNAS (ICLR 2019), FBNet (CVPR 2019), NNI's GumbelDARTS.

Every slot outputs ``sum_o z_o o(x)`` with a draw of the concrete distribution,

.. math:: z = softmax((\alpha + g) / \tau), \qquad g_o = -\log(-\log u_o), \quad u_o \sim U(0, 1)

soft as in SNAS and NNI, not rounded to one candidate as in GDAS (CVPR 2019). The temperature falls
from epoch to epoch, so that the mixtures the weights are trained in become ever more like single
candidates. Either step of an iteration has its own draw. NNI draws from torch's global generator
and reports such draws as probabilities; here the noise of an epoch depends on seed and epoch alone,
and what is reported and scored is the softmax of alpha, without noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from nni.nas.evaluator.pytorch.lightning import LightningModule
from nni.nas.oneshot.pytorch.strategy import no_default_hook
from nni.nas.oneshot.pytorch.supermodule.differentiable import DifferentiableMixedLayer
from torch import Tensor, nn
from torch.nn import Parameter

from reid_data.datamodule import SplitKind
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares
from strategies.darts import DARTS_ARCH
from strategies.differentiable import ArchOptimiser, DifferentiableModule, DifferentiableSearch
from strategies.seams import GenotypeBySlot

# n candidates of a slot

_NOISE = 1
"""Random stream of the noise of an epoch."""


@dataclass(frozen=True)
class GumbelTemperature:
    """Linear in the epoch; the defaults are NNI's.

    Attributes:
        first: ``tau`` of the first epoch.
        last: ``tau`` of the last epoch (NNI's schedule stops one epoch short of it).
    """

    first: float = 1.0
    last: float = 0.33

    def __post_init__(self) -> None:
        if not self.first >= self.last > 0:
            raise ValueError(
                f"Gumbel temperatures from {self.first} to {self.last} were asked for: they must"
                " not rise, and stay above 0."
            )

    def at(self, epoch: int, epochs: int) -> float:
        """``tau`` of an epoch, counted from 0, of so many."""
        passed = epoch / max(1, epochs - 1)
        return self.first + (self.last - self.first) * passed


def gumbel(size: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Standard Gumbel noise, finite."""
    least = torch.finfo(torch.float64).tiny
    u = torch.rand(size, generator=generator, dtype=torch.float64).clamp_min(least)
    return -torch.log(-torch.log(u)).float()


class GumbelSoftmax(nn.Module):
    """The probabilities of one slot, noisy where noise was put in."""

    def __init__(self) -> None:
        super().__init__()
        self.noise: Tensor | None = None
        self.temperature = 1.0

    def forward(self, alpha: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """``softmax((alpha + g) / tau)``, or ``softmax(alpha)`` without noise."""
        if self.noise is None:
            return alpha.softmax(0)
        return ((alpha + self.noise) / self.temperature).softmax(0)


class GumbelModule(DifferentiableModule):
    """The step of DARTS, each of its two halves with fresh noise in every slot.

    Args:
        training_module: of the evaluator.
        alphas: of every slot, by label.
        arch: optimiser of the alphas.
        temperature: of the epochs.
        seed: of the noise; that of an epoch depends on it and the epoch's number alone.
    """

    def __init__(
        self,
        training_module: LightningModule,
        alphas: Mapping[str, Parameter],
        arch: ArchOptimiser,
        *,
        temperature: GumbelTemperature,
        seed: int,
    ) -> None:
        super().__init__(training_module, alphas, arch)
        self._temperature, self._seed = temperature, seed
        self._generator = generator_of(seed, _NOISE, 0)

    def on_train_epoch_start(self) -> None:
        """Sets the epoch's temperature and begins its own random numbers."""
        epoch = self.trainer.current_epoch
        self._generator = generator_of(self._seed, _NOISE, epoch)
        for slot in self._slots():
            slot._softmax.temperature = self._temperature.at(epoch, self.trainer.max_epochs)
        super().on_train_epoch_start()

    def resample(self) -> GenotypeBySlot:
        """Draws noise for every slot, in the order of their labels; NNI asks before each half."""
        noise: dict[str, Tensor] = {}
        for slot in self._slots():
            if slot.label not in noise:
                noise[slot.label] = gumbel(len(slot.names), self._generator)
            slot._softmax.noise = noise[slot.label].to(self.device)
        return {}

    def export_probs(self) -> dict[str, dict[str, float]]:
        """Softmax of alpha, whatever noise a step has left."""
        return {
            slot.label: dict(
                zip(slot.names, slot._arch_alpha.detach().softmax(0).tolist(), strict=True)
            )
            for slot in self._slots()
        }

    def settle(self) -> None:
        """Takes the noise out; the next step draws its own as if nothing had been."""
        for slot in self._slots():
            slot._softmax.noise = None

    def _slots(self) -> list[Any]:
        slots = [m for m in self.modules() if isinstance(m, DifferentiableMixedLayer)]
        return sorted(slots, key=lambda slot: str(slot.label))


class GumbelDARTS(DifferentiableSearch):
    """Differentiable search with Gumbel noise; its spaces consist of layer choices.

    Args:
        arch: optimiser of the alphas.
        temperature: of the noisy softmax.
        split: by default the same identities on both sides, their pictures divided.
        shares: of the twins, where ``split`` is "twin".
        seed: of the first alphas and of the noise.
    """

    def __init__(
        self,
        *,
        arch: ArchOptimiser = DARTS_ARCH,
        temperature: GumbelTemperature = GumbelTemperature(),
        split: SplitKind = "closed_set",
        shares: TwinShares = TwinShares(),
        seed: int = 0,
    ) -> None:
        super().__init__(arch=arch, split=split, shares=shares, longer=True, seed=seed)
        self.temperature = temperature

    def configure_softmax(self) -> nn.Module:
        """A softmax of its own for every slot."""
        return GumbelSoftmax()

    def default_mutation_hooks(self) -> list[Any]:
        """Layer choices become mixtures; NNI refuses any other kind of choice."""
        return [DifferentiableMixedLayer.mutate, no_default_hook]

    def configure_oneshot_module(self, training_module: LightningModule) -> GumbelModule:
        """The step of DARTS with noise."""
        return GumbelModule(
            training_module,
            self._arch_parameters,
            self.arch,
            temperature=self.temperature,
            seed=self.seed,
        )

    def settle(self) -> None:
        """The mixture is scored without noise."""
        self.oneshot_module.settle()
