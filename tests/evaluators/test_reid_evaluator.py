"""After each epoch of a search the evaluator scores held-out identities and says how it stands."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nni
import numpy as np
import pytest
import torch
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.runtime.trial_command_channel import (
    TrialCommandChannel,
    get_default_trial_command_channel,
    set_default_trial_command_channel,
)
from PIL import Image
from torch import Tensor, nn

from evaluators.embedding import embed
from evaluators.epoch_report import EpochReport, mean_entropy
from evaluators.optimisation import WeightOptimiser
from evaluators.reid_evaluator import ReidEvaluator
from evaluators.retrieval import retrieve_within
from experiments.engine import run_one_shot
from reid_data.datamodule import SearchData
from reid_data.records import Sighting
from strategies.enas import ENAS, ControllerSettings
from strategies.tcm import TCM, TcmModule

OPTIMISER = WeightOptimiser(learning_rate=0.01, warmup_epochs=0, milestones=())


class ColourSpace(ModelSpace):  # type: ignore[misc]
    """Features from four colours, with a batch norm and a slot."""

    def __init__(self) -> None:
        super().__init__()
        self.slot = LayerChoice({"none": nn.Identity(), "relu": nn.ReLU()}, label="slot")
        self.norm = nn.BatchNorm1d(12)
        self.weights = nn.Linear(12, 6)

    def forward(self, images: Tensor) -> Tensor:
        colours = nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)
        features: Tensor = self.weights(self.norm(self.slot(colours)))
        return features


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SearchData:
    folder: Path = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    sightings = []
    for identity in range(1, 15):
        colours = rng.integers(40, 216, (2, 2, 3))
        for picture in range(4):
            path = folder / f"{identity}_{picture}.png"
            seen = (colours + rng.normal(0, 20, (2, 2, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(seen.repeat(4, 0).repeat(4, 1)).save(path)
            sightings.append(Sighting(identity, picture % 2, path))
    searched = tuple(s for s in sightings if s.identity <= 10)
    held_out = tuple(s for s in sightings if s.identity > 10)
    return SearchData(searched, held_out, height=8, width=8, identities=2, images=2)


@pytest.fixture
def space() -> ColourSpace:
    torch.manual_seed(0)
    return ColourSpace()


def evaluator(data: SearchData, **settings: Any) -> ReidEvaluator:
    return ReidEvaluator(data, epochs=3, optimiser=OPTIMISER, accelerator="cpu", **settings)


def test_every_epoch_is_reported_and_the_last_score_is_that_of_the_network(
    data: SearchData, space: ColourSpace
) -> None:
    reports, searching = list[EpochReport](), TCM()
    run_one_shot(space, evaluator(data, on_epoch=reports.append), searching)
    assert [(r.epoch, r.epochs) for r in reports] == [(1, 3), (2, 3), (3, 3)]
    features = embed(
        searching.supernet, data.pictures(data.held_out, ""), data.held_out, device="cpu"
    )
    last, found = reports[-1], retrieve_within(features)
    assert (last.mAP, last.rank1) == (found.mAP, found.rank1)
    assert last.entropy == mean_entropy(searching.probabilities())
    assert last.none_share == float(searching.genotype()["slot"] == "none")
    assert all(r.seconds > 0 and math.isfinite(r.loss) for r in reports)


def test_a_val_loss_that_is_not_finite_ends_the_search(
    data: SearchData, space: ColourSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the very last iteration, behind which nothing else would notice."""
    step = TcmModule.training_step

    def diverges(self: TcmModule, batch: Any, batch_idx: int) -> Any:
        losses = step(self, batch, batch_idx)
        last = self.trainer.current_epoch == 2 and self.trainer.is_last_batch
        return losses | {"val_loss": torch.tensor(torch.nan)} if last else losses

    monkeypatch.setattr(TcmModule, "training_step", diverges)
    with pytest.raises(ValueError, match=r"search epoch 3 is \d.*nan on the val side"):
        run_one_shot(space, evaluator(replace(data, held_out=())), TCM())


