"""Epochs of augmented batches, each of which can be made again exactly."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from reid_data.batch import Batch, Twin
from reid_data.pictures import Pictures
from reid_data.pk_sampler import PKSampler
from reid_data.prefetch import in_order
from reid_data.randomness import generator_of, mixed_seed
from reid_data.records import Sighting
from reid_data.share import WHOLE, Share
from reid_data.transforms import Augmentation, Drawn, augmented, draw, normalise

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
        workers: threads that make the next batches meanwhile, without any influence on what is in
            them; 0 makes each when it is asked for.
        share: of every epoch, where several processes go through it together.

    Raises:
        ValueError: If the pictures are not those of the sightings, an identity has no label, there
            are fewer than P identities, or the number of workers is negative.
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
        workers: int = 0,
        share: Share = WHOLE,
    ) -> None:
        if workers < 0:
            raise ValueError(f"{workers} workers were asked for: give 0 or more.")
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
        self._device, self._workers = device or torch.device("cpu"), workers
        self._share = share

    def __len__(self) -> int:
        """Batches of an epoch, or of the share of it; the same for every epoch."""
        return self._share.length(len(self._sampler))

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
        plans = self._share.taken(partial(self._plans, epoch), len(self._sampler))
        jobs = (partial(self._begun, indices, drawn) for indices, drawn in plans)
        for indices, drawn, begun in in_order(jobs, workers=self._workers):
            raw = begun.dtype == torch.uint8
            yield Batch(
                images=augmented(begun.to(self._device), drawn) if raw else begun,
                identities=self._labels[indices].to(self._device),
                cameras=self._cameras[indices].to(self._device),
                twin=self._twin,
            )

    def _plans(self, epoch: int) -> Iterator[tuple[Tensor, Drawn]]:
        """Pictures and random numbers of the batches, which are all there is to draw."""
        generator = generator_of(self._augmentation_seed, epoch)
        height, width = self._pictures.size
        for batch in self._sampler.batches(epoch):
            drawn = draw(len(batch), height, width, self._augmentation, generator)
            yield torch.tensor(batch), drawn

    def _begun(self, indices: Tensor, drawn: Drawn) -> tuple[Tensor, Drawn, Tensor]:
        """What a worker does of a batch: all of it, or all that is done on the processor."""
        images = self._pictures.read(indices)
        return indices, drawn, augmented(images, drawn) if self._device.type == "cpu" else images
