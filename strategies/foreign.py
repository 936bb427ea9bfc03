"""Searching with an evaluator that is not of this project: its two loaders become the twins.

What is needed, all of it in NNI's own ``Lightning(module, trainer, train, val)``:

* The module offers ``embed(images)``, which returns a row of numbers per image, and configures one
  optimiser. Only ``TCM(criterion="evaluator")`` also asks for its ``loss(batch)``, and only a
  strategy without memories for its ``training_step(batch, batch_idx)``; both are given a ``Batch``.
* ``train_dataloaders`` is the train twin and ``val_dataloaders`` the val twin; the strategy's own
  split and shares are without effect. Nobody checks that no picture is in both.
* A batch is a ``Batch``, or a tuple that begins with images and identities. What follows is taken
  for camera numbers where it can be, and ignored otherwise. Identities are whole numbers, the same
  in both loaders for the same person: whoever is in both is shared by the twins.
* A loader can be passed over again and again, and every pass has as many batches and the same
  identities as the first: a pass over each, before the search, tells which there are.

A foreign loader shuffles and augments as it likes, so that a search with it can be repeated as far
as the loader can. Where it or its sampler has a ``set_epoch``, it is told the epoch of its own that
begins, no two of which have the same number.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reid_data.batch import Batch, Twin
from reid_data.datamodule import Side, Sides

NO_CAMERA = -1
"""Stands for the camera of a picture whose loader names none."""

_FEWEST_IDENTITIES = 2


class ForeignLoader:
    """A loader of an evaluator that is not of this project, as one side of a search.

    Args:
        loader: gives batches, pass after pass.
        labels: identity as the loader numbers it -> label in ``0..I-1``; of this twin alone.
        batches: of every pass.
        twin: the side the batches belong to.
    """

    def __init__(
        self, loader: Iterable[Any], labels: Mapping[int, int], *, batches: int, twin: Twin
    ) -> None:
        self._loader, self._labels = loader, labels
        self._batches, self._twin = batches, twin

    def __len__(self) -> int:
        """Batches of a pass."""
        return self._batches

    def set_epoch(self, epoch: int) -> None:
        """Tells the loader and its samplers, if they want to know."""
        samplers = (getattr(self._loader, name, None) for name in ("batch_sampler", "sampler"))
        for part in (self._loader, *samplers):
            if callable(tell := getattr(part, "set_epoch", None)):
                tell(epoch)

    def __iter__(self) -> Iterator[Batch]:
        """A pass.

        Raises:
            ValueError: it is not what the first pass was.
        """
        batches = 0
        for raw in self._loader:
            batches += 1
            yield self._labelled(_seen(raw, self._twin))
        if batches != self._batches:
            raise ValueError(
                f"The number of batches in a pass over the {self._twin} loader is {batches}, and in"
                f" the first pass it was {self._batches}: use a loader whose passes are equally"
                " long, and not an iterator, which has one pass only."
            )

    def still(self, *, size: int = 64) -> Iterator[Batch]:
        """A pass in smaller batches; in the loader's order, and with its augmentation.

        Args:
            size: pictures at a time, at most.
        """
        for batch in self:
            images, identities, cameras = (torch.split(part, size) for part in batch[:3])
            for parts in zip(images, identities, cameras, strict=True):
                yield Batch(*parts, twin=self._twin)

    def _labelled(self, seen: "_Seen") -> Batch:
        unknown = set(seen.identities.tolist()) - self._labels.keys()
        if unknown:
            raise ValueError(
                f"The {self._twin} loader shows identity {min(unknown)}, which its first pass did"
                " not: use a loader every pass of which has all its identities (drop_last=False)."
            )
        labels = torch.tensor([self._labels[identity] for identity in seen.identities.tolist()])
        return Batch(seen.images, labels.to(seen.identities.device), seen.cameras, self._twin)


def foreign_sides(evaluator: Any) -> Sides:
    """The loaders of a foreign evaluator as the sides of a search; passes over each of them once.

    Args:
        evaluator: as this file says.

    Raises:
        TypeError: its module cannot embed.
        ValueError: a loader is missing, a batch names no identities, or a loader has fewer than 2.
    """
    module = getattr(evaluator, "module", None)
    if not callable(getattr(module, "embed", None)):
        raise TypeError(
            f"The evaluator is a {type(evaluator).__name__}, and its module, a"
            f" {type(module).__name__}, has no embed, by whose features a search compares pictures:"
            " give the module a method embed(images) that returns a row of numbers per image, or"
            " use ReidEvaluator."
        )
    loaders: dict[Twin, Any] = {
        twin: getattr(evaluator, f"{twin}_dataloaders", None) for twin in Twin
    }
    missing = [f"{twin}_dataloaders" for twin, loader in loaders.items() if loader is None]
    if missing:
        raise ValueError(
            f"The evaluator has no {' and no '.join(missing)}, and a search needs a loader for the"
            " weights and one for the architecture: give both to Lightning(...), also where a"
            " data module makes them."
        )
    passes = {twin: _first_pass(loader, twin) for twin, loader in loaders.items()}
    everyone = sorted(set().union(*(first.identities for first in passes.values())))
    label = {identity: label for label, identity in enumerate(everyone)}

    def side(twin: Twin) -> Side:
        first = passes[twin]
        own = {identity: label[identity] for identity in sorted(first.identities)}
        loader = ForeignLoader(loaders[twin], own, batches=first.batches, twin=twin)
        return Side(loader, tuple(own.values()))

    return Sides(side(Twin.TRAIN), side(Twin.VAL), len(everyone))


class _Seen(NamedTuple):
    images: Tensor
    identities: Tensor
    cameras: Tensor


class _FirstPass(NamedTuple):
    identities: set[int]
    batches: int


def _first_pass(loader: Iterable[Any], twin: Twin) -> _FirstPass:
    identities: set[int] = set()
    batches = 0
    for raw in loader:
        batches += 1
        identities |= set(_seen(raw, twin).identities.tolist())
    if len(identities) < _FEWEST_IDENTITIES:
        raise ValueError(
            f"The number of identities in the {twin} loader is {len(identities)}, and at least"
            f" {_FEWEST_IDENTITIES} are needed to tell one from another: give pictures of more."
        )
    return _FirstPass(identities, batches)


def _seen(raw: Any, twin: Twin) -> _Seen:
    parts = tuple(raw) if isinstance(raw, tuple | list) else ()
    if len(parts) < 2 or not _numbers(parts[1], like=parts[0]):
        raise ValueError(
            f"A batch of the {twin} loader is {_described(raw)}, and images with a whole number"
            " per image, its identity, are needed: let the loader give a Batch or a tuple"
            " (images, identities)."
        )
    images, identities, *rest = parts
    if rest and _numbers(rest[0], like=images):
        return _Seen(images, identities, rest[0])
    return _Seen(images, identities, torch.full_like(identities, NO_CAMERA, dtype=torch.long))


def _numbers(part: Any, *, like: Any) -> bool:
    """Whether a part of a batch holds a whole number per image."""
    return (
        isinstance(part, Tensor)
        and isinstance(like, Tensor)
        and not (part.is_floating_point() or part.is_complex() or part.dtype == torch.bool)
        and part.shape == like.shape[:1]
    )


def _described(raw: Any) -> str:
    if isinstance(raw, Tensor):
        return f"a tensor of {raw.dtype} {list(raw.shape)}".replace("torch.", "")
    if isinstance(raw, tuple | list):
        return f"({', '.join(_described(part) for part in raw)})"
    return f"a {type(raw).__name__}"
