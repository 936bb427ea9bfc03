"""What a search reports of each epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

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
