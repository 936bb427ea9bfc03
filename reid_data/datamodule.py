"""The pictures of a search: searched identities divided as a strategy asks, others held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch

from reid_data.batch import Twin
from reid_data.loader import BatchLoader, TwinLoader
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import Augmentation
from reid_data.twin_split import Split, TwinShares, closed_set_split, labels_of, twin_split

SplitKind = Literal["twin", "closed_set"]
"""By identities, which the twins share in part; or the same identities with other pictures."""


class Side(NamedTuple):
    """One side of a search.

    Attributes:
        loader: of its batches, augmented.
        labels: of its identities, sorted.
    """

    loader: TwinLoader
    labels: tuple[int, ...]


class Sides(NamedTuple):
    """What moves the weights and what moves the architecture; no picture is on both.

    Attributes:
        train: moves the weights.
        val: moves the architecture.
        identities: I, of both sides together.
    """

    train: Side
    val: Side
    identities: int


@dataclass(frozen=True)
class SearchData:
    """Sightings of a search before anything is split; pictures are decoded when they are needed.

    Attributes:
        searched: pictures the search may learn from.
        held_out: pictures of other identities, which score it; may be empty.
        height: of a picture, pixels.
        width: of a picture, pixels.
        identities: P, identities of a batch.
        images: K, pictures of each.
        augmentation: of both sides.
        seed: of the split, the order and the augmentation.
        camera_rule: of the held-out score.
        progress: show a bar while pictures are decoded.
        cached: keep decoded pictures for later runs; or decode them whenever they are needed.
        workers: threads per side that make batches ahead.

    Raises:
        ValueError: an identity is both searched and held out.
    """

    searched: tuple[Sighting, ...]
    held_out: tuple[Sighting, ...]
    height: int = 256
    width: int = 128
    identities: int = 16
    images: int = 4
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    camera_rule: bool = True
    progress: bool = False
    cached: bool = True
    workers: int = 0

    def __post_init__(self) -> None:
        both = {s.identity for s in self.searched} & {s.identity for s in self.held_out}
        if both:
            raise ValueError(
                f"{len(both)} identities such as {min(both)} are both searched and held out: take"
                " them off with hold_out before the search."
            )

    def split(self, kind: str, shares: TwinShares) -> Split:
        """The searched pictures in two.

        Args:
            kind: "twin" by identities, "closed_set" with the same identities on both sides.
            shares: of identities; without effect on a closed set.

        Raises:
            ValueError: the kind is unknown, or there are too few pictures for it.
        """
        splits: dict[str, Callable[[], Split]] = {
            "twin": lambda: twin_split(self.searched, shares, seed=self.seed),
            "closed_set": lambda: closed_set_split(self.searched, seed=self.seed),
        }
        if kind not in splits:
            raise ValueError(f"A split {kind!r} was asked for: use one of {', '.join(splits)}.")
        return splits[kind]()

    def sides(self, kind: str, shares: TwinShares, *, device: torch.device | None = None) -> Sides:
        """Loaders of both sides; every searched picture the cache lacks is decoded here, once.

        Args:
            kind: "twin" by identities, "closed_set" with the same identities on both sides.
            shares: of identities; without effect on a closed set.
            device: where batches are augmented and handed over.

        Raises:
            ValueError: as :meth:`split`; a picture cannot be read; or a side has fewer identities
                than a batch.
        """
        split = self.split(kind, shares)
        labels = labels_of(split)

        def side(twin: Twin, sightings: Sequence[Sighting]) -> Side:
            loader = BatchLoader(
                self.pictures(sightings, f"{twin} pictures"),
                sightings,
                labels,
                identities=self.identities,
                images=self.images,
                augmentation=self.augmentation,
                twin=twin,
                seed=self.seed,
                device=device,
                workers=self.workers,
            )
            return Side(loader, tuple(sorted({labels[s.identity] for s in sightings})))

        return Sides(side(Twin.TRAIN, split.train), side(Twin.VAL, split.val), len(labels))

    def pictures(self, sightings: Sequence[Sighting], called: str) -> Pictures:
        """Pictures in this search's size.

        Raises:
            ValueError: a picture cannot be read, or the cache not be written.
        """
        return Pictures(
            sightings,
            height=self.height,
            width=self.width,
            cached=self.cached,
            progress=called if self.progress else None,
        )
