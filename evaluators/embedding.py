"""The features a network gives a set of pictures, in memory or decoded a chunk at a time.

Letters: N pictures, B of them in a batch, H x W pixels, D dimensions of a feature.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from evaluators.retrieval import Features
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
    """Features of pictures that are in memory, in their order, without augmentation.

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
    with _bar(len(sightings), progress) as done, _still(network):
        vectors = _vectors(network, pictures, torch.device(device), batch_size, flip, done)
    return _features(vectors, sightings)


def embed_sightings(
    network: Network,
    sightings: Sequence[Sighting],
    *,
    height: int,
    width: int,
    device: torch.device | str,
    chunk: int = 4096,
    batch_size: int = 128,
    flip: bool = False,
    progress: str | None = None,
) -> Features:
    """``embed`` for pictures that need not fit into memory: read, embedded and forgotten by chunks.

    Args:
        network: as for ``embed``.
        sightings: the pictures.
        height: ``H``, pixels.
        width: ``W``, pixels.
        device: as for ``embed``.
        chunk: pictures in memory at once, ``3 H W`` bytes each: 0.4 GB of 256 x 128.
        batch_size: as for ``embed``.
        flip: as for ``embed``.
        progress: as for ``embed``.

    Raises:
        ValueError: as for ``embed``, and if pictures cannot be read.
    """
    vectors: list[Tensor] = []
    with _bar(len(sightings), progress) as done, _still(network):
        for start in range(0, len(sightings), chunk):
            pictures = Pictures(sightings[start : start + chunk], height=height, width=width)
            vectors += _vectors(network, pictures, torch.device(device), batch_size, flip, done)
    return _features(vectors, sightings)


def _vectors(
    network: Network,
    pictures: Pictures,
    device: torch.device,
    batch_size: int,
    flip: bool,
    done: Callable[[int], object],
) -> list[Float[Tensor, "B D"]]:
    """Outputs of the network, one entry per batch; ``done`` hears the size of each batch."""
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
        done(len(x))
    return vectors


def _features(vectors: Sequence[Tensor], sightings: Sequence[Sighting]) -> Features:
    if not vectors:
        raise ValueError("There are no pictures to embed: hand in at least one sighting.")
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


@contextmanager
def _bar(total: int, progress: str | None) -> Iterator[Callable[[int], object]]:
    """A progress bar in pictures; gives what to call with the number of new ones."""
    with tqdm(total=total, desc=progress, unit="picture", disable=progress is None) as bar:
        yield bar.update
