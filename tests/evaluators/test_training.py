"""A training moves weights by the mean gradient at the scheduled rate, and stops where it must."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from evaluators.course import Course, Precision
from evaluators.epoch_report import TrainingEpoch
from evaluators.optimisation import WeightOptimiser
from evaluators.training import Listener, Objective, fit
from nas_space.heads import Description, EmbeddingNetwork, HeadOutput
from reid_data.batch import Batch, Twin

CPU = torch.device("cpu")
PLAIN = WeightOptimiser(
    learning_rate=0.1, momentum=0.0, weight_decay=0.0, warmup_epochs=0, milestones=()
)


class One(EmbeddingNetwork):
    """A network of one number."""

    channels, dimensions = 1, 1

    def __init__(self, w: float = 1.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def describe(self, images: Tensor) -> Description:
        pooled = self.w * images.mean(dim=(1, 2, 3))[:, None]
        return Description((HeadOutput(pooled, pooled),), images)


class Slope(Objective):
    """Loss ``w x`` for pictures that are ``x`` everywhere: its gradient is ``x``."""

    def loss(self, batch: Batch) -> Tensor:
        return self.network.heads(batch.images)[0].pooled.mean()


class Given:
    """Epochs of batches of one number each; the last epoch is repeated."""

    def __init__(self, *epochs: tuple[float, ...]) -> None:
        self.epochs, self.epoch = epochs, 0

    def __len__(self) -> int:
        return len(self.epochs[0])

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        for x in self.epochs[min(self.epoch, len(self.epochs) - 1)]:
            nobody = torch.zeros(2, dtype=torch.long)
            yield Batch(torch.full((2, 3, 1, 1), x), nobody, nobody, Twin.TRAIN)


def trained(
    batches: Given,
    course: Course,
    *,
    score: Any = None,
    checkpoint: Path | None = None,
    heard: list[TrainingEpoch] | None = None,
) -> tuple[float, list[TrainingEpoch]]:
    epochs = [] if heard is None else heard
    objective = Slope(One())
    listener = Listener(epochs.append, None, score)
    fit(
        objective,
        lambda _device, _number: batches,
        course,
        listener=listener,
        checkpoint=checkpoint,
    )
    assert not objective.network.training
    return objective.network.get_parameter("w").item(), epochs


def test_every_batch_moves_the_weights_by_its_gradient() -> None:
    """From w = 1 at rate 0.1: 0.9, 0.7, 0.4; losses 1 * 1, 0.9 * 2 and 0.7 * 3."""
    w, (epoch,) = trained(Given((1.0, 2.0, 3.0)), Course(1, PLAIN, CPU))
    assert w == pytest.approx(0.4)
    assert epoch.loss == pytest.approx((1 + 1.8 + 2.1) / 3)
    assert (epoch.epoch, epoch.learning_rate) == (1, 0.1)


def test_accumulated_gradients_are_averaged_and_the_rest_counts_as_much() -> None:
    """Steps of 0.1 * (1 + 2) / 2 and 0.1 * 3 / 2; the third batch is seen at w = 0.85."""
    w, (epoch,) = trained(Given((1.0, 2.0, 3.0)), Course(1, PLAIN, CPU, accumulate=2))
    assert w == pytest.approx(1 - 0.15 - 0.15)
    assert epoch.loss == pytest.approx((1 + 2 + 3 * 0.85) / 3)


def test_one_cycle_has_a_step_per_accumulated_step() -> None:
    """Two epochs of three batches, two of which make a step: four steps, and the rate ends at 0."""
    cycle = WeightOptimiser(learning_rate=0.1, schedule="one_cycle", weight_decay=0.0)
    _, epochs = trained(Given((1.0, 2.0, 3.0)), Course(2, cycle, CPU, accumulate=2))
    assert epochs[-1].learning_rate < 0.01 * 0.1


def test_the_best_epoch_so_far_is_that_of_the_lowest_loss() -> None:
    """At rate 0, losses are the pictures' numbers: 3, 2, 2, 1; an equal one is no better."""
    still = WeightOptimiser(learning_rate=0.0, warmup_epochs=0, momentum=0.0, weight_decay=0.0)
    given = Given((3.0,), (2.0,), (2.0,), (1.0,))
    _, epochs = trained(given, Course(4, still, CPU))
    assert [epoch.best for epoch in epochs] == [True, True, False, True]
    assert [epoch.scores for epoch in epochs] == [{}] * 4


