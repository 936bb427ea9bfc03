"""A training that does not begin from scratch: weights of a file, as far as they have a place."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from nas_space.checkpoints import Matched, load_foreign
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import FORMAT, read_network
from nas_space.torch_file import read_tensors


def begin_with(network: EmbeddingNetwork, file: Path) -> Matched:
    """Put a file's weights into a network, in place.

    Args:
        network: any.
        file: that ``pretrain`` or another training wrote, or one that others published.

    Returns:
        What became of the names. Classifiers are in no file of this project, and have no place.

    Raises:
        ValueError: if the file is neither, no name has a place, or a tensor has another shape
            than its place.
    """
    content = read_tensors(file)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return _taken_over(network, read_network(file).weights, file.name)
    return load_foreign(network, file)


def fingerprint(file: Path) -> str:
    """Eight hexadecimal digits that tell a file's content.

    Raises:
        ValueError: if there is no such file.
    """
    if not file.is_file():
        raise ValueError(f"There is no file {file}: give one that a training or an author wrote.")
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:8]


def _taken_over(network: EmbeddingNetwork, found: dict[str, Tensor], file: str) -> Matched:
    places = network.state_dict()
    matched = sorted(places.keys() & found.keys())
    different = [
        f"{name} {list(found[name].shape)} for {list(places[name].shape)}"
        for name in matched
        if found[name].shape != places[name].shape
    ]
    if different or not matched:
        raise ValueError(
            f"{len(different)} of the {len(matched)} weights of {file} that have a place are of"
            f" another shape ({', '.join(different[:3]) or 'none has a place'}): take weights of"
            " the same network, genotype and widths."
        )
    with torch.no_grad():
        for name in matched:
            places[name].copy_(found[name])
    missing, unexpected = (places.keys() - found.keys(), found.keys() - places.keys())
    return Matched(tuple(matched), tuple(sorted(missing)), tuple(sorted(unexpected)))
