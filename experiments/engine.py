"""Runs a one-shot search inside an NNI trial.

NNI's sequential engine asks for the next parameter and diverts every report while it runs; inside
a trial, whose parameter was already taken, later results would then be booked on parameter 0.
"""

from typing import Any

from nni.nas.execution import SequentialExecutionEngine
from nni.nas.execution.event import TrainingEndEvent
from nni.nas.space import ModelStatus, RawFormatModelSpace


class TrialEngine(SequentialExecutionEngine):  # type: ignore[misc]
    """Executes a model and says how it ended; the trial's parameter and reports stay its own."""

    def _run_single_model(self, model: Any) -> None:
        model.status = ModelStatus.Training
        status = ModelStatus.Failed
        try:
            model.execute()
            status = ModelStatus.Trained
        except KeyboardInterrupt:
            status = ModelStatus.Interrupted
            raise
        finally:
            self.dispatch_model_event(TrainingEndEvent(model, status))


def run_one_shot(space: Any, evaluator: Any, strategy: Any) -> None:
    """Searches; afterwards ``strategy.genotype()`` is the result.

    Args:
        space: an NNI model space; it becomes the supernet.
        evaluator: an NNI Lightning evaluator.
        strategy: an NNI one-shot strategy; it can run once.
    """
    strategy(RawFormatModelSpace.from_model(space, evaluator), TrialEngine())
