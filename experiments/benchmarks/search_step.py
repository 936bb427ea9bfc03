"""What does an iteration of each search strategy cost, in seconds and in memory?

``python -m experiments.benchmarks.search_step --out FILE.csv`` runs a few epochs of every strategy
on the quickstart's network and batches (64x32 pixels, width 0.25, 16 x 4 pictures per side), each
in a process of its own, the strategies in turn and turn again. Seconds are those of the processor,
which other programs disturb less than those of the clock. Scoring between epochs is left out.
"""

import argparse
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from experiments.benchmarks.measuring import (
    Record,
    in_own_process,
    in_turn,
    median_ratio,
    origin_of,
    peak,
)

STRATEGIES = ("darts", "tcm", "gumbel_darts", "proxyless", "enas", "random_one_shot")
_REFERENCE, _EPOCHS, _WARMUP = STRATEGIES[0], 3, 4

COLUMNS = (
    *("round", "strategy", "seconds", "iterations", "memory"),
    *("commit", "date", "processor", "cores", "threads", "torch"),
)
"""Processor seconds are the median iteration's; memory is what the search adds, MiB at its peak."""


def main(argv: list[str]) -> int:
    """Measure, or be one measurement (``--worker``)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", choices=STRATEGIES)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        print(json.dumps(_measure(arguments.worker)))
        return 0
    record = Record(arguments.out, COLUMNS)
    for number, name in in_turn(arguments.rounds, STRATEGIES, progress="search steps"):
        own = in_own_process("experiments.benchmarks.search_step", ["--worker", name])
        record.add({"round": number, **own})
    for name in STRATEGIES:
        seconds, memory = (
            median_ratio(record.rows, name, _REFERENCE, column, by="strategy")
            for column in ("seconds", "memory")
        )
        print(f"{name}: {seconds:.2f} times the seconds of {_REFERENCE}, {memory:.2f} its memory")
    return 0


def _measure(name: str) -> dict[str, Any]:
    from experiments.device import use_threads
    from experiments.recipes import resolve
    from experiments.startup import prepare
    from reid_data.catalog import load_dataset

    prepare()
    settings = {"strategy": name, "search.epochs": _EPOCHS, "search.one_shot.samples": 1}
    recipe = resolve("quickstart", settings)
    use_threads(recipe)
    sightings = load_dataset(recipe.data.name).train
    seconds, memory = _search(recipe, sightings)
    return {
        "strategy": name,
        "seconds": statistics.median(seconds),
        "iterations": len(seconds),
        "memory": memory,
        **origin_of(COLUMNS),
    }


def _search(recipe: Any, sightings: Any) -> tuple[list[float], float]:
    """Seconds of every iteration behind the first few, and MiB added at the peak."""
    from evaluators.reid_evaluator import ReidEvaluator
    from experiments.engine import run_one_shot
    from experiments.search import strategy_of, supernet_of
    from reid_data.datamodule import SearchData

    ends: list[list[float]] = []

    def on_batch(done: int, of: int) -> None:
        if done == 1:
            ends.append([])
        ends[-1].append(time.process_time())

    identities = sorted({sighting.identity for sighting in sightings})
    held_out = set(identities[:2])  # too few to cost anything, enough for what must be scored
    data = SearchData(
        searched=tuple(s for s in sightings if s.identity not in held_out),
        held_out=tuple(s for s in sightings if s.identity in held_out),
        height=recipe.data.height,
        width=recipe.data.width,
        identities=recipe.data.identities,
        images=recipe.data.images,
        augmentation=recipe.search.augmentation,
        camera_rule=False,
    )
    evaluator = ReidEvaluator(
        data,
        epochs=recipe.search.epochs,
        optimiser=recipe.search.weights,
        on_batch=on_batch,
        accelerator="cpu",
    )
    space, before = supernet_of(recipe), peak("cpu")
    run_one_shot(space, evaluator, strategy_of(recipe))
    laps = [later - sooner for epoch in ends for sooner, later in pairwise(epoch)]
    return laps[_WARMUP:], peak("cpu") - before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
