"""k-reciprocal re-ranking, exact, without any matrix of all pairs.

Zhong et al., CVPR 2017, "Re-ranking person re-identification with k-reciprocal encoding".

Letters: Q queries, G gallery pictures, N = Q + G pictures, D dimensions, B queries of one block.
"""

from functools import cache

import torch
from jaxtyping import Float32, Int
from torch import Tensor

from evaluators.neighbours import find_neighbours
from evaluators.reciprocal import encode
from evaluators.relevance import among
from evaluators.retrieval import MARKET_RULES, Features, Retrieval, check_sides, retrieve_blocks
from evaluators.similarity import Similarity, repeated, unit
from reid_data.records import Protocol

_ROUNDING = 1e-5
"""Squared distances that differ by this may differ by the rounding of float32 alone."""


class Reranking:
    r"""Distances of queries to a gallery that look at whom they have for neighbours.

    .. math:: d(p, g) = \frac{2 - 2 \cos(p, g)}{\max_j (2 - 2 \cos(p, j))}, \quad
              J(p, g) = 1 - \frac{\sum_z \min(V_{p, z}, V_{g, z})}{\sum_z \max(V_{p, z}, V_{g, z})}

    .. math:: d^*(p, g) = (1 - \lambda) J(p, g) + \lambda d(p, g)

    ``V`` is what ``reciprocal.encode`` makes of queries and gallery together, followed by local
    query expansion: the mean over a picture and its ``k2 - 1`` nearest. The distance is Euclid's,
    squared exactly once; the authors' code squares what it is given, which for most of its callers
    is squared already. Neighbours count up to ``k1`` others, as many as there are where there are
    fewer.

    Pictures that are equally near are told apart by their vectors in lexicographic order, so that
    neither labels nor the order of the pictures matter. Copies of one vector, on either side, are
    pictures of their own in the neighbourhoods of others and have one neighbourhood, that of the
    first of them: all of them are equally far, to the last bit, from any other picture.

    Args:
        query: rows of length 1, or 0, on the gallery's device.
        gallery: rows of length 1, or 0; its device does the work.
        k1: others in a neighbourhood, 1 or more.
        k2: pictures in a mean of the local query expansion, itself one of them; 1 or more.
        lambda_value: share of the plain distance, in [0, 1].
        block: pictures at a time while the nearest are sought.
        progress: what to call the work in progress bars, or None for no bars.

    Raises:
        ValueError: if a parameter is out of its range.
    """

    def __init__(
        self,
        query: Float32[Tensor, "Q D"],
        gallery: Float32[Tensor, "G D"],
        *,
        k1: int = 20,
        k2: int = 6,
        lambda_value: float = 0.3,
        block: int | None = None,
        progress: str | None = None,
    ) -> None:
        _check_parameters(k1, k2, lambda_value)
        Q = len(query)
        both = torch.cat([query, gallery])
        order = _lexicographic(both)
        both = both[order]
        first = _first_copies(both)
        stage = (lambda name: f"{progress}, {name}") if progress else (lambda name: None)
        near = find_neighbours(both, max(k1 + 1, k2), block=block, progress=stage("neighbours"))
        V = encode(both, near, k1=k1, progress=stage("reciprocal sets"))
        V = V.mean(near.nearest[first][:, :k2], progress=stage("query expansion"))
        self._query, self._lambda, self._size = query, lambda_value, len(gallery)
        self._asked = first[order.argsort()[:Q]]
        self._copies, self._originals = repeated(gallery)
        searched = order >= Q
        searched[order.argsort()[Q + self._copies]] = False
        self._V, self._inverse = V, V.transposed(searched)
        self._gallery_row = order - Q
        m = near.farthest.where(near.spread > _ROUNDING, 0)
        self._weight = (1 - lambda_value) / 2 * m[self._asked]
        self._similarity = Similarity(gallery)

    def overlap(self, row: Int[Tensor, " B"]) -> Float32[Tensor, "B G"]:
        r"""``1 - J``: the share of their neighbourhoods that two pictures have in common, [0, 1].

        Both vectors sum to 1, hence :math:`\sum \max = 2 - \sum \min`.
        """
        common = self._V.common(self._asked[row], self._inverse, self._gallery_row, self._size)
        common[:, self._copies] = common[:, self._originals]
        return common.div_(2 - common)

    def similarity(self, row: Int[Tensor, " B"]) -> Float32[Tensor, "B G"]:
        r"""Orders the gallery as :math:`d^*` does, near ones first.

        .. math:: \lambda \cos(p, g) + (1 - \lambda) \tfrac{m_p}{2} (1 - J(p, g))
                  = c_p - \tfrac{m_p}{2} d^*(p, g), \quad
                  c_p = \lambda + (1 - \lambda) \tfrac{m_p}{2}

        ``m_p`` is the largest ``2 - 2 cos`` that the query has. With ``lambda = 1`` these are the
        very cosines of plain retrieval. A query from which all others are equally far, but for
        rounding, as in a collapsed network, has no neighbourhood to speak of: there ``m_p`` counts
        as 0, and the cosines decide alone; with ``lambda = 0`` nothing does, and all tie.
        """
        s = self._similarity.of(self._query[row]).mul_(self._lambda)
        return s.add_(self.overlap(row).mul_(self._weight[row, None]))