def test_scores_decide_where_there_are_any_and_only_when_they_are_due() -> None:
    """Scored after epochs 2 and 4 and the last: 0.5, 0.4 and 0.6; the loss only ever falls."""
    marks = iter([0.5, 0.4, 0.6])

    def score(network: EmbeddingNetwork) -> Mapping[str, float]:
        return {"mAP": next(marks), "rank1": 0.0}

    _, epochs = trained(Given((1.0,)), Course(5, PLAIN, CPU, score_every=2), score=score)
    assert [epoch.best for epoch in epochs] == [False, True, False, False, True]
    assert [epoch.scores.get("mAP") for epoch in epochs] == [None, 0.5, None, 0.4, 0.6]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_in_a_sentence(value: float) -> None:
    heard: list[TrainingEpoch] = []
    given = Given((1.0, 1.0), (1.0, value), (1.0, 1.0))
    with pytest.raises(ValueError, match=r"epoch 2 is (nan|inf): lower [^\n]* is 0\.1\.$"):
        trained(given, Course(3, PLAIN, CPU), heard=heard)
    assert [epoch.epoch for epoch in heard] == [1]


def test_weights_that_the_last_step_of_an_epoch_spoilt_end_it_too() -> None:
    """Loss 1e38, a number; gradient 1e38 at rate 100: the weight is beyond every float."""
    wild = WeightOptimiser(learning_rate=100, warmup_epochs=0, momentum=0.0, weight_decay=0.0)
    heard: list[TrainingEpoch] = []
    with pytest.raises(ValueError, match="no longer finite after retraining epoch 1"):
        trained(Given((1e38,)), Course(3, wild, CPU), heard=heard)
    assert heard == []


@pytest.mark.parametrize("schedule", ["multistep", "cosine", "one_cycle"])
@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_training_that_broke_off_in_any_epoch_ends_as_if_it_had_not(
    tmp_path: Path, schedule: Any, stop: int
) -> None:
    """Momentum and schedule count, epochs have different pictures, and the best is amid them."""
    weights = WeightOptimiser(
        learning_rate=0.01, schedule=schedule, warmup_epochs=2, milestones=(3,)
    )
    given = Given((5.0, 1.0), (2.0, 2.0), (1.0, 0.5), (4.0, 3.0))
    course = Course(4, weights, CPU)
    whole, told = trained(given, course)

    class BrokenError(BaseException):
        pass

    class Breaking(list[TrainingEpoch]):
        def append(self, epoch: TrainingEpoch) -> None:
            super().append(epoch)
            if epoch.epoch == stop:
                raise BrokenError

    file = tmp_path / "state.pt"
    with pytest.raises(BrokenError):
        trained(given, course, checkpoint=file, heard=Breaking())
    assert file.exists() == (stop > 1)
    again, rest = trained(given, course, checkpoint=file)
    assert again == whole
    lines = [(e.epoch, e.loss, e.learning_rate, e.best) for e in told]
    assert [(e.epoch, e.loss, e.learning_rate, e.best) for e in rest] == lines[stop - 1 :]


def test_a_finished_training_that_is_gone_on_with_has_its_weights(tmp_path: Path) -> None:
    course, file = Course(2, PLAIN, CPU), tmp_path / "state.pt"
    whole, _ = trained(Given((1.0,)), course, checkpoint=file)
    again, heard = trained(Given((1.0,)), course, checkpoint=file)
    assert (again, heard) == (whole, [])


def test_a_checkpoint_that_is_none_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    file, heard = tmp_path / "state.pt", list[TrainingEpoch]()
    torch.save({"some": "words"}, file)
    with pytest.raises(ValueError, match=r"state\.pt of the run folder is no state"):
        trained(Given((1.0,)), Course(1, PLAIN, CPU), checkpoint=file, heard=heard)
    assert heard == []


def test_a_precision_the_device_has_not_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"^Precision '16' [^\n]* 'cpu' [^\n]* one of 32, bf16\.$"):
        Course(1, PLAIN, CPU, precision="16")


def test_bf16_computes_with_fewer_digits_and_keeps_weights_of_32_bits() -> None:
    """Products of a linear layer are rounded to 8 digits: 1 + 2 ** -9 becomes 1."""

    class Product(Objective):
        def loss(self, batch: Batch) -> Tensor:
            seen.append((self.network.get_parameter("w")[None, None] @ batch.images[:1, 0]).item())
            return self.network.heads(batch.images)[0].pooled.mean()

    seen: list[float] = []
    given = Given((1 + 2**-9,))
    for precision in get_args(Precision)[:2]:
        objective = Product(One())
        fit(objective, lambda _device, _number: given, Course(1, PLAIN, CPU, precision=precision))
        assert objective.network.get_parameter("w").dtype == torch.float32
    assert seen == [1 + 2**-9, 1.0]
