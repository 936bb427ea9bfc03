"""Runs a one-shot search inside an NNI trial.

NNI's sequential engine asks for the next parameter and diverts every report while it runs; inside
a trial, whose parameter was already taken, later results would then be booked on parameter 0.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nni.nas.execution import SequentialExecutionEngine
from nni.nas.execution.event import TrainingEndEvent
from nni.nas.space import ModelStatus, RawFormatModelSpace

_BASE, _FAILED = "nni.nas.strategy.base", "Strategy failed to execute."


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
    with _unsaid(_FAILED):
        strategy(RawFormatModelSpace.from_model(space, evaluator), TrialEngine())


@contextmanager
def _unsaid(words: str) -> Iterator[None]:
    """NNI does not log these words, as the exception that goes with them says more."""

    def is_other(record: logging.LogRecord) -> bool:
        return record.getMessage() != words

    logger = logging.getLogger(_BASE)
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