def test_scoring_leaves_no_trace_in_the_search(data: SearchData) -> None:
    found = []
    for held_out in (data.held_out, ()):
        torch.manual_seed(0)
        searching, reports = TCM(), list[EpochReport]()
        scored = replace(data, held_out=held_out)
        run_one_shot(ColourSpace(), evaluator(scored, on_epoch=reports.append), searching)
        assert (reports[0].mAP is None) == (not held_out)
        found.append((searching.probabilities(), reports[-1].loss))
    assert found[0] == found[1]


def test_nor_does_putting_the_likeliest_path_of_enas_in_its_place(data: SearchData) -> None:
    found = []
    for batches in (0, 3):
        torch.manual_seed(0)
        controller = ControllerSettings(calibration_batches=batches)
        searching, reports = ENAS(controller=controller), list[EpochReport]()
        run_one_shot(ColourSpace(), evaluator(data, on_epoch=reports.append), searching)
        found.append((searching.probabilities(), reports[-1].loss))
    assert found[0] == found[1]


def test_running_statistics_of_a_scored_path_are_those_of_its_batches(
    data: SearchData, space: ColourSpace
) -> None:
    searching = ENAS(controller=ControllerSettings(calibration_batches=2))
    run_one_shot(space, evaluator(data), searching)
    searching.settle()
    loader = searching.oneshot_module.loader
    batches = [batch.images for batch in loader.train_batches(epoch=0)][:2]
    colours = [nn.functional.adaptive_avg_pool2d(images, 2).flatten(1) for images in batches]
    seen = [space.slot[searching.genotype()["slot"]](colour).mean(0) for colour in colours]
    torch.testing.assert_close(space.norm.running_mean, (seen[0] + seen[1]) / 2)
    assert space.norm.momentum == 0.1


@pytest.mark.parametrize(
    ("slots", "nats"),
    [
        ({"s": {"a": 0.5, "b": 0.5}}, math.log(2)),
        ({"s": {"a": 1.0, "b": 0.0}}, 0.0),
        ({"s": {"a": 0.5, "b": 0.5}, "t": {"a": 1.0}}, math.log(2) / 2),
    ],
)
def test_entropy_is_the_mean_over_slots(slots: dict[str, dict[str, float]], nats: float) -> None:
    assert mean_entropy(slots) == pytest.approx(nats)


class Manager(TrialCommandChannel):  # type: ignore[misc]
    """Gives one parameter, numbered 41, and keeps what is reported."""

    def __init__(self) -> None:
        self.metrics = list[tuple[int, Any]]()

    def receive_parameter(self) -> Any:
        return {"parameter_id": 41, "parameters": {}}

    def send_metric(
        self, type: str, parameter_id: int, trial_job_id: str, sequence: int, value: Any
    ) -> None:
        self.metrics.append((parameter_id, value))


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    before, manager = get_default_trial_command_channel(), Manager()
    monkeypatch.setattr("nni.trial._params", None)
    set_default_trial_command_channel(manager)
    yield manager
    set_default_trial_command_channel(before)


def test_what_a_trial_reports_of_an_epoch_is_booked_on_its_parameter(
    data: SearchData, space: ColourSpace, manager: Manager
) -> None:
    reports = list[EpochReport]()

    def report(epoch: EpochReport) -> None:
        reports.append(epoch)
        nni.report_intermediate_result({"default": epoch.mAP})

    nni.get_next_parameter()
    run_one_shot(space, evaluator(data, on_epoch=report), TCM())
    nni.report_final_result({"default": 1.0})
    assert manager.metrics == [
        *((41, {"default": epoch.mAP}) for epoch in reports),
        (41, {"default": 1.0}),
    ]


def test_nnis_own_experiment_runs_a_search(
    data: SearchData,
    space: ColourSpace,
    manager: Manager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FileHandler", "StreamHandler"):  # NNI never closes its log
        monkeypatch.setattr(f"nni.runtime.log.{name}", lambda *_, **__: logging.NullHandler())
    experiment = NasExperiment(space, evaluator(data), TCM())
    experiment.config.experiment_working_directory = tmp_path
    try:
        experiment.run()
        found = experiment.export_top_models(formatter="dict")
    finally:
        experiment.stop()
    assert list(found[0]) == ["slot"]
