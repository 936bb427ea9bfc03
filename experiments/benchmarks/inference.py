"""How many pictures a second do MSINet, OSNet x1.0 and ResNet-50 describe, and in which runtime?

``python -m experiments.benchmarks.inference --out FILE.csv`` times forward passes of the untrained
networks (the numbers in a network do not change its speed) in torch as it is, in channels-last
order, compiled, in bfloat16, and in ONNX Runtime. Within a round every network takes its turn in
every runtime, so that a busy machine disturbs all alike; ratios are within a round. ResNet-50 is
the one of re-identification, with stride 1 in its last stage. A runtime that is not installed is
left out, and said. ``agreement`` is the smallest cosine between a feature and that of torch as it
is, for pictures of noise.
"""

import argparse
import copy
import csv
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from evaluators.latency import Turns, Work, forward_pass, ratio, take_turns
from experiments.export_formats import FORMATS, INPUT, OPSET, OUTPUT, require_packages
from experiments.export_graph import ship
from experiments.provenance import provenance
from nas_space.genotype import PUBLISHED
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import Blueprint

NETWORKS: Mapping[str, Blueprint] = MappingProxyType(
    {
        "msinet": Blueprint(genotype=PUBLISHED["msinet_msmt17"]),
        "osnet_x1_0": Blueprint(network="osnet_x1_0"),
        "resnet50": Blueprint(network="resnet50"),
    }
)

COLUMNS = (
    *("round", "network", "way", "batch", "device", "milliseconds", "pictures_per_second"),
    *("agreement", "commit", "date", "processor", "cores", "threads", "gpu", "torch"),
)

_EAGER = "eager"

Runner = Callable[[Tensor], Tensor]


def main(argv: list[str]) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--size", type=int, nargs=2, default=[256, 128], help="height and width")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    networks = {name: _network(NETWORKS[name], device) for name in arguments.networks}
    rows: list[dict[str, Any]] = []
    for batch in arguments.batch:
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(batch, 3, *arguments.size, generator=generator).to(device)
        works, agreements = _works(networks, arguments.ways, images)
        turns = take_turns(works, rounds=arguments.rounds, progress=f"batches of {batch}")
        rows += _rows(turns, agreements, batch, device)
        _print_table(turns, agreements, batch)
    if arguments.out:
        with arguments.out.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return 0


def _network(blueprint: Blueprint, device: torch.device) -> EmbeddingNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return blueprint.build().to(device).eval().requires_grad_(False)


def _works(
    networks: Mapping[str, EmbeddingNetwork], ways: list[str], images: Tensor
) -> tuple[dict[str, Work], dict[str, float]]:
    """``network way`` -> a pass of the images, and how well its features agree."""
    works, agreements = {}, {}
    for network_name, network in networks.items():
        with torch.inference_mode():
            expected = network(images)
        for way in ways:
            name = f"{network_name} {way}"
            try:
                runner, seen = WAYS[way](network, images)
            except ValueError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            with torch.inference_mode():
                features = runner(seen).float().to(images.device)
            agreements[name] = float((features * expected).sum(dim=1).min())
            works[name] = forward_pass(runner, seen)
    return works, agreements


def _eager(network: EmbeddingNetwork, images: Tensor) -> tuple[Runner, Tensor]:
    return network, images


def _channels_last(network: EmbeddingNetwork, images: Tensor) -> tuple[Runner, Tensor]:
    copied: Any = copy.deepcopy(network)
    return (
        copied.to(memory_format=torch.channels_last),
        images.contiguous(memory_format=torch.channels_last),
    )


def _compiled(network: EmbeddingNetwork, images: Tensor) -> tuple[Runner, Tensor]:
    return torch.compile(copy.deepcopy(network), dynamic=False), images


def _bf16(network: EmbeddingNetwork, images: Tensor) -> tuple[Runner, Tensor]:
    return _channels_last(copy.deepcopy(network).bfloat16(), images.bfloat16())


def _onnx(network: EmbeddingNetwork, images: Tensor) -> tuple[Runner, Tensor]:
    """As ``reid-nas export`` writes it, with as many threads as torch has."""
    if images.device.type != "cpu":
        raise ValueError("ONNX Runtime is measured on the processor: leave it out of --ways.")
    require_packages("onnx")
    import onnxruntime

    height, width = images.shape[2:]
    shipped = ship(network, height=height, width=width, colours=None)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        file.write_bytes(FORMATS["onnx"].convert(shipped, images[:1].repeat(2, 1, 1, 1), OPSET)(""))
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    return partial(_in_session, session), images


def _in_session(session: Any, images: Tensor) -> Tensor:
    (features,) = session.run([OUTPUT], {INPUT: images.numpy()})
    return torch.from_numpy(features)


WAYS: Mapping[str, Callable[[EmbeddingNetwork, Tensor], tuple[Runner, Tensor]]] = MappingProxyType(
    {
        _EAGER: _eager,
        "channels_last": _channels_last,
        "compiled": _compiled,
        "bf16": _bf16,
        "onnxruntime": _onnx,
    }
)
"""Name -> what makes a runner of a network, and its images, of some images."""


def _rows(
    turns: Turns, agreements: Mapping[str, float], batch: int, device: torch.device
) -> list[dict[str, Any]]:
    origin = provenance()
    return [
        {
            "round": number,
            **dict(zip(("network", "way"), name.split(), strict=True)),
            "batch": batch,
            "device": device.type,
            "milliseconds": 1000 * seconds,
            "pictures_per_second": batch / seconds,
            "agreement": agreements[name],
            **{key: origin[key] for key in COLUMNS[-7:]},
        }
        for name, own in turns.items()
        for number, seconds in enumerate(own)
    ]


def _print_table(turns: Turns, agreements: Mapping[str, float], batch: int) -> None:
    """Medians over rounds; how many times as fast as torch as it is, by ratios within a round."""
    print(f"batches of {batch:<18} {'pictures/s':>10} {'/ eager':>8} {'agreement':>10}")
    for name, own in turns.items():
        eager = f"{name.split()[0]} {_EAGER}"
        speed = f"{1 / ratio(turns, name, eager):8.2f}" if eager in turns else " " * 8
        median = batch / statistics.median(own)
        print(f"  {name:27} {median:10.1f} {speed} {agreements[name]:10.5f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
