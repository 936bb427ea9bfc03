"""The training module of re-identification that a search is wrapped around.

It embeds, computes its own loss, configures the weights' optimiser, and after each epoch scores
retrieval among held-out identities (NNI's one-shot strategies never call validation).
"""

import math
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from nni.nas.evaluator.pytorch.lightning import LightningModule
from torch import Tensor, nn

from evaluators.embedding import embed
from evaluators.epoch_report import EpochReport, Probabilities, mean_entropy
from evaluators.losses import Criterion
from evaluators.optimisation import WeightOptimiser
from evaluators.retrieval import Retrieval, retrieve_within
from reid_data.batch import Batch, Twin
from reid_data.datamodule import SearchData, Sides
from reid_data.pictures import Pictures
from reid_data.twin_split import TwinShares

CriterionFactory = Callable[[int, int], Criterion]
"""(D dimensions, I identities of both sides) -> the evaluator's own loss."""


@runtime_checkable
class Search(Protocol):
    """What an evaluator asks of the strategy that searches with it."""

    def probabilities(self) -> Probabilities:
        """Slot label -> candidate -> probability."""

    def genotype(self) -> dict[str, str]:
        """Slot label -> candidate the search would end with now."""

    def settle(self) -> None:
        """Puts the supernet into the state in which it is scored."""


class ReidModule(LightningModule):  # type: ignore[misc]
    """The training module a search is wrapped around.

    Args:
        data: of the search.
        optimiser: of the weights.
        criterion: makes the module's own loss.
        on_epoch: called with the report of each epoch.
        on_batch: called with the batches of the epoch that are done, and their number.
    """

    def __init__(
        self,
        data: SearchData,
        *,
        optimiser: WeightOptimiser,
        criterion: CriterionFactory,
        on_epoch: Callable[[EpochReport], None] | None,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__()
        self._data, self._optimiser, self._new_criterion = data, optimiser, criterion
        self._on_epoch, self._on_batch = on_epoch, on_batch
        self._sides: Sides | None = None
        self._search: Search | None = None
        self._held_out: Pictures | None = None
        self.criterion: Any = None
        self._losses: dict[Twin, list[Tensor]] = {}
        self._rates: dict[bool, float] = {}
        self._started = 0.0

    def prepare_search(
        self, split: str, shares: TwinShares, search: Search, device: torch.device
    ) -> Sides:
        """Divides the pictures and decodes them, held-out ones included."""
        self._sides = self._data.sides(split, shares, device=device)
        self._search = search
        if self._data.held_out:
            self._held_out = self._data.pictures(self._data.held_out, "held-out pictures")
        return self._sides

    def set_model(self, model: nn.Module) -> None:
        """Takes the supernet, and makes the module's own loss for the length of its features."""
        super().set_model(model)
        if self._sides is None or self.criterion is not None:
            return
        images = torch.zeros(2, 3, self._data.height, self._data.width)
        training = model.training
        with torch.no_grad():
            dimensions = model.eval()(images).shape[1]
        model.train(training)
        self.criterion = self._new_criterion(dimensions, self._sides.identities)

    def embed(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Features of normalised images, raw."""
        feature: Tensor = self.model(images)
        return feature

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The module's own loss of a batch; changes nothing but running statistics."""
        feature = self.embed(batch.images)
        with torch.autocast(feature.device.type, enabled=False):
            loss: Tensor = self.criterion.loss(feature.float(), batch.identities, batch.twin)
        return loss

    def score(self) -> Retrieval | None:
        """Retrieval among held-out identities with the supernet as it stands; None without any."""
        if self._held_out is None:
            return None
        features = embed(self.model, self._held_out, self._data.held_out, device=self.device)
        return retrieve_within(features, camera_rule=self._data.camera_rule)

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        """The module's own loss of a batch; that of the val side is kept for the report."""
        loss = self.loss(batch)
        if batch.twin is Twin.VAL:
            self._losses[Twin.VAL].append(loss.detach())
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """The weights' optimiser with its schedule."""
        epochs = self.trainer.max_epochs
        descent = self._optimiser.build(
            self.parameters(),
            epochs=epochs,
            steps_per_epoch=int(self.trainer.estimated_stepping_batches) // epochs,
        )
        schedule = {"scheduler": descent.scheduler, "interval": descent.interval}
        return {"optimizer": descent.optimizer, "lr_scheduler": schedule}

    def on_train_epoch_start(self) -> None:
        """Begins to count."""
        self._losses, self._started = {twin: [] for twin in Twin}, perf_counter()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Keeps the learning rates the batch is trained with."""
        for optimizer in self.trainer.optimizers:
            of_architecture = getattr(optimizer, "is_arch_optimizer", False)
            self._rates[of_architecture] = float(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keeps the losses of both sides."""
        self._losses[Twin.TRAIN].append(outputs["loss"].detach())
        if "val_loss" in outputs:
            self._losses[Twin.VAL].append(outputs["val_loss"].detach())
        if self._on_batch is not None:
            self._on_batch(batch_idx + 1, int(self.trainer.num_training_batches))

    def on_train_epoch_end(self) -> None:
        """Scores the search and reports the epoch.

        Raises:
            ValueError: the loss of the epoch is not finite.
        """
        loss, val_loss = (_mean(self._losses[twin]) for twin in (Twin.TRAIN, Twin.VAL))
        if loss is None or not all(math.isfinite(x) for x in (loss, val_loss or 0.0)):
            raise ValueError(
                f"The loss of search epoch {self.trainer.current_epoch + 1} is {loss}, and"
                f" {val_loss} on the val side: lower the learning rate of the search's weights,"
                f" which is {self._optimiser.learning_rate}, or that of the architecture."
            )
        if self._search is None or self._on_epoch is None:
            return
        self._search.settle()
        scored = self.score()
        genotype, probabilities = self._search.genotype(), self._search.probabilities()
        self._on_epoch(
            EpochReport(
                epoch=self.trainer.current_epoch + 1,
                epochs=self.trainer.max_epochs,
                loss=loss,
                val_loss=val_loss,
                mAP=None if scored is None else scored.mAP,
                rank1=None if scored is None else scored.rank1,
                entropy=mean_entropy(probabilities),
                none_share=sum(c == "none" for c in genotype.values()) / len(genotype),
                learning_rate=self._rates[False],
                arch_learning_rate=self._rates.get(True),
                probabilities=probabilities,
                genotype=genotype,
                seconds=perf_counter() - self._started,
            )
        )


def _mean(losses: list[Tensor]) -> float | None:
    return float(torch.stack(losses).float().mean()) if losses else None
