"""The features a network gives a set of pictures, a batch at a time.

Letters: N pictures, B of them in a batch, H x W pixels, D dimensions of a feature.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from evaluators.retrieval import Features
from reid_data.bars import Bar, bar
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import normalise

Network = nn.Module | Callable[[Tensor], Tensor]
"""Maps normalised pictures [B 3 H W] to features [B D]."""


def embed(
    network: Network,
    pictures: Pictures,
    sightings: Sequence[Sighting],
    *,
    device: torch.device | str,
    batch_size: int = 128,
    flip: bool = False,
    progress: str | None = None,
) -> Features:
    """Features of pictures in their order, without augmentation.

    Args:
        network: a module is in eval mode meanwhile; every part of it then gets back the mode it
            had.
        pictures: picture ``i`` shows sighting ``i``.
        sightings: whom they show, and from which camera.
        device: where the network is, and where the features will be.
        batch_size: pictures at a time.
        flip: take the mean of the features of a picture and of its mirror image.
        progress: what to call the work in a progress bar, or None for no bar.

    Returns:
        Raw outputs of the network in float32; retrieval makes them unit length.

    Raises:
        ValueError: if there is no picture, pictures and sightings differ in number, or the network
            does not give one vector per picture.
    """
    if len(pictures) != len(sightings):
        raise ValueError(
            f"There are {len(pictures)} pictures of {len(sightings)} sightings: hand in the"
            " sightings that the pictures were read from, in the same order."
        )
    if not sightings:
        raise ValueError("There are no pictures to embed: hand in at least one sighting.")
    with bar(total=len(sightings), desc=progress, unit="picture") as done, _still(network):
        vectors = _vectors(network, pictures, torch.device(device), batch_size, flip, done)
    return _features(vectors, sightings)


def embed_sightings(
    network: Network,
    sightings: Sequence[Sighting],
    *,
    height: int,
    width: int,
    device: torch.device | str,
    batch_size: int = 128,
    flip: bool = False,
    cached: bool = True,
    progress: str | None = None,
) -> Features:
    """``embed`` for the pictures of sightings; no more of them than a batch need be in memory.

    Args:
        network: as for ``embed``.
        sightings: the pictures.
        height: ``H``, pixels.
        width: ``W``, pixels.
        device: as for ``embed``.
        batch_size: as for ``embed``.
        flip: as for ``embed``.
        cached: take the pictures from the cache, and decode first what it lacks; or decode each
            when its batch comes.
        progress: as for ``embed``; also of the decoding.

    Raises:
        ValueError: as for ``embed``, and if pictures cannot be read or the cache cannot be
            written.
    """
    pictures = Pictures(sightings, height=height, width=width, cached=cached, progress=progress)
    return embed(
        network,
        pictures,
        sightings,
        device=device,
        batch_size=batch_size,
        flip=flip,
        progress=progress,
    )


def _vectors(
    network: Network,
    pictures: Pictures,
    device: torch.device,
    batch_size: int,
    flip: bool,
    done: Bar[Any],
) -> list[Float[Tensor, "B D"]]:
    """Outputs of the network, one entry per batch."""
    vectors = []
    for batch in torch.split(torch.arange(len(pictures)), batch_size):
        with torch.inference_mode():
            x = normalise(pictures.read(batch).to(device))
            v = network(x)
            if v.ndim != 2 or len(v) != len(x):
                raise ValueError(
                    f"The network gave {list(v.shape)} for {len(x)} pictures and [{len(x)}, D] is"
                    " needed: hand in the part that ends with one vector per picture."
                )
            if flip:
                v = (v + network(x.flip(3))) / 2
            vectors.append(v.float())
        done.update(len(x))
    return vectors


def _features(vectors: Sequence[Tensor], sightings: Sequence[Sighting]) -> Features:
    v = torch.cat(list(vectors))
    return Features(
        vectors=v,
        identities=torch.tensor([s.identity for s in sightings], device=v.device),
        cameras=torch.tensor([s.camera for s in sightings], device=v.device),
    )


@contextmanager
def _still(network: Network) -> Iterator[None]:
    """Every part of the network in eval mode, and afterwards in the mode it had."""
    parts = list(network.modules()) if isinstance(network, nn.Module) else []
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
