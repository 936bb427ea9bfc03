"""The evaluator of a search: NNI's Lightning evaluator for re-identification.

A strategy wraps its search around ``ReidModule``, which embeds, computes its own loss, configures
the weights' optimiser, and after each epoch scores retrieval among held-out identities (NNI's
one-shot strategies never call validation).
"""

import logging
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, Protocol, runtime_checkable

import nni
import torch
from jaxtyping import Float
from nni.nas.evaluator.pytorch.lightning import Lightning, LightningModule, Trainer
from torch import Tensor, nn

from evaluators.embedding import embed
from evaluators.losses import Criterion, IdTriplet
from evaluators.optimisation import WeightOptimiser
from evaluators.retrieval import retrieve_within
from reid_data.batch import Batch
from reid_data.datamodule import SearchData, Sides
from reid_data.pictures import Pictures
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares

CriterionFactory = Callable[[int, int], Criterion]
"""(D dimensions, I identities of both sides) -> the evaluator's own loss."""


@runtime_checkable
class Search(Protocol):
    """What an evaluator asks of the strategy that searches with it."""

    def probabilities(self) -> Mapping[str, Mapping[str, float]]:
        """Slot label -> candidate -> probability."""

    def genotype(self) -> Mapping[str, str]:
        """Slot label -> candidate the search would end with now."""

    def settle(self) -> None:
        """Puts the supernet into the state in which it is scored."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch of a search.

    Attributes:
        epoch: counted from 1.
        epochs: of the whole search.
        loss: mean loss of the train side.
        mAP: of retrieval among held-out identities; None where none are held out.
        rank1: of the same.
        entropy: of a slot's probabilities, mean over slots, nats.
        none_share: share of the slots whose choice is ``none``.
        seconds: of the epoch, scoring included.
    """

    epoch: int
    epochs: int
    loss: float
    mAP: float | None  # noqa: N815 - the field's spelling
    rank1: float | None
    entropy: float
    none_share: float
    seconds: float


def mean_entropy(probabilities: Mapping[str, Mapping[str, float]]) -> float:
    r"""Mean over slots of :math:`-\sum_o p_o \ln p_o`, nats; 0 where every slot is decided."""
    slots = [candidates.values() for candidates in probabilities.values()]
    return sum(-sum(p * math.log(p) for p in slot if p > 0) for slot in slots) / len(slots)


class ReidModule(LightningModule):  # type: ignore[misc]
    """The training module a search is wrapped around.

    Args:
        data: of the search.
        optimiser: of the weights.
        criterion: makes the module's own loss.
        on_epoch: called with the report of each epoch.
    """

    def __init__(
        self,
        data: SearchData,
        *,
        optimiser: WeightOptimiser,
        criterion: CriterionFactory,
        on_epoch: Callable[[EpochReport], None] | None,
    ) -> None:
        super().__init__()
        self._data, self._optimiser, self._new_criterion = data, optimiser, criterion
        self._on_epoch = on_epoch
        self._sides: Sides | None = None
        self._search: Search | None = None
        self._held_out: Pictures | None = None
        self.criterion: Any = None
        self._losses: list[Tensor] = []
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

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        """The module's own loss of a batch."""
        return self.loss(batch)

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
        self._losses, self._started = [], perf_counter()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keeps the loss of the train side."""
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self) -> None:
        """Scores the search and reports the epoch.

        Raises:
            ValueError: the loss of the epoch is not finite.
        """
        loss = float(torch.stack(self._losses).float().mean())
        if not math.isfinite(loss):
            raise ValueError(
                f"The loss of search epoch {self.trainer.current_epoch + 1} is {loss}: lower the"
                " learning rate of the search's weights, which is"
                f" {self._optimiser.learning_rate}."
            )
        if self._search is None or self._on_epoch is None:
            return
        self._search.settle()
        mAP, rank1 = self._score()
        genotype = self._search.genotype()
        self._on_epoch(
            EpochReport(
                epoch=self.trainer.current_epoch + 1,
                epochs=self.trainer.max_epochs,
                loss=loss,
                mAP=mAP,
                rank1=rank1,
                entropy=mean_entropy(self._search.probabilities()),
                none_share=sum(c == "none" for c in genotype.values()) / len(genotype),
                seconds=perf_counter() - self._started,
            )
        )

    def _score(self) -> tuple[float | None, float | None]:
        if self._held_out is None:
            return None, None
        features = embed(self.model, self._held_out, self._data.held_out, device=self.device)
        found = retrieve_within(features, camera_rule=self._data.camera_rule)
        return found.mAP, found.rank1


@nni.trace
class ReidEvaluator(Lightning):  # type: ignore[misc]
    """Trains a supernet on the pictures of a search, and scores it on held-out identities.

    ``NasExperiment(MSINetSpace(), ReidEvaluator(data, epochs=350), TCM()).run()`` is a search.

    Args:
        data: searched and held-out pictures, and how batches are made of them.
        epochs: of the search.
        optimiser: of the weights.
        criterion: makes the evaluator's own loss from (D, I); by default ID + triplet loss.
        on_epoch: called with the report of each epoch.
        precision: "32", or "bf16-mixed".
        accelerator: as Lightning names it; "auto" takes a GPU where there is one.
        seed: of the criterion's own weights.
    """

    def __init__(
        self,
        data: SearchData,
        *,
        epochs: int,
        optimiser: WeightOptimiser = WeightOptimiser(),
        criterion: CriterionFactory | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
        precision: Literal["32", "bf16-mixed"] = "32",
        accelerator: str = "auto",
        seed: int = 0,
    ) -> None:
        def id_triplet(dimensions: int, identities: int) -> IdTriplet:
            return IdTriplet(dimensions, identities, generator=generator_of(seed))

        module = ReidModule(
            data, optimiser=optimiser, criterion=criterion or id_triplet, on_epoch=on_epoch
        )
        super().__init__(module, _quiet_trainer(epochs, precision, accelerator))

    def prepare_search(self, split: str, shares: TwinShares, search: Search) -> Sides:
        """What a strategy calls: which split it searches on, and whom to ask after each epoch.

        Args:
            split: of the searched pictures.
            shares: of the twins.
            search: the strategy.

        Raises:
            ValueError: the pictures cannot be read or divided so.
        """
        device = self.trainer.strategy.root_device
        sides: Sides = self.module.prepare_search(split, shares, search, device)
        return sides


def _quiet_trainer(epochs: int, precision: str, accelerator: str) -> Any:
    """A trainer that writes no files and speaks only of trouble."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "GPU available but not used")  # as the caller asked
        return Trainer(
            max_epochs=epochs,
            precision=precision,
            accelerator=accelerator,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
