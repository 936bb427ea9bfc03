"""TCM, the twins contrastive mechanism (MSINet, CVPR 2023, section 3.2), as an NNI strategy.

Two twins that share a part of their identities have a memory each. One iteration of the paper: the
train twin's contrastive loss moves the weights and its memory absorbs the features; the val twin's
loss of the updated model moves the architecture and its memory absorbs the features. An epoch is
one pass over the train twin, the val twin cycling beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from nni.nas.evaluator.pytorch.lightning import LightningModule
from torch import Tensor, nn

from reid_data.batch import Batch, Twin
from reid_data.datamodule import Sides, SplitKind
from reid_data.loader import TwinLoader
from reid_data.twin_split import TwinShares
from strategies.bilevel import Half, Iteration, bilevel_step, descend
from strategies.contrastive_memory import TwinMemories
from strategies.differentiable import ArchOptimiser, DifferentiableModule, DifferentiableSearch
from strategies.seams import SearchedModule, TwoSides, own_loss


@dataclass(frozen=True)
class MemorySettings:
    """Of both memories; the defaults are the paper's.

    Attributes:
        temperature: ``tau``, of the loss.
        momentum: ``beta``, the share of the old centroid in an update.
        initialisation: "centroids" of the untrained network, or "zeros" as in the authors' code,
            where the first loss is the logarithm of the number of identities and has no gradient.
    """

    temperature: float = 0.05
    momentum: float = 0.2
    initialisation: Literal["centroids", "zeros"] = "centroids"

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0 <= self.momentum <= 1:
            raise ValueError(
                f"The memories' temperature is {self.temperature} and their momentum"
                f" {self.momentum}: above 0, and in [0, 1], are needed."
            )
        if self.initialisation not in ("centroids", "zeros"):
            raise ValueError(
                f"The memories' initialisation is {self.initialisation!r}: use centroids or zeros."
            )


class SideLoss:
    """The loss of one side's batch; the features it was computed from can be absorbed later.

    Args:
        module: of the evaluator.
        memories: None takes the evaluator's own loss, and there is nothing to absorb.
        batch: of one twin.
    """

    def __init__(self, module: SearchedModule, memories: TwinMemories | None, batch: Batch) -> None:
        self._module, self._memories, self._batch = module, memories, batch
        self._feature: Tensor | None = None

    def __call__(self) -> Float[Tensor, ""]:
        """One forward pass; changes no memory."""
        if self._memories is None:
            return own_loss(self._module)(self._batch)
        feature = self._module.embed(self._batch.images)
        self._feature = feature.detach()
        return self._memories.loss(feature, self._batch.identities, self._batch.twin)

    def absorb(self) -> None:
        """Moves the memory of the batch's twin towards the features of the last pass."""
        if self._memories is not None and self._feature is not None:
            self._memories.absorb(self._feature, self._batch.identities, self._batch.twin)


