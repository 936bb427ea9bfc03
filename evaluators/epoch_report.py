"""What a search, and what a training, reports of each epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Probabilities = Mapping[str, Mapping[str, float]]
"""Slot label -> candidate -> probability."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch of a search.

    Attributes:
        epoch: counted from 1.
        epochs: of the whole search.
        loss: mean loss of the train side.
        val_loss: mean loss of the side that moves the architecture; None where it has none.
        mAP: of retrieval among held-out identities; None where none are held out.
        rank1: of the same.
        entropy: of a slot's probabilities, mean over slots, nats.
        none_share: share of the slots whose choice is ``none``.
        learning_rate: of the weights, in the last iteration.
        arch_learning_rate: of the architecture, in the last iteration; None where nothing of it
            is learnt.
        probabilities: slot label -> candidate -> probability.
        genotype: slot label -> candidate the search would end with now.
        seconds: of the epoch, scoring included.
    """

    epoch: int
    epochs: int
    loss: float
    val_loss: float | None
    mAP: float | None  # noqa: N815 - the field's spelling
    rank1: float | None
    entropy: float
    none_share: float
    learning_rate: float
    arch_learning_rate: float | None
    probabilities: Probabilities
    genotype: Mapping[str, str]
    seconds: float


def mean_entropy(probabilities: Probabilities) -> float:
    r"""Mean over slots of :math:`-\sum_o p_o \ln p_o`, nats; 0 where every slot is decided."""
    slots = [candidates.values() for candidates in probabilities.values()]
    return sum(-sum(p * math.log(p) for p in slot if p > 0) for slot in slots) / len(slots)


@dataclass(frozen=True)
class TrainingEpoch:
    """One finished epoch of the training of a network.

    Attributes:
        epoch: counted from 1.
        loss: mean over its batches, of all devices.
        learning_rate: of its last batch.
        seconds: it took, scoring included.
        best: whether the network as it stands is the best so far: by the first of the scores, or
            by the loss where nothing is ever scored.
        scores: metric -> value on pictures put aside; empty in an epoch that is not scored.
    """

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    best: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What a line about it says."""
        scores = [f"held-out {name} {100 * x:.2f} %" for name, x in self.scores.items()]
        return ", ".join([f"loss {self.loss:.3f}", *scores])
