"""Cosine similarity of feature vectors: checked, of unit length, and multiplied quickly.

Letters: N vectors of D dimensions, G of them the gallery, B queries of one block, C copies.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int
from torch import Tensor

_NAMED = 5
"""Rows an error names before it stops."""


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
    oneDNN where torch has it: it is the faster of torch's two libraries on many processors, and
    gives a query the same numbers in a block of any size. The gallery is then kept once more, in
    oneDNN's hands: ``4 G D`` bytes.

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
            if self._onednn:
                similarity = F.linear(query.contiguous().to_mkldnn(), self._gallery).to_dense()
            else:
                similarity = query @ self._gallery.T
        if len(self._copies):
            similarity[:, self._copies] = similarity[:, self._originals]
        return similarity


def repeated(vectors: Float32[Tensor, "N D"]) -> tuple[Int[Tensor, " C"], Int[Tensor, " C"]]:
    """Rows equal to an earlier row, and the earliest such row."""
    _, kind = torch.unique(vectors, dim=0, return_inverse=True)
    row = torch.arange(len(vectors), device=vectors.device)
    earliest = torch.full_like(row, len(row)).scatter_reduce_(0, kind, row, "amin")[kind]
    copies = (earliest != row).nonzero().squeeze(1)
    return copies, earliest[copies]


def _has_onednn(vectors: Tensor) -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and vectors.device.type == "cpu" and vectors.numel() > 0