def retrieve_reranked(
    query: Features,
    gallery: Features,
    protocol: Protocol = MARKET_RULES,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    block: int | None = None,
    progress: str | None = None,
) -> Retrieval:
    """Scores every query against the gallery by the distances of ``Reranking``.

    What ``retrieve`` leaves out of all rankings is left out of the neighbourhoods as well: junk on
    both sides, and distractors among the queries. Distractors of the gallery, pictures that the
    camera rule leaves out for one query, and the other queries are neighbours as any picture.
    Everything else is as in ``retrieve``: rules, ties, what is skipped.

    Args:
        query: pictures asked for.
        gallery: pictures searched in; its device does the work.
        protocol: the rules of the data set that is searched.
        k1: others in a neighbourhood, 1 or more.
        k2: pictures in a mean of the local query expansion, 1 or more.
        lambda_value: share of the plain distance, in [0, 1]; 1 gives the scores of ``retrieve``.
        block: pictures at a time; it bounds the memory and does not change what is computed.
        progress: what to call the work in progress bars, or None for no bars.

    Raises:
        ValueError: if a parameter is out of its range, a vector is not finite, the two sides
            differ in dimensions, or no query has a relevant picture.
    """
    _check_parameters(k1, k2, lambda_value)
    check_sides(query, gallery)
    asked = ~among(query.identities, protocol.junk | protocol.distractors)
    searched = ~among(gallery.identities, protocol.junk)
    if not searched.all():
        gallery = Features(
            gallery.vectors[searched], gallery.identities[searched], gallery.cameras[searched]
        )
    device = gallery.vectors.device
    number = (asked.cumsum(0) - 1).to(device)

    @cache  # not before there is a query to be asked, as where there is none it is all in vain
    def reranking() -> Reranking:
        return Reranking(
            unit(query.vectors[asked]).to(device),
            unit(gallery.vectors),
            k1=k1,
            k2=k2,
            lambda_value=lambda_value,
            block=block,
            progress=progress,
        )

    return retrieve_blocks(
        query,
        gallery,
        protocol,
        lambda row: reranking().similarity(number[row]),
        block=block,
        progress=progress,
    )


def _check_parameters(k1: int, k2: int, lambda_value: float) -> None:
    whole = isinstance(k1, int) and isinstance(k2, int)
    if not whole or k1 < 1 or k2 < 1 or not 0 <= lambda_value <= 1:
        raise ValueError(
            f"Re-ranking was asked for with k1 = {k1}, k2 = {k2} and lambda = {lambda_value}: whole"
            " k1 and k2 of 1 or more and a lambda in [0, 1] are needed; 20, 6 and 0.3 are usual."
        )


def _lexicographic(vectors: Float32[Tensor, "N D"]) -> Int[Tensor, " N"]:
    """Rows in lexicographic order, copies in that of their numbers."""
    _, kind = torch.unique(vectors, dim=0, return_inverse=True)
    order: Tensor = kind.argsort(stable=True)
    return order


def _first_copies(ordered: Float32[Tensor, "N D"]) -> Int[Tensor, " N"]:
    """The first row equal to each, where equal rows stand together."""
    first = torch.arange(len(ordered), device=ordered.device)
    copies, originals = repeated(ordered)
    return first.index_put_((copies,), originals)
