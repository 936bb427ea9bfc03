"""From a network's name or file to what it costs, as a table and in JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from evaluators.latency import forward_pass, milliseconds, ratio, take_turns
from experiments.device import device_of
from experiments.evaluate_network import read_trained
from experiments.outputs import refuse_unwritable, write
from experiments.provenance import provenance
from nas_space.cost import Cost, measure_cost, used_parameters
from nas_space.genotype import Genotype
from nas_space.heads import EmbeddingNetwork, Feature
from nas_space.networks import MSINET, Blueprint, network_from
from nas_space.speed import channels_last

_OWN, _RESNET = "network", "resnet50"


@dataclass(frozen=True)
class Request:
    """Which network is measured, and how.

    Attributes:
        genotype: file or published name, for MSINet; else None.
        network: a peer's name, or None.
        checkpoint: file that a training wrote, or None; one of the three is given.
        feature: that describes an image; None for the checkpoint's, or ``"pooled"``.
        size: height and width of an image, pixels; None for the checkpoint's, or 256 x 128.
        batches: numbers of images at a time.
        rounds: that are counted.
        threads: of torch, for the whole process; None leaves them as they are.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
        json: file for the result, or None.
    """

    genotype: str | None = None
    network: str | None = None
    checkpoint: Path | None = None
    feature: Feature | None = None
    size: tuple[int, int] | None = None
    batches: tuple[int, ...] = (1, 32)
    rounds: int = 5
    threads: int | None = None
    device: str = "auto"
    json: Path | None = None


@dataclass(frozen=True)
class Measured:
    """What a network costs; the JSON object, besides its provenance.

    Attributes:
        network: its name.
        genotype: in letters, or None for a peer.
        feature: that describes an image.
        height: of an image, pixels.
        width: of an image, pixels.
        dimensions: of the feature.
        parameters: of the network without identity classifiers.
        parameters_inference: those that the feature depends on.
        macs: multiply-adds of one image.
        latency_ms: batch -> milliseconds of a forward pass.
        resnet50_ms: the same of torchvision's ResNet-50.
        slowdown: batch -> how many times as long as that ResNet-50 it takes.
        rounds: that were counted.
        device: that computed, ``"cpu"`` or ``"cuda"``.
    """

    network: str
    genotype: str | None
    feature: Feature
    height: int
    width: int
    dimensions: int
    parameters: int
    parameters_inference: int
    macs: int
    latency_ms: Mapping[str, float]
    resnet50_ms: Mapping[str, float]
    slowdown: Mapping[str, float]
    rounds: int
    device: str


def run(request: Request) -> Measured:
    """Measure, print a table, and write the JSON file if one was asked for.

    Raises:
        ValueError: if there is no such network, it does not take images of that size, there is no
            GPU where one was asked for, or the file cannot be written.
    """
    if request.json is not None:
        inputs = {} if request.checkpoint is None else {"--checkpoint": request.checkpoint}
        refuse_unwritable({"--json": request.json}, inputs)
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    device = device_of(request)
    blueprint, network = _network(request)
    measured = _measured(blueprint, channels_last(network.to(device).eval()), request, device)
    origin = provenance()
    print(_table(measured, origin))
    if request.json is not None:
        content = asdict(measured) | origin
        write(request.json, json.dumps(content, indent=2) + "\n")
        print(f"See {request.json.name}.")
    return measured


def _network(request: Request) -> tuple[Blueprint, EmbeddingNetwork]:
    """The network and what it is built by, with the size and the feature that were asked for."""
    if request.checkpoint is not None:
        saved = read_trained(request.checkpoint)
        blueprint = _asked(saved.blueprint, request)
        return blueprint, network_from(saved, feature=blueprint.feature)
    genotype = None if request.genotype is None else Genotype.load(request.genotype)
    blueprint = _asked(Blueprint(network=request.network or MSINET, genotype=genotype), request)
    with torch.random.fork_rng(devices=[]):
        return blueprint, blueprint.build()


def _asked(blueprint: Blueprint, request: Request) -> Blueprint:
    height, width = request.size or (blueprint.height, blueprint.width)
    feature = request.feature or blueprint.feature
    return replace(blueprint, height=height, width=width, feature=feature)


def _measured(
    blueprint: Blueprint, network: EmbeddingNetwork, request: Request, device: torch.device
) -> Measured:
    height, width = blueprint.height, blueprint.width
    cost = _cost(network, height=height, width=width)
    reference = channels_last(_resnet50().to(device).eval())
    latency, of_reference, slowdown = {}, {}, {}
    for batch in request.batches:
        images = torch.zeros(batch, 3, height, width, device=device)
        turns = take_turns(
            {_OWN: forward_pass(network, images), _RESNET: forward_pass(reference, images)},
            rounds=request.rounds,
            progress=f"batches of {batch}",
        )
        latency[str(batch)] = milliseconds(turns, _OWN)
        of_reference[str(batch)] = milliseconds(turns, _RESNET)
        slowdown[str(batch)] = ratio(turns, _OWN, _RESNET)
    return Measured(
        network=blueprint.network,
        genotype=None if blueprint.genotype is None else str(blueprint.genotype),
        feature=blueprint.feature,
        height=height,
        width=width,
        dimensions=network.dimensions,
        parameters=cost.parameters,
        parameters_inference=used_parameters(network, height=height, width=width),
        macs=cost.macs,
        latency_ms=latency,
        resnet50_ms=of_reference,
        slowdown=slowdown,
        rounds=request.rounds,
        device=device.type,
    )


def _cost(network: EmbeddingNetwork, *, height: int, width: int) -> Cost:
    try:
        return measure_cost(network, height=height, width=width)
    except RuntimeError as error:  # torch's, where nothing of a map is left
        raise ValueError(
            f"The network does not take images of {height} x {width}"
            f" ({' '.join(str(error).split())}): give a larger --size."
        ) from error


def _resnet50() -> nn.Module:
    from torchvision.models import resnet50

    with torch.random.fork_rng(devices=[]):
        network: nn.Module = resnet50(weights=None)
    return network


def _table(measured: Measured, origin: Mapping[str, str | int]) -> str:
    name = " ".join(filter(None, (measured.network, measured.genotype)))
    threads = f"{origin['threads']} thread{'' if origin['threads'] == 1 else 's'}"
    place = origin["gpu"] if measured.device == "cuda" else origin["processor"]
    lines = [
        f"{name}, images of {measured.height} x {measured.width}, feature {measured.feature}"
        f" ({measured.dimensions} numbers)",
        f"{'parameters':<22}{measured.parameters:>14,}",
        f"{'  used at inference':<22}{measured.parameters_inference:>14,}",
        f"{'multiply-adds':<22}{measured.macs:>14,}",
        f"on {place}, {threads}, median of {measured.rounds} rounds:",
    ]
    lines += [
        f"{f'  batch of {batch}':<22}{latency:>11.2f} ms {measured.slowdown[batch]:>9.2f} x the"
        f" {measured.resnet50_ms[batch]:.2f} ms of ResNet-50"
        for batch, latency in measured.latency_ms.items()
    ]
    return "\n".join(lines)
