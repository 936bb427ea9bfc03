"""The training of a network through Lightning, on one device or several.

What is trained, and by which loss, is an :class:`Objective`. What an epoch draws depends on seeds
and the epoch's number alone, so that a training goes on behind any epoch as if never stopped.
"""

import logging
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from evaluators.checkpoints import EpochCheckpoint
from evaluators.course import Course, Precision
from evaluators.distributed import accompanied, joined
from evaluators.epoch_report import TrainingEpoch
from evaluators.state import finished_epochs
from nas_space.heads import EmbeddingNetwork
from reid_data.batch import Batch

_NAMES: Mapping[Precision, str] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
_BEST = "best"
_KNOWN_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.11
    r"Grad strides do not match bucket view strides",  # several devices; 1x1 convolutions have two
)


class Objective(nn.Module, ABC):
    """All that is trained, and what is minimised.

    Args:
        network: what is shipped in the end; other modules of an objective belong to the training.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    @abstractmethod
    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The loss of a batch; changes nothing but running statistics."""


@runtime_checkable
class Batches(Protocol):
    """What hands out the batches of one epoch after the other."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be this epoch, counted from 0."""


BatchesOf = Callable[[torch.device, int], Batches]
"""(device, number of the process) -> its share of the batches; all shares are equally long."""


@dataclass(frozen=True)
class Listener:
    """Who is told of a training, in the process that asked for it.

    Attributes:
        on_epoch: told of every finished epoch; the network is as that epoch left it.
        on_batch: told of the batches of an epoch that are done, and their number.
        score: scores the network on pictures put aside, the most important metric first and the
            greater the better; None where none are.
    """

    on_epoch: Callable[[TrainingEpoch], None] | None = None
    on_batch: Callable[[int, int], None] | None = None
    score: Callable[[EmbeddingNetwork], Mapping[str, float]] | None = None


_NOBODY = Listener()


def _nothing() -> None:
    """There is no other process to be looked at."""


def fit(
    objective: Objective,
    batches_of: BatchesOf,
    course: Course,
    *,
    listener: Listener = _NOBODY,
    checkpoint: Path | None = None,
) -> None:
    """Train an objective in place; its network is in evaluation mode afterwards.

    Args:
        objective: on any device; with several devices, and ``batches_of`` too, to be pickled.
        batches_of: makes the batches.
        course: of the training.
        listener: is told.
        checkpoint: file that is replaced after every epoch; where it exists, the training goes on
            behind the epochs it holds.

    Raises:
        ValueError: if the loss or the weights are no longer finite, the checkpoint is broken, or
            another process of the training breaks.
    """
    resumed = checkpoint is not None and finished_epochs(checkpoint) > 0
    work = partial(_train, objective, batches_of, course, checkpoint, resumed)
    if course.devices == 1:
        work(0, listener)
    else:
        with accompanied(work, course.devices) as look:
            work(0, listener, look)
    objective.to(course.device).eval()


def _train(
    objective: Objective,
    batches_of: BatchesOf,
    course: Course,
    checkpoint: Path | None,
    resumed: bool,
    number: int,
    listener: Listener = _NOBODY,
    look: Callable[[], None] = _nothing,
) -> None:
    """The part of one process."""
    on_gpu = course.device.type == "cuda"
    device = torch.device("cuda", number) if on_gpu and course.devices > 1 else course.device
    batches = batches_of(device, number)
    module = _Module(objective, course, listener, len(batches), look)
    trainer = _quiet_trainer(course, [] if checkpoint is None else [EpochCheckpoint(checkpoint)])
    epochs = _Epochs(batches, lambda: int(trainer.current_epoch))
    objective.train()
    together = joined(number, course.devices, device, look)
    with warnings.catch_warnings(), together if course.devices > 1 else nullcontext():
        for known in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", known)
        trainer.fit(
            module,
            train_dataloaders=epochs,
            ckpt_path=checkpoint if resumed else None,
            weights_only=True if resumed else None,
        )


