"""How many pictures a second do MSINet, OSNet x1.0 and ResNet-50 describe, and in which runtime?

``python -m experiments.benchmarks.inference --out FILE.csv`` times forward passes of the untrained
networks (the numbers in a network do not change its speed) in torch as it is, in channels-last
order, with batch normalisations folded besides, compiled, in bfloat16 and channels-last order, and
in ONNX Runtime. Within a round every network takes its turn in every runtime, so that a busy
machine disturbs all alike; ratios are within a round. Every turn begins with two passes that are
not counted. ResNet-50 is the one of re-identification, with stride 1 in its last stage. A runtime
that is not installed, or fails, is left out, and said. Large blocks are kept, as by the commands
that run a network
(``allocator.py`` measures what that brings).

``difference`` is the largest between a number of a runtime's features and torch's as it is, for
pictures of noise, and ``apart`` the largest between the features of these pictures and of their
negatives: a difference that comes near it means that something else was computed.
"""

import argparse
import copy
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from evaluators.latency import forward_pass, take_turns
from experiments.benchmarks.measuring import Record, in_turn, median_ratio, origin_of
from experiments.export_formats import FORMATS, INPUT, OPSET, OUTPUT, require_packages
from experiments.export_graph import ship
from nas_space.genotype import PUBLISHED
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import Blueprint
from nas_space.speed import channels_last, keep_large_blocks

NETWORKS: Mapping[str, Blueprint] = MappingProxyType(
    {
        "msinet": Blueprint(genotype=PUBLISHED["msinet_msmt17"]),
        "osnet_x1_0": Blueprint(network="osnet_x1_0"),
        "resnet50": Blueprint(network="resnet50"),
    }
)

COLUMNS = (
    *("round", "network", "way", "batch", "height", "width", "device"),
    *("milliseconds", "pictures_per_second", "difference", "apart"),
    *("commit", "date", "processor", "cores", "threads", "gpu", "torch"),
)

_EAGER = "eager"

Passes = Callable[[Tensor], Tensor]
"""Images [B 3 H W], as ``Runner.seen`` gives them, to features [B D]."""


class Runner(NamedTuple):
    """A network in a runtime.

    Attributes:
        passes: the network.
        seen: images as the runtime takes them; what this takes is not timed.
    """

    passes: Passes
    seen: Callable[[Tensor], Tensor] = lambda images: images


class Turn(NamedTuple):
    """What is timed: a network in a runtime on some images, and how it agrees with eager torch."""

    network: str
    way: str
    runner: Runner
    images: Tensor
    difference: float
    apart: float


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
    keep_large_blocks()
    torch.set_num_threads(arguments.threads)
    networks = {name: _network(NETWORKS[name], arguments.device) for name in arguments.networks}
    generator = torch.Generator().manual_seed(0)
    images = [torch.randn(B, 3, *arguments.size, generator=generator) for B in arguments.batch]
    turns = list(_turns(networks, arguments.ways, [x.to(arguments.device) for x in images]))
    record = Record(arguments.out, COLUMNS)
    for number, turn in in_turn(arguments.rounds, turns, progress="forward passes"):
        record.add({"round": number, **_measured(turn)})
    for batch in arguments.batch:
        _print_table(batch, [row for row in record.rows if row["batch"] == batch])
    return 0


def _network(blueprint: Blueprint, device: str) -> EmbeddingNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return blueprint.build().to(device).eval().requires_grad_(False)


def _turns(
    networks: Mapping[str, EmbeddingNetwork], ways: Iterable[str], batches: Iterable[Tensor]
) -> Iterator[Turn]:
    """Every network in every runtime that works here, on every batch."""
    ways, batches = list(ways), list(batches)
    for name, network in networks.items():
        for way in ways:
            try:
                runner = WAYS[way](network, batches[0])
                yield from [
                    Turn(name, way, runner, images, *_differences(network, runner, images))
                    for images in batches
                ]
            except (ValueError, RuntimeError) as error:  # torch's, where there is no C++ compiler
                reason = str(error).splitlines()[0].rstrip(".")
                print(f"{name} {way} is left out: {reason}.", file=sys.stderr)


