"""Training a plain network: global and local head, ID and triplet loss, spatial alignment."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch

from evaluators.course import Course
from evaluators.epoch_report import TrainingEpoch
from evaluators.objectives import ReidObjective, Weights
from evaluators.training import Listener, fit
from experiments.device import device_of
from experiments.held_out import HeldOut
from experiments.recipe import Recipe
from nas_space.alignment import SpatialAlignment
from nas_space.genotype import Genotype
from nas_space.heads import Description, EmbeddingNetwork
from nas_space.networks import Blueprint
from nas_space.speed import channels_last
from reid_data.batch import Twin
from reid_data.loader import BatchLoader
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.share import Share
from reid_data.twin_split import hold_out

Network = TypeVar("Network", bound=EmbeddingNetwork)


@runtime_checkable
class Training(Protocol):
    """A way to train a network on the pictures of a data set, as ``train`` does it."""

    def __call__(
        self,
        network: Network,
        sightings: Sequence[Sighting],
        recipe: Recipe,
        *,
        camera_rule: bool = ...,
        on_epoch: Callable[[TrainingEpoch], None],
        on_batch: Callable[[int, int], None] | None = ...,
        checkpoint: Path | None = ...,
    ) -> Network:
        """Train the network in place; it is in evaluation mode, on the recipe's device, then."""


def blueprint_of(genotype: Genotype | None, recipe: Recipe) -> Blueprint:
    """The network a recipe trains.

    Args:
        genotype: of MSINet; None for a peer.
        recipe: its ``retrain.network``, ``space`` and ``data``.

    Raises:
        ValueError: if MSINet has no genotype or a peer has one.
    """
    space = recipe.space
    return Blueprint(
        network=recipe.retrain.network,
        genotype=genotype,
        height=recipe.data.height,
        width=recipe.data.width,
        feature=recipe.retrain.feature,
        channel_factor=space.width,
        depths=space.depths,
        local_branch=space.local_branch,
        subtract=space.subtract,
        residual_start=space.residual_start,
    )


def network_of(genotype: Genotype | None, recipe: Recipe) -> EmbeddingNetwork:
    """The untrained network of a genotype; its weights depend on the recipe's seed alone.

    Two searches that find the same genotype therefore end with the same network.

    Raises:
        ValueError: as ``blueprint_of``.
    """
    blueprint = blueprint_of(genotype, recipe)
    with seeded(recipe.seed):
        return blueprint.build()


def course_of(recipe: Recipe) -> Course:
    """How long, where and how exactly a recipe trains.

    Raises:
        ValueError: if the device is not there, or cannot do it.
    """
    settings = recipe.retrain
    return Course(
        epochs=settings.epochs,
        weights=settings.weights,
        device=device_of(recipe),
        precision=settings.precision,
        accumulate=settings.accumulate,
        devices=settings.devices,
        score_every=settings.score_every,
    )


def train(
    network: Network,
    sightings: Sequence[Sighting],
    recipe: Recipe,
    *,
    camera_rule: bool = True,
    on_epoch: Callable[[TrainingEpoch], None],
    on_batch: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
) -> Network:
    """Train a network on all given identities, but for those the recipe puts aside.

    Classifiers, batches and augmentation depend on the recipe's seed and on nothing that happened
    before.

    Args:
        network: with heads; trained in place.
        sightings: the training pictures.
        recipe: its ``retrain``, ``data`` and ``seed``.
        camera_rule: of the score among identities put aside.
        on_epoch: told of every finished epoch.
        on_batch: told of the batches of an epoch that are done, and their number.
        checkpoint: file that is replaced after every epoch; where it exists, the training goes on
            behind the epochs it holds.

    Returns:
        The network in evaluation mode, on the recipe's device.

    Raises:
        ValueError: if a picture cannot be read, there are fewer identities than a batch needs, the
            loss is no longer finite, the checkpoint is broken, or the device cannot do it.
    """
    course = course_of(recipe)
    learnt, aside = hold_out(sightings, recipe.retrain.held_out, seed=recipe.seed)
    batches_of = Loaders(learnt if aside else tuple(sightings), recipe)
    held_out = HeldOut(aside, recipe.data, camera_rule=camera_rule) if aside else None
    channels_last(network)
    objective = objective_of(network, len(batches_of.labels), recipe)
    listener = Listener(on_epoch, on_batch, None if held_out is None else held_out.score)
    with seeded(recipe.seed):
        fit(objective, batches_of, course, listener=listener, checkpoint=checkpoint)
    return network


def objective_of(network: EmbeddingNetwork, identities: int, recipe: Recipe) -> ReidObjective:
    """What a recipe minimises; first weights depend on its seed alone.

    Args:
        network: that is trained.
        identities: that are told apart.
        recipe: its ``retrain``, ``data`` and ``seed``.
    """
    settings, aligned = recipe.retrain, recipe.retrain.alignment
    outputs, last = described(network, recipe)
    alignment = None
    if aligned.mode != "none":
        with seeded(recipe.seed):
            alignment = SpatialAlignment(
                last.shape[1],
                mode=aligned.mode,
                orientation=aligned.orientation,
                self_pairs=aligned.self_pairs,
            )
        # the learned activation is part of the positives' term alone
        alignment.requires_grad_("pos" in aligned.mode)
    with seeded(recipe.seed):
        return ReidObjective(
            network,
            outputs,
            identities,
            weights=Weights(settings.smoothing, settings.margin, settings.triplet, aligned.ratio),
            triplet_on=settings.triplet_on,
            alignment=alignment,
        )


@dataclass(frozen=True)
class Loaders:
    """Makes every process of a training its share of the batches.

    Attributes:
        sightings: that are trained on.
        recipe: of the training.
    """

    sightings: tuple[Sighting, ...]
    recipe: Recipe

    @property
    def labels(self) -> dict[int, int]:
        """Identity of the data set -> ``0..I-1``."""
        numbers = sorted({sighting.identity for sighting in self.sightings})
        return {identity: label for label, identity in enumerate(numbers)}

    def __call__(self, device: torch.device, number: int) -> BatchLoader:
        """The share of process ``number`` in the epochs of the recipe's seed."""
        recipe = self.recipe
        pictures = Pictures(
            self.sightings,
            height=recipe.data.height,
            width=recipe.data.width,
            cached=recipe.data.cached,
            progress=None if number else "training pictures",
        )
        return BatchLoader(
            pictures,
            self.sightings,
            self.labels,
            identities=recipe.data.identities,
            images=recipe.data.images,
            augmentation=recipe.retrain.augmentation,
            twin=Twin.TRAIN,
            seed=recipe.seed,
            device=device,
            share=Share(number, recipe.retrain.devices),
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's own generator starts from the seed inside, and is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def described(network: EmbeddingNetwork, recipe: Recipe) -> Description:
    """What the network says of one black image, for the shapes."""
    network.eval()
    device = next(network.parameters()).device
    black = torch.zeros(1, 3, recipe.data.height, recipe.data.width, device=device)
    try:
        return network.describe(black)
    except RuntimeError as error:  # torch's, where nothing of a map is left
        raise ValueError(
            f"The network does not take images of {recipe.data.height} x {recipe.data.width}"
            f" ({' '.join(str(error).split())}): give a larger --size."
        ) from error
