"""The memory of a twin: one centroid per identity, and the loss against all of them.

Source: MSINet (CVPR 2023), section 3.2. Letters: B pictures, D feature dimensions, I identities of
the twin, f a feature, c a centroid, tau the temperature, beta the momentum.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reid_data.batch import Twin


def contrastive_loss(
    feature: Float[Tensor, "B D"],
    row: Int[Tensor, " B"],
    centroid: Float[Tensor, "I D"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    r"""Cross-entropy of each feature against all centroids.

    .. math:: L = -\frac{1}{B}\sum_b \log
        \frac{\exp(f_b \cdot c_{y_b} / \tau)}{\sum_i \exp(f_b \cdot c_i / \tau)}

    Args:
        feature: ``f``; made unit length here.
        row: ``y``, in ``0..I-1``.
        centroid: ``c``; rows of unit length, or zero for an identity not met yet.
        temperature: ``tau > 0``.
    """
    f = F.normalize(feature, dim=1)
    return F.cross_entropy(f @ centroid.T / temperature, row)


def absorbed(
    centroid: Float[Tensor, "I D"],
    feature: Float[Tensor, "B D"],
    row: Int[Tensor, " B"],
    *,
    momentum: float,
) -> Float[Tensor, "I D"]:
    r"""The centroids after ``c_y <- normalise(beta c_y + (1 - beta) f)``, sample after sample.

    Samples of different identities do not touch each other's rows, so only the occurrences of one
    identity have to wait for each other: the loop runs at most K times.

    Args:
        centroid: ``c`` before; left as it is.
        feature: ``f``; made unit length here.
        row: ``y``, in batch order.
        momentum: ``beta`` in ``[0, 1]``, the share of the old centroid.
    """
    c, f = centroid.clone(), F.normalize(feature, dim=1)
    occurrence = (row[:, None] == row[None, :]).tril(diagonal=-1).sum(dim=1)
    for k in range(int(occurrence.max()) + 1 if len(row) else 0):
        y, f_k = row[occurrence == k], f[occurrence == k]
        c[y] = F.normalize(momentum * c[y] + (1 - momentum) * f_k, dim=1)
    return c


class ContrastiveMemory(nn.Module):
    """Centroids of one twin, addressed by identity label; starts at zero.

    Args:
        labels: of this twin's identities; any other label is refused.
        dimension: D.
        temperature: ``tau > 0``.
        momentum: ``beta`` in ``[0, 1]``.
        owner: how errors call this memory.
    """

    centroid: Tensor
    _row_of: Tensor

    def __init__(
        self,
        labels: Iterable[int],
        dimension: int,
        *,
        temperature: float = 0.05,
        momentum: float = 0.2,
        owner: str = "this",
    ) -> None:
        super().__init__()
        ordered = sorted(set(labels))
        if not ordered or ordered[0] < 0:
            raise ValueError(
                f"A memory of {len(ordered)} identities, smallest label"
                f" {ordered[0] if ordered else None}, was asked for: give it at least one label,"
                " none below 0."
            )
        if temperature <= 0 or not 0 <= momentum <= 1:
            raise ValueError(
                f"A memory needs a temperature above 0 and a momentum in [0, 1], found"
                f" {temperature} and {momentum}."
            )
        self.temperature, self.momentum, self.owner = temperature, momentum, owner
        row_of = torch.full((ordered[-1] + 1,), -1)
        row_of[torch.tensor(ordered)] = torch.arange(len(ordered))
        self.register_buffer("_row_of", row_of)
        self.register_buffer("centroid", torch.zeros(len(ordered), dimension))

    def loss(self, feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"]) -> Float[Tensor, ""]:
        """The contrastive loss in full precision; the memory stays as it is.

        Raises:
            ValueError: a label is not of this twin.
        """
        row = self._rows(identity)
        with torch.autocast(feature.device.type, enabled=False):
            return contrastive_loss(
                feature.float(), row, self.centroid, temperature=self.temperature
            )

    @torch.no_grad()
    def absorb(self, feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"]) -> None:
        """Moves the centroids towards the features, sample after sample in batch order.

        Raises:
            ValueError: a label is not of this twin.
        """
        row = self._rows(identity)
        with torch.autocast(feature.device.type, enabled=False):
            self.centroid = absorbed(self.centroid, feature.float(), row, momentum=self.momentum)

    @torch.no_grad()
    def initialise(self, batches: Iterable[tuple[Float[Tensor, "_ D"], Int[Tensor, " _"]]]) -> None:
        """Sets every centroid to the direction of the mean unit feature of its identity.

        Args:
            batches: (feature, identity) pairs of this twin; an identity they leave out stays zero.

        Raises:
            ValueError: a label is not of this twin.
        """
        total = torch.zeros_like(self.centroid)
        for feature, identity in batches:
            total.index_add_(0, self._rows(identity), F.normalize(feature.float(), dim=1))
        self.centroid = F.normalize(total, dim=1)

    def _rows(self, identity: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        known = (identity >= 0) & (identity < len(self._row_of))
        row = torch.where(known, self._row_of[identity.where(known, 0)], -1)
        if bool((row < 0).any()):
            raise ValueError(
                f"Identity label {int(identity[row < 0][0])} is not in {self.owner} memory of"
                f" {len(self.centroid)} identities: each memory takes pictures of its own twin"
                " only; check the split and the batch's twin."
            )
        return row


class TwinMemories(nn.Module):
    """The two memories of a search; a batch reaches only the one of its own twin.

    Args:
        labels: of each twin's identities; those the twins share are in both.
        dimension: D.
        temperature: ``tau > 0``.
        momentum: ``beta`` in ``[0, 1]``.
    """

    def __init__(
        self,
        labels: Mapping[Twin, Sequence[int]],
        dimension: int,
        *,
        temperature: float = 0.05,
        momentum: float = 0.2,
    ) -> None:
        super().__init__()
        self._memories = nn.ModuleDict(
            {
                f"of_{twin}": ContrastiveMemory(
                    labels[twin],
                    dimension,
                    temperature=temperature,
                    momentum=momentum,
                    owner=f"the {twin} twin's",
                )
                for twin in Twin
            }
        )

    def of(self, twin: Twin) -> ContrastiveMemory:
        """The memory of one twin."""
        memory = self._memories[f"of_{twin}"]
        if not isinstance(memory, ContrastiveMemory):
            raise TypeError(f"The {twin} memory is a {type(memory).__name__}: do not replace it.")
        return memory

    def loss(
        self, feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"], twin: Twin
    ) -> Float[Tensor, ""]:
        """The contrastive loss against the memory of ``twin``."""
        return self.of(twin).loss(feature, identity)

    def absorb(
        self, feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"], twin: Twin
    ) -> None:
        """Moves the memory of ``twin`` towards the features."""
        self.of(twin).absorb(feature, identity)
