"""What it brings to keep large blocks mapped: seconds of a training step without and with it.

``python -m experiments.benchmarks.allocator --out FILE.csv`` runs the two in turn, each in a
process of its own, and writes the median step of every run.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_STEPS, _WARMUP = 12, 3
_CASES = ((0.5, 64, 64, 64), (1.0, 256, 128, 16))
"""Width of the network, height and width of the images, images of a batch."""


def main(argv: list[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--worker", choices=("default", "kept"))
    arguments = parser.parse_args(argv)
    if arguments.worker:
        print(json.dumps(_measure(arguments.worker, arguments.threads)))
        return 0
    rows = [
        row | {"round": number}
        for number in range(arguments.rounds)
        for blocks in ("default", "kept")
        for row in _in_own_process(blocks, arguments.threads)
    ]
    with arguments.out.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for case in sorted({row["case"] for row in rows}):
        median = {
            blocks: statistics.median(
                row["seconds"] for row in rows if (row["case"], row["blocks"]) == (case, blocks)
            )
            for blocks in ("default", "kept")
        }
        print(f"{case}: {median['default'] / median['kept']:.2f} times faster with blocks kept")
    return 0


def _in_own_process(blocks: str, threads: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "experiments.benchmarks.allocator"]
    done = subprocess.run(  # noqa: S603 - this very module
        [*command, "--worker", blocks, "--threads", str(threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def _measure(blocks: str, threads: int) -> list[dict[str, Any]]:
    from experiments.provenance import provenance
    from experiments.startup import keep_large_blocks

    if blocks == "kept":
        keep_large_blocks()
    import torch

    torch.set_num_threads(threads)
    origin = {key: provenance()[key] for key in ("commit", "date", "processor", "cores", "threads")}
    return [
        {
            "case": f"width {width}, {batch} images of {height}x{breadth}",
            "blocks": blocks,
            "seconds": _step_seconds(width, height, breadth, batch),
            **origin,
        }
        for width, height, breadth, batch in _CASES
    ]


def _step_seconds(width: float, height: int, breadth: int, batch: int) -> float:
    import torch

    from nas_space.genotype import PUBLISHED
    from nas_space.msinet import MSINet

    network: torch.nn.Module = MSINet(PUBLISHED["msinet_msmt17"], width=width)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images = torch.randn(batch, 3, height, breadth).contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        loss = network(images).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[_WARMUP:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