@torch.inference_mode()
def _differences(network: EmbeddingNetwork, runner: Runner, images: Tensor) -> tuple[float, float]:
    expected = network(images)
    found = runner.passes(runner.seen(images)).float().to(images.device)
    return (
        float((found - expected).abs().max()),
        float((network(-images) - expected).abs().max()),
    )


def _measured(turn: Turn) -> dict[str, Any]:
    batch, _, height, width = turn.images.shape
    work = forward_pass(turn.runner.passes, turn.runner.seen(turn.images))
    (seconds,) = take_turns({_EAGER: work}, rounds=1)[_EAGER]
    return {
        "network": turn.network,
        "way": turn.way,
        "batch": batch,
        "height": height,
        "width": width,
        "device": turn.images.device.type,
        "milliseconds": 1000 * seconds,
        "pictures_per_second": batch / seconds,
        "difference": turn.difference,
        "apart": turn.apart,
        **origin_of(COLUMNS),
    }


def _eager(network: EmbeddingNetwork, _: Tensor) -> Runner:
    return Runner(network)


def _channels_last(network: EmbeddingNetwork, _: Tensor) -> Runner:
    return Runner(channels_last(copy.deepcopy(network)), _in_channels_last)


def _in_channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _folded(network: EmbeddingNetwork, images: Tensor) -> Runner:
    """As ``reid-nas export`` folds it."""
    shipped = ship(network, height=images.shape[2], width=images.shape[3], colours=None)
    return Runner(channels_last(shipped.to(images.device)), _in_channels_last)


def _compiled(network: EmbeddingNetwork, _: Tensor) -> Runner:
    """For every size of a batch anew; as a whole, or not at all."""
    return Runner(torch.compile(copy.deepcopy(network), dynamic=False, fullgraph=True))


def _bf16(network: EmbeddingNetwork, _: Tensor) -> Runner:
    return Runner(
        channels_last(copy.deepcopy(network).bfloat16()),
        lambda images: _in_channels_last(images.bfloat16()),
    )


def _onnx(network: EmbeddingNetwork, images: Tensor) -> Runner:
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
    return Runner(partial(_in_session, session))


def _in_session(session: Any, images: Tensor) -> Tensor:
    (features,) = session.run([OUTPUT], {INPUT: images.numpy()})
    return torch.from_numpy(features)


WAYS: Mapping[str, Callable[[EmbeddingNetwork, Tensor], Runner]] = MappingProxyType(
    {
        _EAGER: _eager,
        "channels_last": _channels_last,
        "folded": _folded,
        "compiled": _compiled,
        "bf16": _bf16,
        "onnxruntime": _onnx,
    }
)
"""Name -> what brings a network into a runtime, given images of their size; it leaves both as they
are."""


def _print_table(batch: int, rows: list[dict[str, Any]]) -> None:
    """Medians over rounds; how many times as fast as torch as it is, by ratios within a round."""
    print(
        f"batches of {batch:<18} {'pictures/s':>10} {'/ eager':>8} {'difference':>11} {'apart':>11}"
    )
    for network, way in dict.fromkeys((row["network"], row["way"]) for row in rows):
        mine = [row for row in rows if row["network"] == network]
        own = [row for row in mine if row["way"] == way]
        speed = " " * 8
        if any(row["way"] == _EAGER for row in mine):
            speed = f"{median_ratio(mine, way, _EAGER, 'pictures_per_second'):8.2f}"
        median = statistics.median(row["pictures_per_second"] for row in own)
        agrees = f"{own[0]['difference']:11.1e} {own[0]['apart']:11.1e}"
        print(f"  {network + ' ' + way:27} {median:10.1f} {speed} {agrees}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
