"""ProxylessNAS (ICLR 2019, section 3.2) by gradient, on slots of tensors or tuples of tensors.

One iteration: a path drawn by the softmax of alpha trains its weights on a train batch; then two
candidates per slot are drawn, one of them runs, and the val batch's loss shifts probability between
the two. Activations of one path only are ever held for the backward pass. (NNI's own Proxyless
cannot take tuples, runs every candidate again in the backward pass, and exports a random draw.)
An epoch goes on until the longer side ends, as with DARTS.
"""

from collections.abc import Mapping
from typing import Any

import torch
from nni.nas.evaluator.pytorch.lightning import LightningModule
from nni.nas.oneshot.pytorch.strategy import no_default_hook
from nni.nas.oneshot.pytorch.supermodule.differentiable import DifferentiableMixedLayer
from torch import Tensor
from torch.nn import Parameter

from reid_data.datamodule import SplitKind
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares
from strategies.bilevel import Half, bilevel_step
from strategies.differentiable import ArchOptimiser, DifferentiableModule, DifferentiableSearch
from strategies.seams import TwoSides
from strategies.single_path import settle_on, take
from strategies.two_path import balanced, drawn_pair, drawn_path, gated, gates

_PATHS = 1
"""Random stream of the paths of an epoch."""

PROXYLESS_ARCH = ArchOptimiser(
    learning_rate=1e-3, betas=(0.0, 0.999), weight_decay=0.0, milestones=()
)
"""Adam of the paper's code: a constant rate, and no momentum of pairs drawn earlier."""


class GatedLayer(DifferentiableMixedLayer):  # type: ignore[misc]
    """A slot with one open gate, and at times a second candidate it is compared with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._active: str = self.names[0]
        self._inactive: str | None = None

    def resample(self, memo: dict[str, str]) -> dict[str, str]:
        """Opens the gate of the candidate that is asked for; nothing is compared with it."""
        self._active, self._inactive = memo.get(self.label, self._active), None
        return {self.label: self._active}

    def compare(self, active: str, inactive: str) -> None:
        """Opens the gate of the first, and lets alpha's gradient weigh it against the second."""
        self._active, self._inactive = active, inactive

    def forward(self, *args: Any) -> Any:
        """Output of the candidate whose gate is open."""
        shown = self[self._active](*args)
        if self._inactive is None:
            return shown
        with torch.no_grad():
            hidden = self[self._inactive](*args)
        pair = self.names.index(self._active), self.names.index(self._inactive)
        return gated(gates(self._arch_alpha, pair), shown, hidden)


class ProxylessModule(DifferentiableModule):
    """The step of ProxylessNAS around an evaluator's module.

    Args:
        training_module: of the evaluator.
        alphas: of every slot, by label.
        arch: optimiser of the alphas.
        seed: of the paths; those of an epoch depend on it and the epoch's number alone.
        calibration_batches: for the statistics of the likeliest path.
    """

    def __init__(
        self,
        training_module: LightningModule,
        alphas: Mapping[str, Parameter],
        arch: ArchOptimiser,
        *,
        seed: int,
        calibration_batches: int,
    ) -> None:
        super().__init__(training_module, alphas, arch)
        self._seed, self._calibration_batches = seed, calibration_batches
        self._generator = generator_of(seed, _PATHS, 0)

    def on_fit_start(self) -> None:
        """Puts the supernet on the likeliest path of the alphas, restored ones perhaps."""
        take(self.model, self.export())
        super().on_fit_start()

    def on_train_epoch_start(self) -> None:
        """Begins the epoch's own random numbers."""
        self._generator = generator_of(self._seed, _PATHS, self.trainer.current_epoch)
        super().on_train_epoch_start()

    def training_step(self, batch: TwoSides, batch_idx: int) -> dict[str, Tensor]:
        """Weights of one path by the train side, then the alphas of two by the val side."""
        weight_optimizer, arch_optimizer = self.optimizers()
        slots = self._slots()
        before = {label: slot[0]._arch_alpha.detach().clone() for label, slot in slots.items()}
        pairs: dict[str, tuple[int, int]] = {}

        def train_loss() -> Tensor:
            take(self.model, self._drawn_path())
            loss: Tensor = self.training_module.training_step(batch["train"], batch_idx)
            return loss

        def val_loss() -> Tensor:
            pairs.update(self._drawn_pairs())
            self._compare(pairs)
            loss: Tensor = self.training_module.training_step(batch["val"], batch_idx)
            return loss

        loss, _ = bilevel_step(
            Half(train_loss, weight_optimizer),
            Half(val_loss, arch_optimizer),
            backward=self.manual_backward,
        )
        for label, pair in pairs.items():
            alpha = slots[label][0]._arch_alpha
            alpha.data.copy_(balanced(before[label], alpha.detach(), pair))
        self.advance_lr_schedulers(batch_idx)
        return {"loss": loss}

    def settle(self) -> None:
        """Puts the supernet on the likeliest path, with running statistics of that path."""
        settle_on(self, self.export(), batches=self._calibration_batches)

    def _slots(self) -> dict[str, list[GatedLayer]]:
        """By label; slots of one label share their alpha, and with it what is drawn."""
        layers = [module for module in self.modules() if isinstance(module, GatedLayer)]
        labels = sorted({layer.label for layer in layers})
        return {label: [layer for layer in layers if layer.label == label] for label in labels}

    def _drawn_path(self) -> dict[str, str]:
        return {
            label: slot[0].names[drawn_path(slot[0]._arch_alpha, self._generator)]
            for label, slot in self._slots().items()
        }

    def _drawn_pairs(self) -> dict[str, tuple[int, int]]:
        """A slot of one candidate has no pair, and stays on it."""
        return {
            label: drawn_pair(slot[0]._arch_alpha, self._generator)
            for label, slot in self._slots().items()
            if len(slot[0].names) > 1
        }

    def _compare(self, pairs: Mapping[str, tuple[int, int]]) -> None:
        slots = self._slots()
        for label, (active, inactive) in pairs.items():
            for layer in slots[label]:
                layer.compare(layer.names[active], layer.names[inactive])


class Proxyless(DifferentiableSearch):
    """Search by gradient with one path in memory; its spaces consist of layer choices.

    Args:
        arch: optimiser of the alphas.
        split: by default the same identities on both sides, their pictures divided.
        shares: of the twins, where ``split`` is "twin".
        seed: of the first alphas and of the paths.
        calibration_batches: train batches from which running statistics of the likeliest path are
            taken before it is scored; 0 scores it with those of all paths mixed.
    """

    def __init__(
        self,
        *,
        arch: ArchOptimiser = PROXYLESS_ARCH,
        split: SplitKind = "closed_set",
        shares: TwinShares = TwinShares(),
        seed: int = 0,
        calibration_batches: int = 8,
    ) -> None:
        super().__init__(arch=arch, split=split, shares=shares, longer=True, seed=seed)
        self.calibration_batches = calibration_batches

    def default_mutation_hooks(self) -> list[Any]:
        """Layer choices become slots with gates; NNI refuses any other kind of choice."""
        return [GatedLayer.mutate, no_default_hook]

    def configure_oneshot_module(self, training_module: LightningModule) -> ProxylessModule:
        """The step of ProxylessNAS."""
        return ProxylessModule(
            training_module,
            self._arch_parameters,
            self.arch,
            seed=self.seed,
            calibration_batches=self.calibration_batches,
        )

    def settle(self) -> None:
        """Puts the supernet on the likeliest path."""
        self.oneshot_module.settle()
