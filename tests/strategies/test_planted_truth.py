"""Where one known candidate per slot alone keeps the information, each search finds exactly it.

Everything is real: NNI's supernets, the evaluator, the engine, pictures from files. Chance finds
the four slots' truth once in 81 runs.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from evaluators.optimisation import WeightOptimiser
from evaluators.reid_evaluator import ReidEvaluator
from experiments.engine import run_one_shot
from strategies.darts import DARTS
from strategies.differentiable import ArchOptimiser
from strategies.enas import ENAS, ControllerSettings
from strategies.gumbel_darts import GumbelDARTS
from strategies.proxyless import Proxyless
from strategies.random_one_shot import RandomOneShot, RandomOneShotSettings
from strategies.tcm import TCM

SEEDS = range(5)
FAST = ArchOptimiser(learning_rate=0.05, milestones=())
CONTROLLER = ControllerSettings(
    learning_rate=0.04, steps_per_epoch=8, calibration_batches=0, hidden=16
)
EPOCHS = 10
PATHS = 3**4


def strategy(name: str, seed: int, *, arch_moves: bool = True) -> Any:
    arch = FAST if arch_moves else replace(FAST, learning_rate=0.0)
    rate = CONTROLLER.learning_rate if arch_moves else 0.0
    makers: dict[str, Callable[[], Any]] = {
        "tcm": lambda: TCM(arch=arch, seed=seed),
        "darts": lambda: DARTS(arch=arch, seed=seed),
        "gumbel_darts": lambda: GumbelDARTS(arch=arch, seed=seed),
        "proxyless": lambda: Proxyless(arch=arch, seed=seed, calibration_batches=0),
        "enas": lambda: ENAS(controller=replace(CONTROLLER, learning_rate=rate), seed=seed),
        "random_one_shot": lambda: RandomOneShot(
            settings=RandomOneShotSettings(PATHS if arch_moves else 1, 0), seed=seed
        ),
    }
    return makers[name]()


def found(planted: Any, name: str, seed: int, *, arch_moves: bool = True) -> dict[str, str]:
    searching = strategy(name, seed, arch_moves=arch_moves)
    evaluator = ReidEvaluator(
        replace(planted.data, seed=seed),
        epochs=EPOCHS if arch_moves else 1,
        optimiser=WeightOptimiser(learning_rate=0.01, warmup_epochs=0, milestones=()),
        accelerator="cpu",
    )
    run_one_shot(planted.space(), evaluator, searching)
    genotype: dict[str, str] = searching.genotype()
    return genotype


@pytest.mark.parametrize(
    ("name", "enough"),
    [
        ("tcm", 5),
        ("darts", 5),
        ("gumbel_darts", 5),
        ("proxyless", 4),
        ("enas", 4),
        ("random_one_shot", 4),
    ],
)
def test_the_truth_is_found(planted: Any, name: str, enough: int) -> None:
    hits = [found(planted, name, seed) == planted.truth for seed in SEEDS]
    assert sum(hits) >= enough, hits


@pytest.mark.parametrize(
    "name", ["tcm", "darts", "gumbel_darts", "proxyless", "enas", "random_one_shot"]
)
def test_without_architecture_steps_it_is_not_found(planted: Any, name: str) -> None:
    hits = [found(planted, name, seed, arch_moves=False) == planted.truth for seed in SEEDS]
    assert sum(hits) <= 1, hits
