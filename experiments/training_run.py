"""A training run: a known network, its training and its test; a run without the search."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from evaluators.epoch_report import TrainingEpoch
from experiments.diary import Diary, Reporter
from experiments.first_weights import begin_with, fingerprint
from experiments.plan import Plan
from experiments.points import Point
from experiments.recipe import Recipe
from experiments.run import looked_at, told_again, train_and_test
from experiments.run_folder import carry_out
from experiments.table import Result
from experiments.train import Network, Training, blueprint_of, network_of, train
from experiments.unsupervised import require_none_needs_labels, train_unsupervised
from nas_space.genotype import FIXED, Genotype
from nas_space.networks import MSINET
from reid_data.records import Sighting

Kind = Literal["supervised", "unsupervised"]


def run_training(
    recipe: Recipe,
    genotype: Genotype | None,
    folder: Path,
    reporter: Reporter,
    *,
    weights: Path | None = None,
    kind: Kind = "supervised",
    point: Point = MappingProxyType({}),
    board: Path | None = None,
    resume: bool = False,
) -> Result:
    """Train a network and test it on the targets of its recipe, each under its own protocol.

    On a CPU, a run that was killed and goes on ends with the numbers of one that was not.

    Args:
        recipe: ``retrain.network`` names the network; nothing of it is searched.
        genotype: of MSINet; None for a peer.
        folder: gets all files, as the README lists them; made here.
        reporter: told of the metrics in the end.
        weights: file to begin with; by default the weights are drawn from the recipe's seed.
        kind: of training: by identities, or by clusters of unlabelled pictures.
        point: what the result says of the settings that made the recipe.
        board: gets TensorBoard's files; by default ``tensorboard`` in the run folder.
        resume: go on with what the folder holds, if anything; a finished run is not run again.

    Raises:
        ValueError: if the data, the recipe, the network or the weights are not as needed, or the
            folder holds a run already and is not to be resumed, one of another network or recipe,
            or one that is running.
    """
    blueprint_of(genotype, recipe)  # refuses a network that cannot be
    if kind == "unsupervised":
        require_none_needs_labels(recipe)
    given = {
        "genotype": None if genotype is None else dict(genotype.slots),
        "weights": None if weights is None else fingerprint(weights),
        "training": kind,
    }
    label = label_of(genotype, recipe) + (" unsupervised" if kind == "unsupervised" else "")
    plan = Plan(recipe, label, given=given, point=point)
    training: Training = train if kind == "supervised" else _train_without_labels
    return carry_out(
        plan,
        folder,
        reporter,
        way=partial(_whole_way, genotype=genotype, weights=weights, training=training),
        again=partial(told_again, reporter=reporter),
        board=board,
        resume=resume,
    )


def _whole_way(
    diary: Diary, *, genotype: Genotype | None, weights: Path | None, training: Training
) -> Result:
    began, plan = time.monotonic(), diary.plan
    network = network_of(genotype, plan.recipe)  # what can be refused, before the pictures are read
    if weights is not None:
        diary.began_with(begin_with(network, blueprint_of(genotype, plan.recipe), weights))
    data = looked_at(plan.recipe.data)
    diary.given(genotype)
    return train_and_test(
        network, genotype, data, diary, began=began, training=training, info=plan.given
    )


def _train_without_labels(
    network: Network,
    sightings: Sequence[Sighting],
    recipe: Recipe,
    *,
    camera_rule: bool = True,
    on_epoch: Callable[[TrainingEpoch], None],
    on_batch: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
) -> Network:
    """``train_unsupervised``, which puts nobody aside and knows no camera, as a ``Training``."""
    return train_unsupervised(
        network,
        sightings,
        recipe,
        settings=recipe.retrain.unsupervised,
        on_epoch=on_epoch,
        on_batch=on_batch,
        checkpoint=checkpoint,
    )


def label_of(genotype: Genotype | None, recipe: Recipe) -> str:
    """What results call a network: its genotype's name if that has one, else its own."""
    if genotype is None:
        return recipe.retrain.network
    return next((name for name, known in FIXED.items() if known == genotype), MSINET)
