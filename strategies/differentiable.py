"""What TCM and DARTS share: NNI's relaxed supernet, bound to the two sides of a search.

Every slot outputs ``sum_o softmax(alpha)_o o(x)`` (DARTS, ICLR 2019, equation 2); the mixed
operations are NNI's. NNI draws alpha from torch's global generator and orders it by memory
address; here it is drawn from a seed and sorted by slot label, so that neither depends on what
ran before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from nni.nas.evaluator.pytorch.lightning import LightningModule
from nni.nas.oneshot.pytorch.differentiable import DartsLightningModule
from nni.nas.strategy import DARTS as NniDarts
from torch.nn import Parameter
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from reid_data.datamodule import Sides, SplitKind
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares
from strategies.seams import GenotypeBySlot, PairedLoader, Probabilities, searching, sides_of

ALPHA_SCALE = 1e-3
"""Standard deviation of the first alpha (DARTS' code, MSINet's code and NNI agree)."""


@dataclass(frozen=True)
class ArchOptimiser:
    """Adam of the architecture; the defaults are those of MSINet's search (CVPR 2023).

    Attributes:
        learning_rate: at the start; 0 leaves the architecture as it was drawn.
        betas: of Adam.
        weight_decay: coupled, it pulls alpha towards uniform probabilities.
        milestones: epochs at which the rate is multiplied by ``gamma``.
        gamma: see there.
        first_scale: standard deviation of the first alpha.
    """

    learning_rate: float = 0.002
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3
    milestones: tuple[int, ...] = (150, 225)
    gamma: float = 0.1
    first_scale: float = ALPHA_SCALE


class DifferentiableModule(DartsLightningModule):  # type: ignore[misc]
    """NNI's DARTS step, with alphas in a fixed order and an optimiser of our own for them.

    Args:
        training_module: of the evaluator.
        alphas: of every slot, by label.
        arch: optimiser of the alphas.
    """

    def __init__(
        self, training_module: LightningModule, alphas: Mapping[str, Parameter], arch: ArchOptimiser
    ) -> None:
        super().__init__(training_module)
        self._alphas = [alphas[label] for label in sorted(alphas)]
        self._arch = arch
        self.loader: PairedLoader | None = None

    def arch_parameters(self) -> list[Parameter]:
        """The alphas, sorted by slot label: a restored optimiser meets the same slots."""
        return self._alphas

    def configure_architecture_optimizers(self) -> Optimizer:
        """Adam of the alphas."""
        arch = self._arch
        return Adam(
            self.arch_parameters(),
            lr=arch.learning_rate,
            betas=arch.betas,
            weight_decay=arch.weight_decay,
        )

    def configure_optimizers(self) -> list[dict[str, Any]]:
        """The evaluator's optimiser without the alphas, then that of the alphas.

        Raises:
            TypeError: the evaluator's module does not configure exactly one optimiser.
        """
        weights = self.training_module.configure_optimizers()
        if isinstance(weights, Optimizer):
            weights = {"optimizer": weights}
        if not isinstance(weights, dict):
            raise TypeError(
                f"The evaluator's module configured a {type(weights).__name__}: a search needs one"
                " optimiser, alone or in Lightning's dict with its schedule."
            )
        arch = self.configure_architecture_optimizers()
        arch.is_arch_optimizer = True  # type: ignore[attr-defined]  # NNI tells them apart by it
        decay = MultiStepLR(arch, list(self._arch.milestones), self._arch.gamma)
        return [
            self.postprocess_weight_optimizers(weights),
            {"optimizer": arch, "lr_scheduler": {"scheduler": decay, "interval": "epoch"}},
        ]

    def on_train_epoch_start(self) -> None:
        """Lets both sides draw the batches of this epoch."""
        if self.loader is not None:
            self.loader.set_epoch(self.trainer.current_epoch)
        super().on_train_epoch_start()

    def log_probs(self, probs: Probabilities) -> None:
        """Nothing: the evaluator reports the architecture once per epoch."""


class DifferentiableSearch(NniDarts):  # type: ignore[misc]
    """A search by gradient on the two sides of the searched pictures.

    Args:
        arch: optimiser of the alphas.
        split: of the searched pictures.
        shares: of the twins; without effect on a closed set.
        longer: an epoch goes on until the longer side ends, not until the train side does.
        seed: of the first alphas.
    """

    def __init__(
        self,
        *,
        arch: ArchOptimiser,
        split: SplitKind,
        shares: TwinShares,
        longer: bool,
        seed: int,
    ) -> None:
        super().__init__()
        self.arch, self.split, self.shares = arch, split, shares
        self.longer, self.seed = longer, seed
        self.sides: Sides | None = None

    def mutate_model(self, model: Any) -> Any:
        """NNI's supernet, its alphas drawn in the order of their labels."""
        with torch.random.fork_rng(devices=[]):
            mutated = super().mutate_model(model)
        generator = generator_of(self.seed)
        for label in sorted(self._arch_parameters):
            alpha = self._arch_parameters[label]
            alpha.data = self.arch.first_scale * torch.randn(len(alpha), generator=generator)
        return mutated

    def mutate_evaluator(self, evaluator: Any) -> Any:
        """Divides the evaluator's pictures and wraps the search around its module."""
        self.sides = sides_of(evaluator, self.split, self.shares, self)
        module = self.configure_oneshot_module(evaluator.module)
        train, val = self.sides.train.loader, self.sides.val.loader
        module.loader = PairedLoader(train, val, longer=self.longer)
        return searching(evaluator, module, module.loader)

    def configure_oneshot_module(self, training_module: LightningModule) -> DifferentiableModule:
        """The step of this search."""
        return DifferentiableModule(training_module, self._arch_parameters, self.arch)

    def probabilities(self) -> Probabilities:
        """Softmax of alpha, by slot label and candidate."""
        found: Probabilities = self.oneshot_module.export_probs()
        return dict(sorted(found.items()))

    def genotype(self) -> GenotypeBySlot:
        """The candidate with the largest alpha in every slot, ``none`` included."""
        found: GenotypeBySlot = self.oneshot_module.export()
        return dict(sorted(found.items()))

    def settle(self) -> None:
        """Nothing: the mixture is scored as it is."""
