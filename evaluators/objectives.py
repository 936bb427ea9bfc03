"""What the training of an embedding network minimises (MSINet, CVPR 2023, sections 3.3 and 3.4).

Letters: B pictures of a batch, C channels and h x w positions of the last map, I identities.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from evaluators.losses import id_triplet
from evaluators.training import Objective
from nas_space.alignment import SpatialAlignment
from nas_space.heads import EmbeddingNetwork, HeadOutput
from reid_data.batch import Batch

TripletOn = Literal["pooled", "normalised"]
"""Which feature of a head the triplet loss sees: ``v``, or ``n = bn(fc(v))``."""


class Weights(NamedTuple):
    """Of the terms of the loss.

    Attributes:
        smoothing: share of an identity's label that is spread evenly over all identities.
        margin: of the triplet loss.
        triplet: weight of the triplet loss.
        alignment: weight of the spatial alignment, where there is one.
    """

    smoothing: float = 0.1
    margin: float = 0.3
    triplet: float = 1.0
    alignment: float = 2.0


class Classifiers(nn.Module):
    """One identity classifier per head; they belong to the training, not to the network."""

    def __init__(self, outputs: Sequence[HeadOutput], identities: int) -> None:
        super().__init__()
        self.linear = nn.ModuleList(
            nn.Linear(output.normalised.shape[1], identities, bias=False) for output in outputs
        )
        for layer in self.linear:
            nn.init.normal_(layer.get_parameter("weight"), std=0.01)

    def loss(
        self,
        outputs: Sequence[HeadOutput],
        identity: Int[Tensor, " B"],
        weights: Weights,
        triplet_on: TripletOn,
    ) -> Float[Tensor, ""]:
        """``[CE(logits) + triplet(v)] + [CE(logits_f) + triplet(f_v)]`` (MSINet, section 3.4)."""
        terms = [
            id_triplet(
                linear(output.normalised),
                output.pooled if triplet_on == "pooled" else output.normalised,
                identity,
                smoothing=weights.smoothing,
                margin=weights.margin,
                weight=weights.triplet,
            )
            for linear, output in zip(self.linear, outputs, strict=True)
        ]
        return torch.stack(terms).sum()


class ReidObjective(Objective):
    r"""The heads' losses and, added once, the spatial alignment of the last map.

    .. math:: L = \sum_h \left( CE_h + w \, L^{triplet}_h \right) + \lambda \, L_{SAM}

    Args:
        network: with heads.
        outputs: of the network for any batch; only their shapes count.
        identities: I; labels are ``0..I-1``.
        weights: ``w`` and ``\lambda``.
        triplet_on: the feature of every head that the triplet loss sees.
        alignment: the module of the alignment, or None for no such term.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        outputs: Sequence[HeadOutput],
        identities: int,
        *,
        weights: Weights,
        triplet_on: TripletOn = "pooled",
        alignment: SpatialAlignment | None = None,
    ) -> None:
        super().__init__(network)
        self.classifiers = Classifiers(outputs, identities)
        self.alignment = alignment
        self.weights, self.triplet_on = weights, triplet_on

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The loss of a batch of at least two identities."""
        outputs, last = self.network.describe(_channels_last(batch))
        with torch.autocast(last.device.type, enabled=False):
            exact = [HeadOutput(*(feature.float() for feature in output)) for output in outputs]
            loss = self.classifiers.loss(exact, batch.identities, self.weights, self.triplet_on)
            if self.alignment is not None:
                aligned = self.alignment(last.float(), batch.identities)
                loss = loss + self.weights.alignment * aligned
        return loss


class Classification(Objective):
    """Cross-entropy of one linear classifier behind the neck of the first head.

    Args:
        network: whose first head is the global one.
        outputs: of the network for any batch; only their shapes count.
        classes: of the pictures; labels are ``0..classes-1``.
        smoothing: share of a label that is spread evenly over all classes.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        outputs: Sequence[HeadOutput],
        classes: int,
        *,
        smoothing: float,
    ) -> None:
        super().__init__(network)
        self.classifier = nn.Linear(outputs[0].normalised.shape[1], classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)
        self.smoothing = smoothing

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The loss of a batch of pictures and their classes."""
        n = self.network.heads(_channels_last(batch))[0].normalised
        with torch.autocast(n.device.type, enabled=False):
            logits = self.classifier(n.float())
            loss = F.cross_entropy(logits, batch.identities, label_smoothing=self.smoothing)
        return loss

    @torch.inference_mode()
    def places(self, batch: Batch) -> Int[Tensor, " B"]:
        """How many classes are at least as likely as the right one, itself left out: 0 is right.

        The module has to be in evaluation mode.
        """
        n = self.network.heads(_channels_last(batch))[0].normalised
        logits = self.classifier(n)
        right = logits.gather(1, batch.identities[:, None])
        places: Tensor = (logits >= right).sum(dim=1) - 1
        return places


def _channels_last(batch: Batch) -> Float[Tensor, "B 3 H W"]:
    """The pictures in the order of bytes that convolutions are fastest with."""
    return batch.images.contiguous(memory_format=torch.channels_last)
