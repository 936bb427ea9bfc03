"""A search that goes on from the checkpoint of any epoch ends as the one that never stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import Checkpoint

from evaluators.epoch_report import EpochReport
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

EPOCHS = 4
ARCH = ArchOptimiser(learning_rate=0.05, milestones=(2,))
MAKERS: dict[str, Callable[[], Any]] = {
    "tcm": lambda: TCM(arch=ARCH, seed=3),
    "darts": lambda: DARTS(arch=ARCH, seed=3),
    "gumbel_darts": lambda: GumbelDARTS(arch=ARCH, seed=3),
    "proxyless": lambda: Proxyless(arch=ARCH, seed=3, calibration_batches=2),
    "enas": lambda: ENAS(controller=ControllerSettings(calibration_batches=2), seed=3),
    "random_one_shot": lambda: RandomOneShot(settings=RandomOneShotSettings(4, 2), seed=1),
}


class EveryEpoch(Checkpoint):
    """Keeps a checkpoint of every epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        trainer.save_checkpoint(self.folder / f"{trainer.current_epoch + 1}.ckpt")


def run(planted: Any, name: str, folder: Path | None, resumed: Path | None) -> tuple[Any, Any]:
    reports: list[EpochReport] = []
    schedule = WeightOptimiser(learning_rate=0.02, warmup_epochs=1, milestones=(3,))
    evaluator = ReidEvaluator(
        planted.data, epochs=EPOCHS, optimiser=schedule, on_epoch=reports.append, accelerator="cpu"
    )
    if folder is not None:
        evaluator.trainer.callbacks.append(EveryEpoch(folder))
    if resumed is not None:
        evaluator.fit_kwargs.update(ckpt_path=resumed, weights_only=True)
    searching = MAKERS[name]()
    run_one_shot(planted.pairs(), evaluator, searching)
    return searching, [(r.epoch, r.loss, r.val_loss, r.mAP, r.genotype) for r in reports]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_resumed_search_ends_as_if_it_had_never_stopped(
    planted: Any, name: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    straight, told = run(planted, name, tmp_path, None)
    state = straight.oneshot_module.state_dict()
    for after in range(1, EPOCHS):
        torch.manual_seed(after)
        resumed, told_again = run(planted, name, None, tmp_path / f"{after}.ckpt")
        assert told_again == told[after:]
        found = resumed.oneshot_module.state_dict()
        assert list(found) == list(state)
        assert [key for key in state if not torch.equal(found[key], state[key])] == []
        assert resumed.probabilities() == straight.probabilities()
        assert resumed.genotype() == straight.genotype()


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_finished_search_keeps_its_result(planted: Any, name: str, tmp_path: Path) -> None:
    """Restored from its last checkpoint nothing is trained, and the supernet stands as it did."""
    straight, _ = run(planted, name, tmp_path, None)
    if name == "random_one_shot":  # not where an untrained search stands by itself
        assert set(straight.genotype().values()) != {"keep"}
    finished, told = run(planted, name, None, tmp_path / f"{EPOCHS}.ckpt")
    assert told == []
    assert finished.genotype() == straight.genotype()
    assert finished.probabilities() == straight.probabilities()
    images = torch.rand(4, 3, planted.data.height, planted.data.width)
    with torch.no_grad():
        features = [searching.supernet.eval()(images) for searching in (straight, finished)]
    assert torch.equal(*features)
