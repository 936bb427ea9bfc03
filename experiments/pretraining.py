"""Pre-training: a network learns the classes of pictures in folders, in a run folder."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from evaluators.epoch_report import TrainingEpoch
from evaluators.objectives import Classification
from evaluators.training import Listener, fit
from experiments.class_folders import (
    ClassBatches,
    Classes,
    read_classes,
    require_readable_classes,
    still,
)
from experiments.device import device_of
from experiments.diary import Diary, Reporter
from experiments.earlier import RETRAIN_STATE
from experiments.kept import BEST, Kept, info_of
from experiments.plan import Plan
from experiments.recipe import Recipe
from experiments.run_folder import carry_out
from experiments.table import RESULT_FILE
from experiments.train import blueprint_of, course_of, described, network_of, seeded
from experiments.training_run import label_of
from nas_space.cost import measure_cost
from nas_space.genotype import Genotype
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import read_network
from nas_space.speed import channels_last
from reid_data.share import Share

_FEW = 5


def pretrain(
    recipe: Recipe,
    genotype: Genotype | None,
    pictures: Path,
    folder: Path,
    reporter: Reporter,
    *,
    workers: int = 0,
    board: Path | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Train a network, without its local head, to tell classes apart.

    Pictures are cropped at random and mirrored; of the recipe's ``retrain``, what concerns
    identities does not count. Where there are pictures in ``val``, the best epoch is that of the
    highest top-1 accuracy, else that of the lowest loss; ``best.pt`` holds its network.

    Args:
        recipe: its ``retrain``, and ``data`` for the size of pictures and of batches.
        genotype: of MSINet; None for a peer.
        pictures: the folder that holds ``train`` and perhaps ``val``.
        folder: gets all files, as the README lists them; made here.
        reporter: told of the metrics in the end.
        workers: threads that decode pictures.
        board: gets TensorBoard's files; by default ``tensorboard`` in the run folder.
        resume: go on with what the folder holds, if anything; a finished run is not run again.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        ValueError: if pictures, recipe or network are not as needed, or the folder is not free.
    """
    recipe = replace(recipe, space=replace(recipe.space, local_branch=False))
    blueprint_of(genotype, recipe)  # refuses a network that cannot be
    classes = read_classes(pictures)
    given = {
        "genotype": None if genotype is None else dict(genotype.slots),
        "training": "classification",
        "pictures": pictures.name,
        "classes": len(classes.names),
        "train": len(classes.train),
        "val": len(classes.val),
    }
    way = partial(_whole_way, genotype=genotype, classes=classes, workers=workers)
    return carry_out(
        Plan(recipe, label_of(genotype, recipe), given=given),
        folder,
        reporter,
        way=way,
        again=partial(_told_again, reporter=reporter),
        board=board,
        resume=resume,
    )


def _whole_way(
    diary: Diary, *, genotype: Genotype | None, classes: Classes, workers: int
) -> dict[str, Any]:
    began, plan = time.monotonic(), diary.plan
    recipe = plan.recipe
    if not diary.earlier.retrain:
        require_readable_classes(classes)
    network = network_of(genotype, recipe)
    diary.given(genotype)
    channels_last(network)
    with seeded(recipe.seed):
        objective = Classification(
            network,
            described(network, recipe).heads,
            len(classes.names),
            smoothing=recipe.retrain.smoothing,
        )
    kept = Kept(
        diary.folder,
        network,
        blueprint_of(genotype, recipe),
        info_of(recipe, plan.given["pictures"]) | dict(plan.given) | {"alignment": "none"},
    )

    def finished(epoch: TrainingEpoch) -> None:
        kept.epoch(epoch)
        diary.retrained(epoch)

    with seeded(recipe.seed):
        fit(
            objective,
            _BatchesOf(classes, recipe, workers),
            course_of(recipe),
            listener=Listener(finished, diary.batch, _scores(objective, classes, recipe, workers)),
            checkpoint=diary.folder / RETRAIN_STATE,
        )
    best = read_network(diary.folder / BEST).info
    cost = measure_cost(network, height=recipe.data.height, width=recipe.data.width)
    result = {
        "network": plan.label,
        "seed": recipe.seed,
        "pictures": plan.given["pictures"],
        "classes": len(classes.names),
        "epoch": best["epoch"],
        "loss": best["loss"],
        **best["held_out"],
        "parameters": cost.parameters,
        "macs": cost.macs,
        "minutes": (time.monotonic() - began + diary.earlier.seconds) / 60,
        "genotype": "" if genotype is None else str(genotype),
    }
    diary.classified(result)
    return result


def _told_again(folder: Path, *, reporter: Reporter) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    reporter.final({name: x for name, x in result.items() if isinstance(x, int | float)})
    return result


@dataclass(frozen=True)
class _BatchesOf:
    """Makes every process its share of the batches."""

    classes: Classes
    recipe: Recipe
    workers: int

    def __call__(self, device: torch.device, number: int) -> ClassBatches:
        data = self.recipe.data
        return ClassBatches(
            self.classes.train,
            height=data.height,
            width=data.width,
            size=data.identities * data.images,
            seed=self.recipe.seed,
            device=device,
            workers=self.workers,
            share=Share(number, self.recipe.retrain.devices),
        )


def _scores(
    objective: Classification, classes: Classes, recipe: Recipe, workers: int
) -> Callable[[EmbeddingNetwork], Mapping[str, float]] | None:
    """What scores the network among ``val``, or None where there is none."""
    if not classes.val:
        return None
    data, device = recipe.data, device_of(recipe)

    def score(_network: EmbeddingNetwork) -> Mapping[str, float]:
        """Shares of pictures whose class is the likeliest, and among the five likeliest."""
        objective.eval()
        batches = still(
            classes.val,
            height=data.height,
            width=data.width,
            size=data.identities * data.images,
            device=device,
            workers=workers,
        )
        places = torch.cat([objective.places(batch) for batch in batches])
        objective.train()
        return {"top1": _share(places < 1), "top5": _share(places < _FEW)}

    return score


def _share(right: torch.Tensor) -> float:
    return float(right.double().mean())
