"""A training that does not begin from scratch: weights of a file, as far as they have a place."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas_space.checkpoints import (
    POSITIONS,
    Matched,
    belongs_to_backbone,
    load_foreign,
    said_of_resizing,
)
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import FORMAT, Blueprint, Saved, network_from, read_network
from nas_space.peers import VisionTransformer
from nas_space.torch_file import read_tensors

WEIGHTS_FILE = "weights.json"

_TOLD = ("depths", "subtract", "cell_width")
"""Fields of MSINet's blueprint that change what its weights do and need not change their shapes."""


@dataclass(frozen=True)
class FirstWeights:
    """What a network began with.

    Attributes:
        file: name of the file.
        matched: what became of the names.
        differences: between the file's network and this one, in words.
    """

    file: str
    matched: Matched
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Lines for a person."""
        matched = self.matched._replace(matched=())
        _, *others = str(matched).splitlines()  # hundreds of names, which weights.json lists
        taken = f"matched ({len(self.matched.matched)}), named in {WEIGHTS_FILE}"
        return "\n".join([f"{self.file}:", taken, *others, *self.differences])

    def to_dict(self) -> dict[str, Any]:
        """The same as values JSON has."""
        lists = {name: list(names) for name, names in self.matched._asdict().items()}
        return {"file": self.file, **lists, "differences": list(self.differences)}


def begin_with(network: EmbeddingNetwork, blueprint: Blueprint, file: Path) -> FirstWeights:
    """Put a file's weights into a network, in place.

    The heads may be missing, and so may weights of MSINet's interactions, for a file may have
    others. A vision transformer's positions are resized if the file's images had another size.

    Args:
        network: any; not to be used if an error is raised.
        blueprint: that built it.
        file: that ``pretrain`` or another training wrote, or one that others published.

    Returns:
        What became of the names. Classifiers are in no file of this project, and have no place.

    Raises:
        ValueError: if the file is neither, is of another network, lacks weights of the backbone, or
            a tensor has another shape than its place.
    """
    content = read_tensors(file)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return _taken_over(network, blueprint, read_network(file), file.name)
    matched = load_foreign(network, file)
    _require_backbone(matched, file.name)
    return FirstWeights(file.name, matched)


def fingerprint(file: Path) -> str:
    """Eight hexadecimal digits that tell a file's content.

    Raises:
        ValueError: if there is no such file.
    """
    if not file.is_file():
        raise ValueError(f"There is no file {file}: give one that a training or an author wrote.")
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:8]


def _taken_over(
    network: EmbeddingNetwork, blueprint: Blueprint, saved: Saved, file: str
) -> FirstWeights:
    if saved.blueprint.network != blueprint.network:
        raise ValueError(
            f"{file} holds weights of {saved.blueprint.network}, and {blueprint.network} is"
            " trained: take weights of the same network."
        )
    found, resized = _fitted(network, saved)
    places = network.state_dict()
    taken = sorted(places.keys() & found.keys())
    different = [
        f"{name} {list(found[name].shape)} for {list(places[name].shape)}"
        for name in taken
        if found[name].shape != places[name].shape
    ]
    if different:
        raise ValueError(
            f"{len(different)} of the {len(taken)} weights of {file} that have a place are of"
            f" another shape ({', '.join(different[:3])}): take weights of the same widths."
        )
    missing, unexpected = (places.keys() - found.keys(), found.keys() - places.keys())
    matched = Matched(tuple(taken), tuple(sorted(missing)), tuple(sorted(unexpected)), resized)
    _require_backbone(matched, file)
    _require_no_larger(matched, file)
    with torch.no_grad():
        for name in taken:
            places[name].copy_(found[name])
    return FirstWeights(file, matched, _differences(saved.blueprint, blueprint))


def _fitted(network: EmbeddingNetwork, saved: Saved) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A file's weights for this network's size of images, and what had to be changed."""
    if not isinstance(network, VisionTransformer):
        return saved.weights, ()
    learnt = network_from(saved)
    if not isinstance(learnt, VisionTransformer) or learnt.grid == network.grid:
        return saved.weights, ()
    positions = learnt.positions(network.grid).detach()
    said = said_of_resizing(learnt.grid, network.grid)
    return {**saved.weights, POSITIONS: positions}, (said,)


def _require_backbone(matched: Matched, file: str) -> None:
    lacking = [name for name in matched.missing if belongs_to_backbone(name)]
    if lacking:
        raise ValueError(
            f"{file} lacks {len(lacking)} weights of the backbone, such as {lacking[0]}: take"
            " weights of the whole network, of the same depths."
        )


def _require_no_larger(matched: Matched, file: str) -> None:
    beyond = [name for name in matched.unexpected if belongs_to_backbone(name)]
    if beyond:
        raise ValueError(
            f"{file} holds {len(beyond)} weights of a backbone that the network has no place for,"
            f" such as {beyond[0]}: take weights of the same depths."
        )


def _differences(theirs: Blueprint, ours: Blueprint) -> tuple[str, ...]:
    """What is not the same in two blueprints of one network, in words."""
    pairs = zip(_telling(theirs).items(), _telling(ours).values(), strict=True)
    return tuple(
        f"{name}: {their} in the file, {our} here" for (name, their), our in pairs if their != our
    )


def _telling(blueprint: Blueprint) -> dict[str, Any]:
    if blueprint.genotype is None:
        return {}
    return {name: getattr(blueprint, name) for name in _TOLD} | dict(blueprint.genotype.slots)