class TcmModule(DifferentiableModule):
    """The step of TCM around an evaluator's module.

    The memories are part of this module's state, and so is alpha, through the supernet.

    Args:
        training_module: of the evaluator.
        alphas: of every slot, by label.
        arch: optimiser of the alphas.
        sides: of the search.
        memory: settings of the memories; None takes the evaluator's own loss in their place.
        iteration: what moves when.
    """

    def __init__(
        self,
        training_module: LightningModule,
        alphas: dict[str, nn.Parameter],
        arch: ArchOptimiser,
        *,
        sides: Sides,
        memory: MemorySettings | None,
        iteration: Iteration,
    ) -> None:
        super().__init__(training_module, alphas, arch)
        self._side_of = {Twin.TRAIN: sides.train, Twin.VAL: sides.val}
        self._memory, self._iteration = memory, iteration
        self.memories: TwinMemories | None = None

    def set_model(self, model: nn.Module) -> None:
        """Takes the supernet, and makes memories of the length of its features."""
        super().set_model(model)
        if self._memory is None or self.memories is not None:
            return
        some = next(self._side_of[Twin.TRAIN].loader.still(size=2)).images.cpu()
        self.memories = TwinMemories(
            {twin: side.labels for twin, side in self._side_of.items()},
            _still_features(self.training_module, some).shape[1],
            temperature=self._memory.temperature,
            momentum=self._memory.momentum,
        )

    def on_train_start(self) -> None:
        """Fills the memories with the untrained network's centroids, if they are to be.

        Raises:
            ValueError: the architecture would rest for ever.
        """
        super().on_train_start()
        if self._iteration.skip_first and self.trainer.num_training_batches < 2:
            raise ValueError(
                "An epoch has one iteration, and iteration.skip_first lets the architecture rest in"
                " it: set it to false, or make batches smaller."
            )
        begins = self.trainer.global_step == 0
        if self.memories is None or self._memory is None or not begins:
            return
        if self._memory.initialisation == "centroids":
            for twin, side in self._side_of.items():
                self.memories.of(twin).initialise(self._features_of(side.loader))

    def training_step(self, batch: TwoSides, batch_idx: int) -> dict[str, Tensor]:
        """Weights by the train twin's loss, then the architecture by the val twin's.

        Each memory absorbs the features of its own pass. No loss of an iteration reads a memory
        after its update, so that both updates may wait for the end. Where the architecture rests,
        the val twin's batch is not looked at.
        """
        weight_optimizer, arch_optimizer = self.optimizers()
        train = SideLoss(self.training_module, self.memories, batch["train"])
        val = SideLoss(self.training_module, self.memories, batch["val"])
        weights, backward = Half(train, weight_optimizer), self.manual_backward
        losses: dict[str, Tensor] = {}
        if self._iteration.skip_first and batch_idx == 0:
            losses["loss"] = descend(weights, backward=backward)
        else:
            losses["loss"], losses["val_loss"] = bilevel_step(
                weights,
                Half(val, arch_optimizer),
                iteration=self._iteration,
                backward=backward,
            )
        train.absorb()
        val.absorb()
        self.advance_lr_schedulers(batch_idx)
        return losses

    def _features_of(self, loader: TwinLoader) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in loader.still():
            images = batch.images.to(self.device)
            yield _still_features(self.training_module, images), batch.identities.to(self.device)


class TCM(DifferentiableSearch):
    """The twins contrastive mechanism.

    Args:
        arch: optimiser of the alphas.
        memory: settings of both memories.
        iteration: what moves when.
        criterion: "contrastive" for the memories, "evaluator" for the evaluator's own loss on both
            sides, which tells the effect of the memories from that of the split.
        split: "twin" by identities, "closed_set" with the same identities on both sides.
        shares: of the twins, where ``split`` is "twin".
        seed: of the first alphas.

    Raises:
        ValueError: the criterion is unknown.
    """

    def __init__(
        self,
        *,
        arch: ArchOptimiser = ArchOptimiser(),
        memory: MemorySettings = MemorySettings(),
        iteration: Iteration = Iteration(),
        criterion: str = "contrastive",
        split: SplitKind = "twin",
        shares: TwinShares = TwinShares(),
        seed: int = 0,
    ) -> None:
        if criterion not in ("contrastive", "evaluator"):
            raise ValueError(f"TCM's criterion is {criterion!r}: use contrastive or evaluator.")
        super().__init__(arch=arch, split=split, shares=shares, longer=False, seed=seed)
        self.memory, self.iteration, self.criterion = memory, iteration, criterion

    def configure_oneshot_module(self, training_module: LightningModule) -> TcmModule:
        """The step of TCM."""
        if self.sides is None:
            raise RuntimeError("TCM has no data yet: let NNI initialise the strategy first.")
        return TcmModule(
            training_module,
            self._arch_parameters,
            self.arch,
            sides=self.sides,
            memory=self.memory if self.criterion == "contrastive" else None,
            iteration=self.iteration,
        )


@torch.no_grad()
def _still_features(module: LightningModule, images: Tensor) -> Tensor:
    """Features in eval mode, which leaves every running statistic as it is."""
    training = module.training
    module.eval()
    features: Tensor = module.embed(images)
    module.train(training)
    return features