class _Epochs:
    """The batches of Lightning's current epoch."""

    def __init__(self, batches: Batches, epoch: Callable[[], int]) -> None:
        self._batches, self._epoch = batches, epoch

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        # asked with the first batch: Lightning begins passes before it knows their epoch, and twice
        self._batches.set_epoch(self._epoch())
        yield from self._batches


class _Module(LightningModule):
    """An objective as Lightning wants it."""

    def __init__(
        self,
        objective: Objective,
        course: Course,
        listener: Listener,
        length: int,
        look: Callable[[], None],
    ) -> None:
        super().__init__()
        self.objective, self._course, self._listener = objective, course, listener
        self._length, self._look = length, look
        self._losses: list[Tensor] = []
        self._rate, self._began, self._best = 0.0, 0.0, -math.inf

    def configure_optimizers(self) -> Any:
        descent = self._course.weights.build(
            self.objective.parameters(),
            epochs=self._course.epochs,
            steps_per_epoch=-(-self._length // self._course.accumulate),
        )
        schedule = {"scheduler": descent.scheduler, "interval": descent.interval}
        return {"optimizer": descent.optimizer, "lr_scheduler": schedule}

    def on_train_epoch_start(self) -> None:
        self._losses, self._began = [], perf_counter()

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        self._look()
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        loss = self.objective.loss(batch)
        self._losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._listener.on_batch is not None:
            self._listener.on_batch(batch_idx + 1, self._length)

    def on_train_epoch_end(self) -> None:
        epoch = self.trainer.current_epoch + 1
        loss = float(self._reduced(torch.stack(self._losses).mean()))
        self._require_finite(epoch, loss)
        if not self.trainer.is_global_zero:
            return
        scores = self._scores(epoch)
        best = self._is_best(loss, scores)
        if self._listener.on_epoch is not None:
            seconds = perf_counter() - self._began
            self._listener.on_epoch(TrainingEpoch(epoch, loss, self._rate, seconds, best, scores))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[_BEST] = self._best

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._best = checkpoint[_BEST]

    def _require_finite(self, epoch: int, loss: float) -> None:
        rate = self._course.weights.learning_rate
        remedy = f"lower retrain.weights.learning_rate, which is {rate}"
        if not math.isfinite(loss):
            raise ValueError(f"The loss of retraining epoch {epoch} is {loss}: {remedy}.")
        finite = all(bool(value.isfinite().all()) for value in self.objective.state_dict().values())
        if self._reduced(torch.tensor(float(finite), device=self.device)) < 1:
            raise ValueError(
                f"The network is no longer finite after retraining epoch {epoch}: {remedy}."
            )

    def _reduced(self, value: Tensor) -> Tensor:
        """The mean over all processes."""
        reduced: Tensor = self.trainer.strategy.reduce(value, reduce_op="mean")
        return reduced

    def _scores(self, epoch: int) -> Mapping[str, float]:
        due = epoch % self._course.score_every == 0 or epoch == self._course.epochs
        score = self._listener.score
        return {} if score is None or not due else score(self.objective.network)

    def _is_best(self, loss: float, scores: Mapping[str, float]) -> bool:
        if self._listener.score is not None and not scores:
            return False
        value = next(iter(scores.values())) if scores else -loss
        best = value > self._best
        self._best = max(self._best, value)
        return best


def _quiet_trainer(course: Course, callbacks: list[Any]) -> Trainer:
    """A trainer that writes no files of its own and speaks only of trouble."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    strategy: Any = "auto"
    if course.devices > 1:
        strategy = DDPStrategy(cluster_environment=LightningEnvironment())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "GPU available but not used")  # as the caller asked
        return Trainer(
            max_epochs=course.epochs,
            precision=_NAMES[course.precision],  # type: ignore[arg-type]
            accelerator="gpu" if course.device.type == "cuda" else "cpu",
            devices=course.devices,
            strategy=strategy,
            accumulate_grad_batches=course.accumulate,
            logger=False,
            callbacks=callbacks,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
