"""Which recipe trains the published genotype at 64x64 pixels and a few minutes of CPU?

``REID_DATA_ROOT=... python -m experiments.benchmarks.laptop_recipe --out FILE.csv`` trains each
variant once from one seed and scores both features of the network. A row is written as soon as it
is measured; variants already in the file are left out, so that a broken-off search goes on.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from evaluators.cross_domain import score_on
from evaluators.epoch_report import TrainingEpoch
from evaluators.optimisation import WeightOptimiser
from experiments.benchmarks.four_layer import FourLayer
from experiments.benchmarks.measuring import Record, origin_of
from experiments.config import override
from experiments.device import use_threads
from experiments.recipe import Recipe
from experiments.recipes import vehicles
from experiments.startup import prepare
from experiments.train import network_of, train
from nas_space.genotype import PUBLISHED
from nas_space.heads import EmbeddingNetwork
from reid_data.bars import bar
from reid_data.catalog import load_dataset

_PAPER = WeightOptimiser(learning_rate=0.065, warmup_epochs=1, milestones=(4, 6, 7))
_ADAMW = WeightOptimiser(
    name="adamw", learning_rate=1e-3, weight_decay=0.05, schedule="one_cycle", warmup_epochs=0
)

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "four_layer": {},
    "four_layer_ce_only": {"retrain.triplet": 0.0, "retrain.smoothing": 0.0},
    "chosen": {},
    "residual_one": {"space.residual_start": "one"},
    "paper_schedule": {
        "space.residual_start": "one",
        "retrain.weights": _PAPER,
        "retrain.augmentation.erasing": 0.5,
        "retrain.augmentation.pad": 10,
    },
    "adamw_1e-3": {"retrain.weights": _ADAMW},
    "sgd_0.05": {"retrain.weights.learning_rate": 0.05},
    "sgd_0.2": {"retrain.weights.learning_rate": 0.2},
    "no_triplet": {"retrain.triplet": 0.0},
    "no_smoothing": {"retrain.smoothing": 0.0},
    "erasing_0.5": {"retrain.augmentation.erasing": 0.5},
    "width_0.25": {"space.width": 0.25},
    "width_1": {"space.width": 1.0},
}
"""Name -> fields of the recipe ``vehicles`` that differ."""

COLUMNS = (
    *("variant", "epochs", "seed", "feature", "mAP", "rank1", "parameters", "seconds"),
    *("commit", "date", "processor", "cores", "threads", "torch"),
)


def main(argv: list[str]) -> int:
    """Measure every variant that the file does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a CSV file")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("variants", nargs="*", help="names; by default all")
    arguments = parser.parse_args(argv)
    prepare()
    record = Record(arguments.out, COLUMNS, continued=True)
    known = {(row["variant"], row["epochs"], row["seed"]) for row in record.rows}
    for name in arguments.variants or VARIANTS:
        if (name, str(arguments.epochs), str(arguments.seed)) not in known:
            for row in measure(name, epochs=arguments.epochs, seed=arguments.seed):
                record.add(row)
                print(f"{row['variant']} {row['feature']} mAP {row['mAP']:.3f}")
    return 0


def measure(name: str, *, epochs: int, seed: int) -> list[dict[str, Any]]:
    """Train one variant and score it by each of its features."""
    recipe = _recipe(name, epochs=epochs, seed=seed)
    use_threads(recipe)
    dataset = load_dataset(recipe.data.name)
    network: EmbeddingNetwork
    if name.startswith("four_layer"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = FourLayer()
    else:
        network = network_of(PUBLISHED["msinet_msmt17"], recipe)
    began = time.monotonic()
    with bar(total=epochs, desc=name, unit="epoch") as done:

        def advance(_: TrainingEpoch) -> None:
            done.update()

        train(network, dataset.train, recipe, on_epoch=advance)
    seconds = time.monotonic() - began
    origin, rows = origin_of(COLUMNS), []
    for feature in ("pooled", "normalised"):
        network.feature = feature
        size = recipe.data
        (found,) = score_on(network, dataset, height=size.height, width=size.width).repeats
        row = {
            "variant": name,
            "epochs": epochs,
            "seed": seed,
            "feature": feature,
            "mAP": found.mAP,
            "rank1": found.rank1,
            "parameters": sum(p.numel() for p in network.parameters()),
            "seconds": round(seconds, 1),
        }
        rows.append(row | origin)
    return rows


def _recipe(name: str, *, epochs: int, seed: int) -> Recipe:
    base = replace(vehicles(), seed=seed)
    changes = dict(VARIANTS[name])
    weights = changes.pop("retrain.weights", base.retrain.weights)
    retrain = replace(base.retrain, epochs=epochs, weights=weights)
    return override(replace(base, retrain=retrain), changes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
