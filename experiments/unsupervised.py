"""Training without labels: before every epoch pictures are grouped, and the groups are learnt.

Features of all pictures, DBSCAN, a centroid per group, and the contrastive loss against all
centroids, which move with the batches: the unsupervised use of MSINet (CVPR 2023) after
self-paced contrastive learning (Ge et al., NeurIPS 2020) and cluster contrast (Dai et al., ACCV
2022). True identities are told of, where they are known, and never looked at; cameras are known
without any label.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from evaluators.camera_standardisation import standardised_by_camera
from evaluators.embedding import embed
from evaluators.epoch_report import TrainingEpoch
from evaluators.pseudo_labels import OUTLIER, pseudo_labels
from evaluators.training import Listener, Objective, fit
from experiments.recipe import Recipe
from experiments.train import Network, course_of, seeded
from experiments.unsupervised_settings import Unsupervised
from nas_space.speed import channels_last
from reid_data.batch import Batch, Twin
from reid_data.loader import BatchLoader
from reid_data.pictures import Pictures
from reid_data.randomness import mixed_seed
from reid_data.records import Sighting
from strategies.contrastive_memory import ContrastiveMemory

# N pictures, B of them in a batch, D numbers of a feature

_NOBODY = 0
"""Identity of every picture, as far as the training knows."""

_FEWEST_GROUPS = 2


@dataclass(frozen=True)
class UnsupervisedEpoch(TrainingEpoch):
    """One finished epoch of a training without labels; ``best`` is always the last.

    No label may choose an epoch, and the loss is smaller the fewer groups there are to mistake a
    picture's for.

    Attributes:
        groups: that were found before the epoch.
        outliers: pictures in none of them, which the epoch left out.
        rand: adjusted Rand index of groups and true identities, outliers aside: 1 where they are
            the same, about 0 where they have nothing to do with each other.
    """

    groups: int = 0
    outliers: int = 0
    rand: float = 0.0

    @property
    def words(self) -> str:
        """What a line about it says."""
        found = f"{self.groups:,} groups, {self.outliers:,} outliers"
        return f"{super().words}, {found}, adjusted Rand index {self.rand:.3f}"


def train_unsupervised(
    network: Network,
    sightings: Sequence[Sighting],
    recipe: Recipe,
    *,
    settings: Unsupervised,
    on_epoch: Callable[[UnsupervisedEpoch], None],
    on_batch: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
) -> Network:
    """Train a network on pictures whose identities it does not know.

    The feature that is grouped, learnt and tested is one: what ``network.forward`` returns. What
    is found depends on the pictures, their names' order and the recipe's seed.

    Args:
        network: trained in place.
        sightings: the training pictures; their identities are only reported on.
        recipe: its ``retrain`` (but for what concerns labels), ``data`` and ``seed``. Batches have
            ``data.identities`` groups, or all where there are fewer.
        settings: of the groups and the loss.
        on_epoch: told of every finished epoch.
        on_batch: told of the batches of an epoch that are done, and their number.
        checkpoint: file that is replaced after every epoch; where it exists, the training goes on
            behind the epochs it holds.

    Returns:
        The network in evaluation mode, on the recipe's device.

    Raises:
        ValueError: if a picture cannot be read, fewer than two groups are found, the loss is no
            longer finite, the checkpoint is broken, or the recipe asks for several devices or puts
            identities aside.
    """
    require_none_needs_labels(recipe)
    channels_last(network)
    learner = _Learner(network)
    ordered = sorted(sightings, key=lambda sighting: sighting.path)
    unknown = [replace(sighting, identity=_NOBODY) for sighting in ordered]
    groups = _Groups(learner, unknown, recipe, settings)

    def told(epoch: TrainingEpoch) -> None:
        labels = groups.labels
        on_epoch(
            UnsupervisedEpoch(
                **vars(replace(epoch, best=True)),
                groups=int(labels.max()) + 1,
                outliers=int((labels == OUTLIER).sum()),
                rand=_rand(labels, [sighting.identity for sighting in ordered]),
            )
        )

    def absorbed(done: int, batches: int) -> None:
        learner.absorb()
        if on_batch is not None:
            on_batch(done, batches)

    with seeded(recipe.seed):
        fit(
            learner,
            groups.on,
            course_of(recipe),
            listener=Listener(told, absorbed),
            checkpoint=checkpoint,
        )
    return network


class _Learner(Objective):
    """The contrastive loss of the network's feature against the centroids of all groups."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        # No part of the state: every epoch begins with a new one.
        self._memory: tuple[ContrastiveMemory, ...] = ()
        self._seen: tuple[Tensor, Tensor] | None = None

    def remember(self, memory: ContrastiveMemory) -> None:
        """Learn with other centroids from now on."""
        self._memory, self._seen = (memory,), None

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Of a batch; keeps its features to be absorbed."""
        feature = self.network(batch.images.contiguous(memory_format=torch.channels_last))
        self._seen = feature.detach(), batch.identities
        (memory,) = self._memory
        return memory.loss(feature, batch.identities)

    def absorb(self) -> None:
        """Move the centroids towards the features of the last loss, once."""
        if self._seen is not None:
            (memory,) = self._memory
            memory.absorb(*self._seen)
        self._seen = None


class _Groups:
    """The batches of a training whose labels are found anew at the beginning of every epoch."""

    def __init__(
        self,
        learner: _Learner,
        sightings: Sequence[Sighting],
        recipe: Recipe,
        settings: Unsupervised,
    ) -> None:
        self._learner, self._recipe, self._settings = learner, recipe, settings
        self._sightings = sightings
        self._pictures = self._read(self._sightings, progress="training pictures")
        self._device, self._epoch = torch.device("cpu"), 0
        self.labels: Int64[Tensor, " N"] = torch.full((len(sightings),), OUTLIER)

    def on(self, device: torch.device, _number: int) -> "_Groups":
        """The same with everything on a device."""
        self._device = device
        return self

    def __len__(self) -> int:
        data = self._recipe.data
        once = len(self._sightings) // (data.identities * data.images)
        return self._settings.batches or max(1, once)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        """Group all pictures, and hand out those of the groups."""
        seen = embed(self._learner.network, self._pictures, self._sightings, device=self._device)
        found = seen.vectors.clone()
        compared = found
        if self._settings.cameras == "standardised":
            compared = standardised_by_camera(found, seen.cameras)
        self.labels = self._grouped(compared).cpu()
        self._learner.remember(self._centroids(found))
        passes = chain.from_iterable(repeat(self._loader()))
        yield from islice(passes, len(self))

    def _grouped(self, feature: Float[Tensor, "N D"]) -> Int64[Tensor, " N"]:
        settings = self._settings
        labels = pseudo_labels(
            feature,
            eps=settings.eps,
            min_samples=settings.min_samples,
            distance=settings.distance,
            k1=settings.k1,
            k2=settings.k2,
        )
        groups, outliers = int(labels.max()) + 1, int((labels == OUTLIER).sum())
        if groups < _FEWEST_GROUPS:
            raise ValueError(
                f"Before epoch {self._epoch + 1} the {len(labels):,} training pictures made"
                f" {groups} group(s), and {outliers:,} outliers were in none: two groups are"
                f" needed to learn from; change eps, which is {settings.eps} (larger takes more"
                " pictures into groups, smaller divides groups), or begin with trained weights."
            )
        return labels

    def _centroids(self, feature: Float[Tensor, "N D"]) -> ContrastiveMemory:
        memory = ContrastiveMemory(
            range(int(self.labels.max()) + 1),
            feature.shape[1],
            temperature=self._settings.temperature,
            momentum=self._settings.momentum,
            owner="the groups'",
        ).to(self._device)
        kept = (self.labels != OUTLIER).to(self._device)
        memory.initialise([(feature[kept], self.labels.to(self._device)[kept])])
        return memory

    def _loader(self) -> BatchLoader:
        """Of the pictures in groups; every pass over it is another."""
        recipe, groups = self._recipe, int(self.labels.max()) + 1
        named = [
            replace(sighting, identity=label)
            for sighting, label in zip(self._sightings, self.labels.tolist(), strict=True)
            if label != OUTLIER
        ]
        return BatchLoader(
            self._read(named, progress=None),
            named,
            {label: label for label in range(groups)},
            identities=min(recipe.data.identities, groups),
            images=recipe.data.images,
            augmentation=recipe.retrain.augmentation,
            twin=Twin.TRAIN,
            seed=mixed_seed(recipe.seed, self._epoch),
            device=self._device,
        )

    def _read(self, sightings: Sequence[Sighting], *, progress: str | None) -> Pictures:
        data = self._recipe.data
        return Pictures(
            sightings, height=data.height, width=data.width, cached=data.cached, progress=progress
        )


def _rand(labels: Int64[Tensor, " N"], identities: Sequence[int]) -> float:
    from sklearn.metrics import adjusted_rand_score

    kept = labels != OUTLIER
    return float(adjusted_rand_score(torch.tensor(identities)[kept].numpy(), labels[kept].numpy()))


def require_none_needs_labels(recipe: Recipe) -> None:
    """Nothing happens where a recipe asks for nothing that cannot be without labels.

    Raises:
        ValueError: if it does.
    """
    settings = recipe.retrain
    if settings.devices > 1 or settings.held_out or settings.alignment.mode != "none":
        raise ValueError(
            f"A training without labels was asked for with retrain.devices = {settings.devices},"
            f" retrain.held_out = {settings.held_out} and retrain.alignment.mode"
            f" {settings.alignment.mode!r}: one device, 0 and 'none' are needed, as centroids lie"
            " on one device, and no identity is known to be put aside or aligned."
        )
