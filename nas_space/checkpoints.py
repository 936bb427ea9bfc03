"""Weights that others published, under the names they gave them, into the networks here.

Layouts: ``"msinet_authors"``, MSINet's public code (``msinet_msmt.pth.tar``, or a model it
trained), ``"torchvision_resnet50"``, torchvision's ResNets (``resnet50-*.pth``), and
``"torchvision_mobilenet_v3"`` (``mobilenet_v3_large-*.pth``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from nas_space.foreign_names import RENAMERS, TELLING
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import FORMAT
from nas_space.torch_file import read_tensors

Layout = Literal["msinet_authors", "torchvision_resnet50", "torchvision_mobilenet_v3", "auto"]
"""Whose names a file has; ``"auto"`` tells by the names themselves."""

_WRAPPED = "state_dict"
_PARALLEL = "module."
"""In front of every name, where several GPUs trained."""
_COUNTER = "num_batches_tracked"
"""Of a normalisation; no result depends on it, and old files lack it."""


class Matched(NamedTuple):
    """What became of the names of a file and of a network; sorted."""

    matched: tuple[str, ...]
    """The network's names that got the file's weights."""
    missing: tuple[str, ...]
    """The network's names that kept the weights they had; without a normalisation's counter."""
    unexpected: tuple[str, ...]
    """The file's names the network has no place for."""

    def __str__(self) -> str:
        """Three lines for a person."""
        lines = (
            f"{label} ({len(names)}): {', '.join(names) or '-'}"
            for label, names in self._asdict().items()
        )
        return "\n".join(lines)


def load_foreign(network: EmbeddingNetwork, file: Path | str, layout: Layout = "auto") -> Matched:
    """Put a file's weights into a network, as far as it has places of that name.

    The published MSINet subtracts in its cross attentions (decision 2), so that a network with
    ``subtract=False`` takes its weights and gives other features.

    Args:
        network: changed in place, and not at all if an error is raised.
        file: a state dict, or a dict with one under ``state_dict``.
        layout: whose names it has.

    Raises:
        ValueError: if the file cannot be read without running it, its names are not those of the
            layout or none of them has a place, or a tensor has another shape than its place.
    """
    found = _state_dict(file)
    rename = RENAMERS[_recognised(found, Path(file).name) if layout == "auto" else layout]
    weights = network.state_dict()
    places = {name: rename(name) for name in found}
    taken = {place: name for name, place in places.items() if place in weights}
    if not taken:
        raise ValueError(
            f"None of the {len(found)} names in {Path(file).name} has a place in"
            f" {type(network).__name__}: load it into the network it was made for."
        )
    _check_shapes(taken, found, weights)
    with torch.no_grad():
        for place, name in taken.items():
            weights[place].copy_(found[name])
    missing = (name for name in weights.keys() - taken.keys() if not name.endswith(_COUNTER))
    unexpected = found.keys() - set(taken.values())
    return Matched(tuple(sorted(taken)), tuple(sorted(missing)), tuple(sorted(unexpected)))


def _state_dict(file: Path | str) -> dict[str, Tensor]:
    """Name -> tensor, without what training on several GPUs puts in front."""
    content, name = read_tensors(file), Path(file).name
    if isinstance(content, dict) and content.get("format") == FORMAT:
        raise ValueError(f"{name} is a network of this project: read it with load_network.")
    if isinstance(content, dict) and isinstance(content.get(_WRAPPED), Mapping):
        content = content[_WRAPPED]
    if not isinstance(content, dict) or not _are_weights(content):
        raise ValueError(
            f"{name} holds no state dict: names with a tensor each are needed, alone or under"
            f" {_WRAPPED!r}."
        )
    return {key.removeprefix(_PARALLEL): tensor for key, tensor in content.items()}


def _are_weights(content: Mapping[Any, Any]) -> bool:
    named = all(isinstance(key, str) for key in content)
    return bool(content) and named and all(isinstance(v, Tensor) for v in content.values())


def _check_shapes(
    taken: Mapping[str, str], found: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> None:
    different = [
        f"{name} {list(found[name].shape)} for {place} {list(weights[place].shape)}"
        for place, name in sorted(taken.items())
        if found[name].shape != weights[place].shape
    ]
    if different:
        raise ValueError(
            f"{len(different)} tensors have another shape than their place: {', '.join(different)};"
            " build the network with the widths and the genotype of the file."
        )


def _recognised(found: Mapping[str, Tensor], file: str) -> str:
    for layout, telling in TELLING.items():
        if telling in found:
            return layout
    raise ValueError(
        f"{file} has names of no known layout, such as {min(found)}: weights of MSINet's authors,"
        " of torchvision's ResNets or of its MobileNetV3-Large are needed."
    )
