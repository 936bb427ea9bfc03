"""Epochs of augmented batches, each of which can be made again exactly."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch

from reid_data.batch import Batch, Twin
from reid_data.pictures import Pictures
from reid_data.pk_sampler import PKSampler
from reid_data.randomness import generator_of, mixed_seed
from reid_data.records import Sighting
from reid_data.transforms import Augmentation, augment, normalise

_SIDES = tuple(Twin)


@runtime_checkable
class TwinLoader(Protocol):
    """What a search asks of the loader of one side."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""

    def still(self, *, size: int = 64) -> Iterator[Batch]:
        """Every picture once, in batches of at most ``size``; begins no epoch."""


class BatchLoader:
    """The batches of one side of a search; every pass over it is the next epoch.

    What an epoch holds depends on the arguments and the epoch's number alone: a run that broke
    off sets the number and goes on as if it had not. The two sides draw different numbers from
    one seed.

    Args:
        pictures: of the sightings, in their order.
        sightings: one side of a split.
        labels: identity of the data set -> label in ``0..I-1``.
        identities: P, identities of a batch.
        images: K, pictures of each.
        augmentation: of every picture, each time it is met.
        twin: the side the batches belong to.
        seed: of the order and of the augmentation.
        device: where the batches are augmented and handed over.

    Raises:
        ValueError: If the pictures are not those of the sightings, an identity has no label, or
            there are fewer than P identities.
    """

    def __init__(
        self,
        pictures: Pictures,
        sightings: Sequence[Sighting],
        labels: Mapping[int, int],
        *,
        identities: int,
        images: int,
        augmentation: Augmentation,
        twin: Twin,
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        if len(pictures) != len(sightings):
            raise ValueError(
                f"{len(pictures)} pictures were given for {len(sightings)} sightings: read the"
                " pictures of exactly these sightings."
            )
        unlabelled = {sighting.identity for sighting in sightings} - labels.keys()
        if unlabelled:
            raise ValueError(
                f"{len(unlabelled)} identities such as {min(unlabelled)} have no label: take"
                " sightings and labels from one split."
            )
        own_labels = [labels[sighting.identity] for sighting in sightings]
        side = _SIDES.index(twin)
        self._sampler = PKSampler(
            own_labels, identities=identities, images=images, seed=mixed_seed(seed, side, 0)
        )
        self._augmentation_seed = mixed_seed(seed, side, 1)
        self._pictures = pictures
        self._labels = torch.tensor(own_labels)
        self._cameras = torch.tensor([sighting.camera for sighting in sightings])
        self._augmentation, self._twin, self._epoch = augmentation, twin, 0
        self._device = device or torch.device("cpu")

    def __len__(self) -> int:
        """Batches of an epoch, the same for every epoch."""
        return len(self._sampler)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        """Begin the current epoch; the next pass will be the one after it."""
        epoch = self._epoch
        self._epoch += 1
        return self._batches(epoch)

    def still(self, *, size: int = 64) -> Iterator[Batch]:
        """Every picture once, in order, without augmentation; begins no epoch.

        Args:
            size: pictures at a time.
        """
        for indices in torch.split(torch.arange(len(self._pictures)), size):
            yield Batch(
                images=normalise(self._pictures.read(indices).to(self._device)),
                identities=self._labels[indices].to(self._device),
                cameras=self._cameras[indices].to(self._device),
                twin=self._twin,
            )

    def _batches(self, epoch: int) -> Iterator[Batch]:
        generator = generator_of(self._augmentation_seed, epoch)
        for batch in self._sampler.batches(epoch):
            indices = torch.tensor(batch)
            raw = self._pictures.read(indices).to(self._device)
            yield Batch(
                images=augment(raw, self._augmentation, generator),
                identities=self._labels[indices].to(self._device),
                cameras=self._cameras[indices].to(self._device),
                twin=self._twin,
            )
