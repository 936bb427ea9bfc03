"""Weights that others published, under the names they gave them, into the networks here.

Layouts: ``"msinet_authors"``, MSINet's public code (``msinet_msmt.pth.tar``, or a model it
trained), ``"torchreid_osnet"``, Torchreid's OSNet x1.0 (``osnet_x1_0_imagenet.pth``, or a model it
trained), ``"torchvision_resnet50"``, torchvision's ResNets (``resnet50-*.pth``),
``"torchvision_mobilenet_v3"`` (``mobilenet_v3_large-*.pth``), and ``"timm_vit"``, the vision
transformers of timm and of DeiT (``deit_tiny_patch16_224-*.pth``).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from nas_space.foreign_names import RENAMERS, TELLING
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import FORMAT
from nas_space.peers import Grid, VisionTransformer, resized_positions
from nas_space.torch_file import read_tensors

Layout = Literal[
    "msinet_authors",
    "torchreid_osnet",
    "torchvision_resnet50",
    "torchvision_mobilenet_v3",
    "timm_vit",
    "auto",
]
"""Whose names a file has; ``"auto"`` tells by the names themselves."""

HEADS = ("head", "global_head", "local_head", "reduce")
"""Parts of a network that a pre-training does not know, or gives other tasks."""

POSITIONS = "encoder.pos_embedding"
"""Of a vision transformer."""

_WRAPPED = ("state_dict", "model")
"""Under which of these a file may hold its weights."""
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
    resized: tuple[str, ...] = ()
    """Of the matched, what was made to fit pictures of another size, and from which to which."""

    def __str__(self) -> str:
        """Three lines for a person, and a fourth where something was resized."""
        lines = [
            f"{label} ({len(names)}): {', '.join(names) or '-'}"
            for label, names in self._asdict().items()
        ]
        return "\n".join(lines if self.resized else lines[:-1])


def load_foreign(network: EmbeddingNetwork, file: Path | str, layout: Layout = "auto") -> Matched:
    """Put a file's weights into a network, as far as it has places of that name.

    The published MSINet subtracts in its cross attentions (decision 2), so that a network with
    ``subtract=False`` takes its weights and gives other features.

    Args:
        network: changed in place, and not at all if an error is raised.
        file: a state dict, or a dict with one under ``state_dict`` or ``model``.
        layout: whose names it has.

    Raises:
        ValueError: if the file cannot be read without running it, its names are not those of the
            layout, none of them has a place or one of a backbone has none, or a tensor has another
            shape than its place (a transformer's positions are resized from those of a square
            picture).
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
    _require_no_larger(places, weights, Path(file).name)
    resized = _resize_positions(network, taken, found)
    _check_shapes(taken, found, weights)
    with torch.no_grad():
        for place, name in taken.items():
            weights[place].copy_(found[name])
    missing = (name for name in weights.keys() - taken.keys() if not name.endswith(_COUNTER))
    unexpected = found.keys() - set(taken.values())
    return Matched(tuple(sorted(taken)), tuple(sorted(missing)), tuple(sorted(unexpected)), resized)


def belongs_to_backbone(name: str) -> bool:
    """Whether a weight of this name here is one that a network and a file must share.

    Interactions may differ from slot to slot, and heads are often made anew.
    """
    return name.split(".", maxsplit=1)[0] not in HEADS and ".slot" not in name


def _require_no_larger(
    places: Mapping[str, str | None], weights: Mapping[str, Tensor], file: str
) -> None:
    """Refuse a file whose backbone goes on where the network's ends."""
    beyond = [
        name
        for name, place in places.items()
        if place is not None and place not in weights and belongs_to_backbone(place)
    ]
    if beyond:
        raise ValueError(
            f"{file} holds {len(beyond)} weights of a backbone that the network has no place for,"
            f" such as {min(beyond)}: it was made for a larger network; load it into that."
        )


def said_of_resizing(of: Grid, to: Grid) -> str:
    """What ``Matched.resized`` says of a transformer's positions; h, w patches each."""
    return f"{POSITIONS} from {of[0]} x {of[1]} to {to[0]} x {to[1]} patches"


def _resize_positions(
    network: EmbeddingNetwork, taken: Mapping[str, str], found: dict[str, Tensor]
) -> tuple[str, ...]:
    """Make a file's positions fit a transformer, in place, and say so.

    A square number of patches is that of a square picture.

    Raises:
        ValueError: if they are not those of a square picture and one class token.
    """
    if not isinstance(network, VisionTransformer) or POSITIONS not in taken:
        return ()
    positions, own = found[taken[POSITIONS]], network.encoder.pos_embedding
    patches = positions.shape[1] - 1 if positions.ndim == len(own.shape) else 0
    of = (math.isqrt(max(0, patches)),) * 2
    if of == network.grid or (positions.shape == own.shape and patches != of[0] * of[1]):
        return ()
    if patches < 1 or (1, 1 + of[0] * of[1], own.shape[2]) != positions.shape:
        raise ValueError(
            f"{taken[POSITIONS]} of {list(positions.shape)} was found: [1, 1 + n n, {own.shape[2]}]"
            " is needed, the positions of a class token and of a square picture, or exactly the"
            " network's own; a distilled DeiT has a second token, and no place here."
        )
    found[taken[POSITIONS]] = resized_positions(positions, of, network.grid)
    return (said_of_resizing(of, network.grid),)


def _state_dict(file: Path | str) -> dict[str, Tensor]:
    """Name -> tensor, without what training on several GPUs puts in front."""
    content, name = read_tensors(file), Path(file).name
    if isinstance(content, dict) and content.get("format") == FORMAT:
        raise ValueError(f"{name} is a network of this project: read it with load_network.")
    for key in _WRAPPED:
        if isinstance(content, dict) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, dict) or not _are_weights(content):
        raise ValueError(
            f"{name} holds no state dict: names with a tensor each are needed, alone or under"
            f" {' or '.join(map(repr, _WRAPPED))}."
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
        " of Torchreid's OSNet, of torchvision's ResNets or of its MobileNetV3-Large, or of a"
        " vision transformer of timm or DeiT are needed."
    )
