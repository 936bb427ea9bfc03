"""A checkpoint at the end of every epoch, from which a search or a training goes on unchanged.

It holds the whole module (weights; alpha or policy and memories of a search, what is trained
beside a network), the optimisers and schedules and the state of torch's own generator. Batches,
augmentation and what a strategy draws are functions of the seed and the epoch's number, so that no
more is needed.
"""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from evaluators.state import FINISHED
from nas_space.replacing import replaced

_GENERATOR = "generator"


class EpochCheckpoint(Checkpoint):
    """Replaces one file after every epoch; Lightning calls it when the epoch was reported.

    Args:
        file: of the checkpoint; the folder must exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes a new file and puts it in the place of the old one at once.

        Of several processes the first one writes; Lightning has the others wait for it.
        """
        if trainer.is_global_zero:
            replaced(self._file, trainer.save_checkpoint)
        else:
            trainer.save_checkpoint(self._file)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds what Lightning leaves out."""
        checkpoint[FINISHED] = trainer.current_epoch + 1
        checkpoint[_GENERATOR] = torch.get_rng_state()

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Puts it back."""
        torch.set_rng_state(checkpoint[_GENERATOR])
