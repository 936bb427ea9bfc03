"""Losses that make pictures of one identity alike, and what a search minimises.

Letters: B pictures of a batch, D dimensions of a feature, I identities.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reid_data.batch import Twin


def batch_hard_triplet(
    feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"], *, margin: float = 0.3
) -> Float[Tensor, ""]:
    r"""Batch-hard triplet loss (Hermans et al., 2017, equation 5) of features of unit length.

    .. math:: L = \frac{1}{B} \sum_b \max(0,\; m + \max_{p:\, y_p = y_b} \|f_b - f_p\|
                                               - \min_{n:\, y_n \ne y_b} \|f_b - f_n\|)

    Every picture is an anchor. One that is alone of its identity is its own, only positive, at
    distance 0. Where two features coincide their distance has gradient 0.

    Args:
        feature: ``f``; made unit length here.
        identity: ``y``, any numbering.
        margin: ``m``, in the unit of the distances, which lie in [0, 2].

    Raises:
        ValueError: if the batch holds one identity only.
    """
    f = F.normalize(feature, dim=1)
    same = identity[:, None] == identity[None, :]
    if same.all():
        raise ValueError(
            f"All {len(identity)} pictures of the batch are of one identity and the triplet loss"
            " needs two: draw at least two identities per batch."
        )
    # from differences: the rounding of a matrix product is as large as a small distance
    distance = torch.cdist(f, f, compute_mode="donot_use_mm_for_euclid_dist")
    to_positive = distance.masked_fill(~same, -torch.inf).max(1).values
    to_negative = distance.masked_fill(same, torch.inf).min(1).values
    return F.relu(margin + to_positive - to_negative).mean()


def id_triplet(
    logits: Float[Tensor, "B I"],
    feature: Float[Tensor, "B D"],
    identity: Int[Tensor, " B"],
    *,
    smoothing: float = 0.1,
    margin: float = 0.3,
    weight: float = 1.0,
) -> Float[Tensor, ""]:
    r"""Classification and metric in one (MSINet, CVPR 2023): :math:`L = L_{id} + w L_{triplet}`.

    Args:
        logits: of the identity classifier.
        feature: ``f`` of the triplet loss.
        identity: labels in ``0..I-1``.
        smoothing: share of the target that is spread evenly over all ``I`` identities.
        margin: of the triplet loss.
        weight: ``w``, of the triplet loss.

    Raises:
        ValueError: if the batch holds one identity only.
    """
    id_loss = F.cross_entropy(logits, identity, label_smoothing=smoothing)
    return id_loss + weight * batch_hard_triplet(feature, identity, margin=margin)


class Criterion(Protocol):
    """What a search minimises, given the features of a supernet."""

    def loss(
        self, feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"], twin: Twin
    ) -> Float[Tensor, ""]:
        """The loss of a batch; changes nothing, so that twice gives the same number twice."""


class IdTriplet(nn.Module):
    """ID + triplet loss with an identity classifier of its own; both twins share it.

    The final network classifies ``BN(fc(v))`` and gives the triplet loss ``v``. The supernet ends
    with ``v``, so here the classifier sees ``BN(v)``: a fully connected layer in front would
    belong to neither the supernet nor the classes. As there, the BN's bias stays 0, so that
    classes are separated by planes through the origin, and for the same reason the classifier has
    none. The BN takes its statistics from each batch and keeps none: nothing reads them later, and
    the loss stays pure.

    Args:
        dimensions: D.
        identities: I, of both twins together.
        generator: draws the classifier's initial weights, N(0, 0.01).
        smoothing: of the labels.
        margin: of the triplet loss.
        weight: of the triplet loss.
        neck: the supernet's own BN, where it has one.
    """

    def __init__(
        self,
        dimensions: int,
        identities: int,
        *,
        generator: torch.Generator,
        smoothing: float = 0.1,
        margin: float = 0.3,
        weight: float = 1.0,
        neck: nn.BatchNorm1d | None = None,
    ) -> None:
        super().__init__()
        self.smoothing, self.margin, self.weight = smoothing, margin, weight
        self.neck = neck or nn.BatchNorm1d(dimensions, track_running_stats=False)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Parameter(
            0.01 * torch.randn(identities, dimensions, generator=generator)
        )

    def loss(
        self, feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"], twin: Twin
    ) -> Float[Tensor, ""]:
        """ID + triplet loss of a batch of at least two identities, of either twin."""
        logits = F.linear(self.neck(feature), self.classifier)
        return id_triplet(
            logits,
            feature,
            identity,
            smoothing=self.smoothing,
            margin=self.margin,
            weight=self.weight,
        )
