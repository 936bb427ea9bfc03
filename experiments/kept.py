"""The networks a run keeps: that of the best epoch and that of the last one, as files of their own.

Both are whole whenever they are there, and those of earlier epochs outlive a training that breaks.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from evaluators.epoch_report import TrainingEpoch
from experiments.config import digest
from experiments.provenance import provenance
from experiments.recipe import Recipe
from nas_space.heads import EmbeddingNetwork
from nas_space.inference import IMAGENET
from nas_space.networks import Blueprint, network_from, read_network, save_network
from nas_space.replacing import replaced

BEST, LAST = "best.pt", "last.pt"

Which = Literal["best", "last"]


@dataclass(frozen=True)
class Kept:
    """Writes the networks of a training.

    Attributes:
        folder: of the run.
        network: that is trained.
        blueprint: that builds it.
        info: what both files say besides the epoch.
    """

    folder: Path
    network: EmbeddingNetwork
    blueprint: Blueprint
    info: Mapping[str, Any]

    def epoch(self, epoch: TrainingEpoch) -> None:
        """Keep the network as this epoch left it."""
        info = {**self.info, "epoch": epoch.epoch, "loss": epoch.loss, "held_out": epoch.scores}
        save_network(self.folder / LAST, self.network, self.blueprint, info=info)
        if epoch.best:
            replaced(self.folder / BEST, partial(shutil.copyfile, self.folder / LAST))

    def choose(self, which: Which) -> None:
        """Let the network be that of the best epoch, or leave it that of the last."""
        if which == "best":
            self.network.load_state_dict(read_network(self.folder / BEST).weights)

    def tested(self, which: Which, tests: Mapping[str, Mapping[str, float]]) -> None:
        """Let the file that was tested say what came of it.

        Args:
            which: file.
            tests: data set tested on -> metric -> score; the first is the file's ``tested_on`` and
                ``metrics``, and several are its ``tests`` besides.
        """
        file = self.folder / f"{which}.pt"
        saved = read_network(file)
        tested_on, metrics = next(iter(tests.items()))
        info = {**saved.info, "tested_on": tested_on, "metrics": metrics}
        if len(tests) > 1:
            info["tests"] = tests
        save_network(file, network_from(saved), self.blueprint, info=info)


def info_of(recipe: Recipe, trained_on: str) -> dict[str, Any]:
    """What a network's file says of its training: no path, and nothing of the machine.

    Args:
        recipe: of the training.
        trained_on: name of the pictures.
    """
    return {
        "trained_on": trained_on,
        "targets": list(recipe.data.targets),
        "recipe": recipe.name,
        "digest": digest(recipe),
        "epochs": recipe.retrain.epochs,
        "seed": recipe.seed,
        "alignment": recipe.retrain.alignment.mode,
        "normalisation": {name: list(values) for name, values in IMAGENET.items()},
        "commit": provenance()["commit"],
    }
