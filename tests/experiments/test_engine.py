"""Inside a trial a search leaves the trial's parameter and its reports alone.

Two trials one after the other: two parameter ids, each metric under its own.
"""

from collections.abc import Iterator
from typing import Any

import nni
import pytest
from nni.nas.execution.event import TrainingEndEvent
from nni.nas.space import ModelStatus
from nni.runtime.trial_command_channel import (
    TrialCommandChannel,
    get_default_trial_command_channel,
    set_default_trial_command_channel,
)

from experiments.engine import TrialEngine


class Manager(TrialCommandChannel):  # type: ignore[misc]
    """Hands out parameters 41, 42, ... and keeps what is reported."""

    def __init__(self) -> None:
        self.next, self.metrics = 41, list[tuple[str, int, Any]]()

    def receive_parameter(self) -> Any:
        self.next += 1
        return {"parameter_id": self.next - 1, "parameters": {"seed": self.next - 1}}

    def send_metric(
        self, type: str, parameter_id: int, trial_job_id: str, sequence: int, value: Any
    ) -> None:
        self.metrics.append((type, parameter_id, value))


class Search:
    """Stands for a model of NNI whose execution reports, as an evaluator's epochs do."""

    def __init__(self, *, fails: bool = False) -> None:
        self.status, self.fails = ModelStatus.Frozen, fails

    def execute(self) -> None:
        nni.report_intermediate_result({"default": 0.5})
        if self.fails:
            raise ValueError("the search broke off")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    before, manager = get_default_trial_command_channel(), Manager()
    monkeypatch.setattr("nni.trial._params", None)
    set_default_trial_command_channel(manager)
    yield manager
    set_default_trial_command_channel(before)


def test_each_metric_is_booked_on_its_own_trials_parameter(manager: Manager) -> None:
    for _ in range(2):
        nni.get_next_parameter()
        TrialEngine().submit_models(Search())
        nni.report_final_result({"default": 0.7})
    assert manager.metrics == [
        ("PERIODICAL", 41, {"default": 0.5}),
        ("FINAL", 41, {"default": 0.7}),
        ("PERIODICAL", 42, {"default": 0.5}),
        ("FINAL", 42, {"default": 0.7}),
    ]
    assert nni.get_current_parameter() == {"seed": 42}


def test_no_further_parameter_is_asked_for(manager: Manager) -> None:
    nni.get_next_parameter()
    TrialEngine().submit_models(Search())
    assert manager.next == 42


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_is_told_whatever_it_was(manager: Manager, fails: bool) -> None:
    engine, search, told = TrialEngine(), Search(fails=fails), list[ModelStatus]()
    engine.register_model_event_callback(
        TrainingEndEvent.event_type, lambda event: told.append(event.status)
    )
    nni.get_next_parameter()
    if fails:
        with pytest.raises(ValueError, match="broke off"):
            engine.submit_models(search)
    else:
        engine.submit_models(search)
    assert told == [ModelStatus.Failed if fails else ModelStatus.Trained]
    assert search.status == told[0]
