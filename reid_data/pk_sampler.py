"""Batches of P identities with K pictures each, an epoch of them at a time."""

from bisect import bisect_left
from collections.abc import Sequence

import torch

from reid_data.randomness import generator_of


class PKSampler:
    r"""Which pictures make up each batch; a pure function of labels, seed and epoch.

    The pictures of each identity are shuffled and cut into :math:`c_i = \lceil n_i / K \rceil`
    chunks of K, and a batch takes chunks of P different identities. An incomplete chunk is filled
    up with other pictures of its identity; an identity with fewer than K pictures repeats them.
    An epoch has as many batches as such chunks allow,

    .. math:: m = \max \{ m : \sum_i \min(c_i, m) \ge m P \},

    reached by taking the P identities with the most chunks left, ties broken at random. The
    batches are then shuffled, or identities with many pictures would always come first.

    Args:
        labels: the identity of each picture.
        identities: P.
        images: K.
        seed: of all epochs.

    Raises:
        ValueError: If P or K is below 1, or there are fewer than P identities.
    """

    def __init__(self, labels: Sequence[int], *, identities: int, images: int, seed: int) -> None:
        if min(identities, images) < 1:
            raise ValueError(
                f"A batch of {identities} identities x {images} images was asked for: both must be"
                " at least 1."
            )
        self._members: dict[int, list[int]] = {label: [] for label in sorted(set(labels))}
        for index, label in enumerate(labels):
            self._members[label].append(index)
        if len(self._members) < identities:
            raise ValueError(
                f"A batch of {identities} identities was asked for and there are"
                f" {len(self._members)}: lower the identities per batch or give more data."
            )
        self._p, self._k, self._seed = identities, images, seed
        self._chunks = [-(-len(members) // images) for members in self._members.values()]
        self._length = _epoch_length(self._chunks, identities)

    def __len__(self) -> int:
        """Batches of an epoch, the same for every epoch."""
        return self._length

    def batches(self, epoch: int) -> list[tuple[int, ...]]:
        """The batches of an epoch: positions in ``labels``, P K of them, identity by identity."""
        generator = generator_of(self._seed, epoch)
        chunks = [self._cut(members, generator) for members in self._members.values()]
        left = torch.tensor(self._chunks, dtype=torch.float64)
        batches = []
        for _ in range(self._length):
            ties = torch.rand(len(left), generator=generator, dtype=torch.float64)
            chosen = torch.topk(left + ties, self._p).indices
            left[chosen] -= 1
            batches.append(tuple(i for c in chosen.tolist() for i in chunks[c].pop()))
        order = torch.randperm(self._length, generator=generator).tolist()
        return [batches[position] for position in order]

    def _cut(self, members: Sequence[int], generator: torch.Generator) -> list[list[int]]:
        """The pictures of an identity in chunks of K, in a random order."""
        n, k = len(members), self._k
        shuffled = [members[i] for i in torch.randperm(n, generator=generator).tolist()]
        whole = n - n % k
        chunks = [shuffled[start : start + k] for start in range(0, whole, k)]
        if whole < n:
            # The first pictures of the shuffled row are a random draw from the others.
            filled = shuffled[whole:] + shuffled * (k // n + 1)
            chunks.insert(0, filled[:k])
        return chunks


def _epoch_length(chunks: Sequence[int], p: int) -> int:
    """The largest m with ``sum_i min(c_i, m) >= m p``; once it fails, it fails for every more."""
    most = sum(chunks) // p
    return bisect_left(
        range(1, most + 1), x=True, key=lambda m: sum(min(c, m) for c in chunks) < m * p
    )
