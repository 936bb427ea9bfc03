"""Cosine similarity of feature vectors: checked, of unit length, and multiplied quickly.

Letters: N vectors of D dimensions, G of them the gallery, B queries of one block, C copies.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor

_NAMED = 5
"""Rows an error names before it stops."""

_ROWS = 52
"""Queries that oneDNN multiplies at once, no more and no fewer. It sums in another order where
there is more to do; evaluation asks for 51 at the size of MSMT17."""

_GOLDEN = -7046029254386353131
"""2 ** 64 over the golden ratio, as a signed number: its multiples are spread over all bits."""

_COMPARED = 1 << 10
"""Rows that are hashed or compared at once."""


def unit(vectors: Float[Tensor, "N D"]) -> Float32[Tensor, "N D"]:
    """Rows of length 1, or 0; dividing by the largest entry first keeps the squares in range.

    Args:
        vectors: finite, of any float type; left as they are.
    """
    v = vectors.to(torch.promote_types(vectors.dtype, torch.float32), copy=True)
    largest = torch.linalg.vector_norm(v, ord=torch.inf, dim=1, keepdim=True)
    v /= largest.where(largest > 0, 1)
    v /= torch.linalg.vector_norm(v, dim=1, keepdim=True).clamp(min=1)
    return v.float()


def check_finite(vectors: Float[Tensor, "N D"], part: str) -> None:
    """Refuse vectors that hold NaN or infinite numbers.

    Args:
        vectors: a row per picture.
        part: what to call them in the error.

    Raises:
        ValueError: if a row is not finite; it counts them, by kind, and names the first few.
    """
    largest = torch.linalg.vector_norm(vectors, ord=torch.inf, dim=1)
    wrong = (~largest.isfinite()).nonzero().squeeze(1)
    if len(wrong):
        nan = int(largest[wrong].isnan().sum())
        first = ", ".join(str(row) for row in wrong[:_NAMED].tolist())
        more = ", ..." if len(wrong) > _NAMED else ""
        raise ValueError(
            f"{len(wrong)} of the {len(vectors)} {part} vectors are not finite ({nan} with NaN,"
            f" {len(wrong) - nan} infinite), in rows {first}{more} counted from 0: check the"
            " network's weights and the pictures of these rows."
        )


class Similarity:
    """Cosines of queries with a fixed gallery.

    Products are float32, or less where torch is told so (TensorFloat-32). On a CPU they go through
    oneDNN where torch has it, the faster of torch's two libraries on many processors, always as
    many queries at once, zeros among them where there are fewer: a query has the same numbers in
    a block of any size. The gallery is then kept once more, in oneDNN's hands: ``4 G D`` bytes.

    Equal gallery rows are equally similar to the last bit: a product may round equal rows
    differently, by their place in it, and a tie between copies of one picture, or of all pictures
    in a collapsed network, would then be decided by noise.

    Args:
        gallery: rows of length 1, or 0, as ``unit`` makes them; its device does the work.
    """

    def __init__(self, gallery: Float32[Tensor, "G D"]) -> None:
        self._copies, self._originals = repeated(gallery)
        self._onednn = _has_onednn(gallery)
        self._gallery = gallery.detach().to_mkldnn() if self._onednn else gallery.detach()

    @torch.no_grad()
    def of(self, query: Float32[Tensor, "B D"]) -> Float32[Tensor, "B G"]:
        """Cosine of every query with every gallery row; the caller's to overwrite.

        Args:
            query: rows of length 1, or 0, on the gallery's device.
        """
        similarity: Tensor
        with torch.autocast(query.device.type, enabled=False):
            similarity = self._product(query) if self._onednn else query @ self._gallery.T
        if len(self._copies):
            similarity[:, self._copies] = similarity[:, self._originals]
        return similarity

    def _product(self, query: Float32[Tensor, "B D"]) -> Float32[Tensor, "B G"]:
        """By oneDNN, ``_ROWS`` at a time."""
        if len(query) <= _ROWS:
            whole = F.pad(query, (0, 0, 0, _ROWS - len(query))).contiguous()
            linear: Tensor = F.linear(whole.to_mkldnn(), self._gallery).to_dense()
            return linear[: len(query)]
        product = query.new_empty(len(query), self._gallery.shape[0])
        for q, s in zip(torch.split(query, _ROWS), torch.split(product, _ROWS), strict=True):
            s.copy_(self._product(q))
        return product


def repeated(vectors: Float32[Tensor, "N D"]) -> tuple[Int[Tensor, " C"], Int[Tensor, " C"]]:
    """Rows equal to an earlier row, and the earliest such row.

    Rows are compared only where a hash of theirs agrees, so that hardly any are where there are
    no copies.
    """
    row = torch.arange(len(vectors), device=vectors.device)
    _, hashed = torch.unique(_hashes(vectors), return_inverse=True)
    twice = (hashed.bincount() > 1)[hashed].nonzero().squeeze(1)
    earliest = row.clone()
    while len(twice):  # once, unless different rows have the same hash
        found = torch.full_like(row, len(row))
        first = found.scatter_reduce_(0, hashed[twice], twice, "amin")[hashed[twice]]
        equal = _equal(vectors, twice, first)
        earliest[twice[equal]] = first[equal]
        twice = twice[~equal]
    copies = (earliest != row).nonzero().squeeze(1)
    return copies, earliest[copies]


def _hashes(vectors: Float32[Tensor, "N D"]) -> Int64[Tensor, " N"]:
    """Of the bits, the two zeros alike: their sum with odd weights, modulo 2 ** 64."""
    weight = torch.arange(1, vectors.shape[1] + 1, device=vectors.device) * _GOLDEN | 1
    pieces = [
        ((rows + 0.0).view(torch.int32).long() * weight).sum(1)
        for rows in torch.split(vectors.contiguous(), _COMPARED)
    ]
    return torch.cat(pieces)


def _equal(
    vectors: Float32[Tensor, "N D"], one: Int[Tensor, " C"], other: Int[Tensor, " C"]
) -> Bool[Tensor, " C"]:
    pairs = zip(torch.split(one, _COMPARED), torch.split(other, _COMPARED), strict=True)
    return torch.cat([(vectors[i] == vectors[j]).all(1) for i, j in pairs])


def _has_onednn(vectors: Tensor) -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and vectors.device.type == "cpu" and vectors.numel() > 0
