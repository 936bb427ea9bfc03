"""The evaluator NNI sees: the supernet is trained on the pictures of a search."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import nni
from nni.nas.evaluator.pytorch.lightning import Lightning, Trainer

from evaluators.checkpoints import EpochCheckpoint
from evaluators.epoch_report import EpochReport
from evaluators.losses import IdTriplet
from evaluators.optimisation import WeightOptimiser
from evaluators.reid_module import CriterionFactory, ReidModule, Search
from reid_data.datamodule import SearchData, Sides
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares


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
        on_batch: called with the batches of the epoch that are done, and their number.
        checkpoint: file that is replaced after every epoch; where it exists already, the search
            goes on behind the epochs it holds.
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
        on_batch: Callable[[int, int], None] | None = None,
        checkpoint: Path | None = None,
        precision: Literal["32", "bf16-mixed"] = "32",
        accelerator: str = "auto",
        seed: int = 0,
    ) -> None:
        def id_triplet(dimensions: int, identities: int) -> IdTriplet:
            return IdTriplet(dimensions, identities, generator=generator_of(seed))

        module = ReidModule(
            data,
            optimiser=optimiser,
            criterion=criterion or id_triplet,
            on_epoch=on_epoch,
            on_batch=on_batch,
        )
        callbacks = [] if checkpoint is None else [EpochCheckpoint(checkpoint)]
        resumed = checkpoint is not None and checkpoint.is_file()
        super().__init__(
            module,
            _quiet_trainer(epochs, precision, accelerator, callbacks),
            fit_kwargs={"ckpt_path": checkpoint, "weights_only": True} if resumed else None,
        )

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


def _quiet_trainer(
    epochs: int, precision: str, accelerator: str, callbacks: list[EpochCheckpoint]
) -> Any:
    """A trainer that writes no files of its own and speaks only of trouble."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "GPU available but not used")  # as the caller asked
        return Trainer(
            max_epochs=epochs,
            precision=precision,
            accelerator=accelerator,
            devices=1,
            logger=False,
            callbacks=callbacks,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
