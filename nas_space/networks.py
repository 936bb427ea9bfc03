"""A network with its weights as one file, which says how to build it again.

Needs torch alone (and torchvision for the peers it has): neither NNI nor Lightning.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nas_space.genotype import Genotype
from nas_space.heads import FEATURES, EmbeddingNetwork, Feature
from nas_space.msinet import CellWidth, MSINet, ResidualStart
from nas_space.peers import PEERS
from nas_space.speed import channels_last
from nas_space.torch_file import read_tensors, write_tensors

FORMAT = "nni-reid network"
VERSION = 1

MSINET = "msinet"

_PARTS = {"version", "blueprint", "weights", "info"}


@dataclass(frozen=True)
class Blueprint:
    """All that decides which network is built, but not its weights.

    Attributes:
        network: ``"msinet"``, or the name of a peer.
        genotype: of MSINet; a peer has none.
        height: of an image, pixels.
        width: of an image, pixels.
        feature: which features describe an image.
        channel_factor: on all channels; this and what follows is MSINet's, and says nothing of a
            peer.
        depths: light 3x3 convolutions per half of either branch.
        local_branch: whether the halves of the middle map are described as well.
        subtract: of a cross attention (decision 2).
        residual_start: weight of every branch's last normalisation at the start.
        cell_width: what the branches' channels are a quarter of.

    Raises:
        ValueError: if there is no such network, MSINet has no genotype or a peer has one, or the
            image has no pixels.
    """

    network: str = MSINET
    genotype: Genotype | None = None
    height: int = 256
    width: int = 128
    feature: Feature = "pooled"
    channel_factor: float = 1.0
    depths: tuple[int, int] = (1, 3)
    local_branch: bool = True
    subtract: bool = True
    residual_start: ResidualStart = "one"
    cell_width: CellWidth = "out"

    def __post_init__(self) -> None:
        if self.network != MSINET and self.network not in PEERS:
            raise ValueError(
                f"Unknown network {self.network!r}: expected one of {MSINET}, {', '.join(PEERS)}."
            )
        if (self.genotype is None) == (self.network == MSINET):
            raise ValueError(
                f"The network {self.network} was asked for"
                f" {'without' if self.genotype is None else 'with'} a genotype: {MSINET} needs"
                " one, and a peer has none."
            )
        if self.feature not in FEATURES:
            raise ValueError(f"No feature {self.feature!r}: expected one of {', '.join(FEATURES)}.")
        if min(self.height, self.width) < 1:
            raise ValueError(
                f"An image of {self.height} x {self.width} pixels was found: 1 x 1 or more is"
                " needed."
            )

    def build(self) -> EmbeddingNetwork:
        """The untrained network; its weights are drawn from torch's global generator."""
        if self.genotype is None:
            make = PEERS[self.network]
            return make(height=self.height, width=self.width, feature=self.feature)
        return MSINet(
            self.genotype,
            width=self.channel_factor,
            feature=self.feature,
            depths=self.depths,
            cell_width=self.cell_width,
            residual_start=self.residual_start,
            local_branch=self.local_branch,
            subtract=self.subtract,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as values JSON has."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        genotype = None if self.genotype is None else json.loads(self.genotype.to_json())
        return plain | {"genotype": genotype, "depths": list(self.depths)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Blueprint":
        """What ``to_dict`` gave.

        Raises:
            ValueError: if it is something else.
        """
        names = {field.name for field in fields(cls)}
        if set(content) != names:
            raise ValueError(
                f"A blueprint has the fields {sorted(names)}, and {sorted(content)} were found:"
                " read the file with the release that wrote it."
            )
        genotype = content["genotype"]
        if genotype is not None:
            genotype = Genotype.from_json(json.dumps(genotype))
        return cls(**{**content, "genotype": genotype, "depths": tuple(content["depths"])})


class Saved(NamedTuple):
    """What a network's file holds."""

    blueprint: Blueprint
    weights: dict[str, Tensor]
    """The state dict, on the CPU."""
    info: dict[str, Any]
    """What its writer says of it: plain values, without a path."""


def save_network(
    file: Path | str,
    network: EmbeddingNetwork,
    blueprint: Blueprint,
    *,
    info: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Replace a file at once by one that ``load_network`` reads; equal networks, equal bytes.

    Args:
        file: in a folder that exists.
        network: on any device.
        blueprint: that builds it.
        info: values JSON has. ``normalisation``, with ``mean`` and ``std`` of the three channels,
            is what a picture's colours in [0, 1] are brought to before the network sees them;
            without it, ImageNet's.

    Raises:
        ValueError: if the blueprint builds another network, or the info is not plain.
    """
    weights = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    with torch.device("meta"):  # shapes alone, in no time
        _require_fitting(blueprint.build(), blueprint, weights)
    try:
        plain = json.loads(json.dumps(dict(info)))
    except TypeError as error:
        raise ValueError(
            f"The info of a network holds what JSON has not ({error}): hand in numbers, words,"
            " lists and dicts of them."
        ) from error
    content = {"format": FORMAT, "version": VERSION, "blueprint": blueprint.to_dict()}
    write_tensors(file, content | {"weights": weights, "info": plain})


def read_network(file: Path | str) -> Saved:
    """The parts of a file that ``save_network`` wrote; nothing in it can run.

    Raises:
        ValueError: if there is no such file, or it is something else.
    """
    content = read_tensors(file)
    name = Path(file).name
    if not isinstance(content, dict) or content.get("format") != FORMAT or _PARTS - set(content):
        raise ValueError(
            f"{name} is not a network of this project: give a file that a training wrote (best.pt,"
            " last.pt), or load other authors' weights into a network with load_foreign."
        )
    if content["version"] != VERSION:
        raise ValueError(
            f"{name} has version {content['version']} of the format, and this release reads"
            f" {VERSION}: read it with the release that wrote it."
        )
    try:
        saved = Saved(
            Blueprint.from_dict(content["blueprint"]), dict(content["weights"]), content["info"]
        )
        saved.info.get("normalisation")
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError(
            f"{name} is a damaged network of this project ({error}): copy it again."
        ) from error
    return saved


def load_network(
    file: Path | str, *, feature: Feature | None = None, device: torch.device | str = "cpu"
) -> EmbeddingNetwork:
    """The network of a file, in evaluation mode, its weights in channels-last order.

    Args:
        file: that ``save_network`` wrote.
        feature: which features ``forward`` returns, or None for those the file says.
        device: where it will be.

    Raises:
        ValueError: if there is no such file, or it is something else.
    """
    return network_from(read_network(file), feature=feature, device=device)


def network_from(
    saved: Saved, *, feature: Feature | None = None, device: torch.device | str = "cpu"
) -> EmbeddingNetwork:
    """The same for a file that was read already; no random numbers are drawn.

    Raises:
        ValueError: if the weights are not those of the blueprint's network.
    """
    blueprint = replace(saved.blueprint, feature=feature or saved.blueprint.feature)
    with torch.random.fork_rng(devices=[]):
        network = blueprint.build()
    _require_fitting(network, blueprint, saved.weights)
    network.load_state_dict(saved.weights)
    return channels_last(network.to(device)).eval()


def _require_fitting(
    network: EmbeddingNetwork, blueprint: Blueprint, weights: Mapping[str, Tensor]
) -> None:
    """Nothing happens where these weights are for the network that the blueprint built."""
    needed = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    different = sorted(
        name for name in needed.keys() | found.keys() if needed.get(name) != found.get(name)
    )
    if different:
        first = different[0]
        raise ValueError(
            f"{len(different)} weights are not the blueprint's {blueprint.network}'s: {first}"
            f" is {found.get(first, 'missing')} and there it is {needed.get(first, 'unknown')};"
            " keep a network with the blueprint that built it."
        )
