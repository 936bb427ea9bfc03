"""Training a plain network from scratch: global and local head, ID and triplet loss."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from evaluators.losses import id_triplet
from evaluators.optimisation import Descent
from evaluators.state import FINISHED, load_state, save_state
from experiments.device import device_of
from experiments.recipe import Recipe
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
            depths=recipe.space.depths,
            residual_start=recipe.space.residual_start,
            local_branch=recipe.space.local_branch,
            subtract=recipe.space.subtract,
        )


def train(
    network: Network,
    sightings: Sequence[Sighting],
    recipe: Recipe,
    *,
    on_epoch: Callable[[TrainingEpoch], None],
    on_batch: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
) -> Network:
    """Train a network from scratch on all given identities.

    Classifiers, batches and augmentation depend on the recipe's seed and on nothing that happened
    before.

    Args:
        network: with heads; trained in place.
        sightings: the training pictures.
        recipe: its ``retrain``, ``data`` and ``seed``.
        on_epoch: told of every finished epoch.
        on_batch: told of the batches of an epoch that are done, and their number.
        checkpoint: file that is replaced after every epoch; where it exists, the training goes on
            behind the epochs it holds.

    Returns:
        The network in evaluation mode, on the recipe's device.

    Raises:
        ValueError: if a picture cannot be read, there are fewer identities than a batch needs, the
            loss is no longer finite, or the checkpoint is broken.
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
    parts = _Parts(network, classifiers, descent)
    finished = 0 if checkpoint is None else parts.restore(checkpoint)
    network.train()
    for epoch in range(finished + 1, recipe.retrain.epochs + 1):
        began = time.monotonic()
        losses, rate = _epoch(parts, loader, epoch, recipe, on_batch)
        loss = float(torch.stack(losses).mean())
        if not loss < float("inf"):
            raise ValueError(
                f"The loss of retraining epoch {epoch} is {loss}: lower"
                f" retrain.weights.learning_rate, which is {recipe.retrain.weights.learning_rate}."
            )
        on_epoch(TrainingEpoch(epoch, loss, rate, time.monotonic() - began))
        if checkpoint is not None:
            parts.keep(checkpoint, epoch)
    return network.eval()


class _Parts(NamedTuple):
    """All that an epoch changes."""

    network: EmbeddingNetwork
    classifiers: Classifiers
    descent: Descent

    def keep(self, file: Path, finished: int) -> None:
        state = {name: part.state_dict() for name, part in self._named().items()}
        save_state(file, state | {FINISHED: finished})

    def restore(self, file: Path) -> int:
        state = load_state(file)
        for name, part in self._named().items() if state else ():
            part.load_state_dict(state[name])
        return int(state.get(FINISHED, 0))

    def _named(self) -> dict[str, nn.Module | torch.optim.Optimizer | LRScheduler]:
        return {
            "network": self.network,
            "classifiers": self.classifiers,
            "optimizer": self.descent.optimizer,
            "scheduler": self.descent.scheduler,
        }


def _epoch(
    parts: _Parts,
    loader: BatchLoader,
    epoch: int,
    recipe: Recipe,
    on_batch: Callable[[int, int], None] | None,
) -> tuple[list[Float[Tensor, ""]], float]:
    """Losses of the batches, and the learning rate of the last one."""
    optimizer, scheduler, interval = parts.descent
    losses = []
    loader.set_epoch(epoch - 1)
    for done, batch in enumerate(loader, start=1):
        rate = float(optimizer.param_groups[0]["lr"])
        losses.append(_step(parts.network, parts.classifiers, batch, recipe, optimizer))
        if interval == "step":
            scheduler.step()
        if on_batch is not None:
            on_batch(done, len(loader))
    if interval == "epoch":
        scheduler.step()
    return losses, rate


def _loader(
    sightings: Sequence[Sighting], recipe: Recipe, device: torch.device
) -> tuple[BatchLoader, int]:
    numbers = sorted({sighting.identity for sighting in sightings})
    labels = {identity: label for label, identity in enumerate(numbers)}
    pictures = Pictures(
        sightings,
        height=recipe.data.height,
        width=recipe.data.width,
        cached=recipe.data.cached,
        progress="training pictures",
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
