"""Training a plain network from scratch: global and local head, ID and triplet loss."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from evaluators.losses import id_triplet
from experiments.device import device_of
from experiments.recipes import Recipe
from nas_space.genotype import Genotype
from nas_space.heads import EmbeddingNetwork, HeadOutput
from nas_space.msinet import MSINet
from reid_data.batch import Batch, Twin
from reid_data.loader import BatchLoader
from reid_data.pictures import Pictures
from reid_data.records import Sighting

# B pictures of a batch

Network = TypeVar("Network", bound=EmbeddingNetwork)


@dataclass(frozen=True)
class TrainingEpoch:
    """One finished epoch of the retraining.

    Attributes:
        epoch: counted from 1.
        loss: mean over its batches, both heads together.
        learning_rate: of its last batch.
        seconds: it took.
    """

    epoch: int
    loss: float
    learning_rate: float
    seconds: float


class Classifiers(nn.Module):
    """One identity classifier per head; they belong to the training, not to the network."""

    def __init__(self, outputs: Sequence[HeadOutput], identities: int) -> None:
        super().__init__()
        self.linear = nn.ModuleList(
            nn.Linear(output.normalised.shape[1], identities, bias=False) for output in outputs
        )
        for layer in self.linear:
            nn.init.normal_(layer.get_parameter("weight"), std=0.01)

    def loss(
        self, outputs: Sequence[HeadOutput], identity: Int[Tensor, " B"], recipe: Recipe
    ) -> Float[Tensor, ""]:
        """``[CE(logits) + triplet(v)] + [CE(logits_f) + triplet(f_v)]`` (MSINet, section 3.4)."""
        settings = recipe.retrain
        terms = [
            id_triplet(
                linear(output.normalised),
                output.pooled,
                identity,
                smoothing=settings.smoothing,
                margin=settings.margin,
                weight=settings.triplet,
            )
            for linear, output in zip(self.linear, outputs, strict=True)
        ]
        return torch.stack(terms).sum()


def network_of(genotype: Genotype, recipe: Recipe) -> MSINet:
    """The untrained network of a genotype; its weights depend on the recipe's seed alone.

    Two searches that find the same genotype therefore end with the same network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return MSINet(
            genotype,
            width=recipe.space.width,
            feature=recipe.retrain.feature,
            residual_start=recipe.space.residual_start,
        )


def train(
    network: Network,
    sightings: Sequence[Sighting],
    recipe: Recipe,
    *,
    on_epoch: Callable[[TrainingEpoch], None],
) -> Network:
    """Train a network from scratch on all given identities.

    Classifiers, batches and augmentation depend on the recipe's seed and on nothing that happened
    before.

    Args:
        network: with heads; trained in place.
        sightings: the training pictures.
        recipe: its ``retrain``, ``data`` and ``seed``.
        on_epoch: told of every finished epoch.

    Returns:
        The network in evaluation mode, on the recipe's device.

    Raises:
        ValueError: if a picture cannot be read, there are fewer identities than a batch needs, or
            the loss is no longer finite.
    """
    device = device_of(recipe)
    loader, identities = _loader(sightings, recipe, device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    outputs = _outputs_of(network, recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        classifiers = Classifiers(outputs, identities).to(device)
    descent = recipe.retrain.weights.build(
        [*network.parameters(), *classifiers.parameters()],
        epochs=recipe.retrain.epochs,
        steps_per_epoch=len(loader),
    )
    network.train()
    for epoch in range(1, recipe.retrain.epochs + 1):
        began = time.monotonic()
        losses = []
        for batch in loader:
            rate = descent.optimizer.param_groups[0]["lr"]
            losses.append(_step(network, classifiers, batch, recipe, descent.optimizer))
            if descent.interval == "step":
                descent.scheduler.step()
        if descent.interval == "epoch":
            descent.scheduler.step()
        loss = float(torch.stack(losses).mean())
        if not loss < float("inf"):
            raise ValueError(
                f"The loss of retraining epoch {epoch} is {loss}: lower"
                f" retrain.weights.learning_rate, which is {recipe.retrain.weights.learning_rate}."
            )
        on_epoch(TrainingEpoch(epoch, loss, float(rate), time.monotonic() - began))
    return network.eval()


def _loader(
    sightings: Sequence[Sighting], recipe: Recipe, device: torch.device
) -> tuple[BatchLoader, int]:
    numbers = sorted({sighting.identity for sighting in sightings})
    labels = {identity: label for label, identity in enumerate(numbers)}
    pictures = Pictures(
        sightings, height=recipe.data.height, width=recipe.data.width, progress="training pictures"
    )
    loader = BatchLoader(
        pictures,
        sightings,
        labels,
        identities=recipe.data.identities,
        images=recipe.data.images,
        augmentation=recipe.retrain.augmentation,
        twin=Twin.TRAIN,
        seed=recipe.seed,
        device=device,
    )
    return loader, len(numbers)


@torch.no_grad()
def _outputs_of(network: EmbeddingNetwork, recipe: Recipe) -> tuple[HeadOutput, ...]:
    """The heads' outputs for one black image, for their shapes."""
    network.eval()
    device = next(network.parameters()).device
    black = torch.zeros(1, 3, recipe.data.height, recipe.data.width, device=device)
    return network.heads(black)


def _step(
    network: EmbeddingNetwork,
    classifiers: Classifiers,
    batch: Batch,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
) -> Float[Tensor, ""]:
    images = batch.images.contiguous(memory_format=torch.channels_last)
    loss = classifiers.loss(network.heads(images), batch.identities, recipe)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()
