"""Retrieval scores of an embedding: mAP, CMC, mINP, exact and in bounded memory.

Letters: Q queries, G gallery pictures, D dimensions, N pictures of either kind, E evaluated
queries, B queries of one block, P the most relevant pictures any of them has.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from torch import Tensor

from reid_data.records import Protocol

BLOCK_CELLS = 1 << 23
"""Similarities kept at once where the caller does not choose a block: 32 MiB of them."""


@dataclass(frozen=True)
class Features:
    """What a network made of some pictures, one row per picture.

    Attributes:
        vectors: of any length and float type; retrieval makes them unit length float32 itself.
        identities: as the data set numbers them.
        cameras: as the data set numbers them.

    Raises:
        ValueError: if the three do not have the same number of rows.
    """

    vectors: Float[Tensor, "N D"]
    identities: Int[Tensor, " N"]
    cameras: Int[Tensor, " N"]

    def __post_init__(self) -> None:
        rows = len(self.vectors), len(self.identities), len(self.cameras)
        if len(set(rows)) != 1:
            raise ValueError(
                "Features need one identity and one camera per vector, but there are "
                "{} vectors, {} identities and {} cameras.".format(*rows)
            )


@dataclass(frozen=True)
class Retrieval:
    """Scores per query, so that two embeddings can be compared in pairs; averages in float64.

    With ``rank_k`` the position of the k-th of a query's n relevant pictures, counted from 1 among
    the gallery pictures that are not left out for this query:

    Attributes:
        query: which queries were evaluated, ascending indices; the rest of the fields follow it.
        average_precision: mean over k of ``p_k = k / rank_k``.
        trapezoid: mean over k of ``(p_k + p'_k) / 2``, with ``p'_k = (k - 1) / (rank_k - 1)``, and
            1 at rank 1: the average precision of Market-1501's own evaluation.
        inverse_penalty: ``n / rank_n``.
        first: ``rank_1``.
        queries_skipped: queries without a relevant picture; junk and distractors among the
            queries are none and are not counted.
    """

    query: Int[Tensor, " E"]
    average_precision: Float64[Tensor, " E"]
    trapezoid: Float64[Tensor, " E"]
    inverse_penalty: Float64[Tensor, " E"]
    first: Int[Tensor, " E"]
    queries_skipped: int

    def rank(self, k: int) -> float:
        """Share of the queries with a relevant picture among their ``k`` nearest (CMC)."""
        return float((self.first <= k).double().mean())

    @property
    def mAP(self) -> float:  # the field's spelling
        """Mean of the precision at the relevant pictures, in (0, 1]."""
        return float(self.average_precision.mean())

    @property
    def mAP_trapezoid(self) -> float:
        """Mean trapezoid average precision, in (0, 1]; never to be reported as ``mAP``."""
        return float(self.trapezoid.mean())

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty (Ye et al., TPAMI 2021), in (0, 1]."""
        return float(self.inverse_penalty.mean())

    @property
    def rank1(self) -> float:
        """Share of the queries whose nearest picture is relevant, in [0, 1]."""
        return self.rank(1)

    @property
    def rank5(self) -> float:
        """Share of the queries with a relevant picture among the nearest 5, in [0, 1]."""
        return self.rank(5)

    @property
    def rank10(self) -> float:
        """Share of the queries with a relevant picture among the nearest 10, in [0, 1]."""
        return self.rank(10)


def retrieve(
    query: Features, gallery: Features, protocol: Protocol = Protocol(), *, block: int | None = None
) -> Retrieval:
    """Scores every query against the gallery by cosine similarity.

    Vectors are made unit length here; a zero vector has no direction and is equally (0) similar to
    everything. Products are float32. Ties are pessimistic: a relevant picture stands behind all
    irrelevant ones that are equally similar, so that a network that maps every picture to one
    point scores at chance level and not above. Equal gallery vectors are equally similar to the
    last bit; similarities that are equal on paper between *different* vectors may differ by
    rounding, and then rounding ranks them.

    Left out: junk on both sides, distractors among the queries (in the gallery they stay, and are
    never relevant), and, by the camera rule, the gallery pictures of the query's own identity and
    camera. A query left without a relevant picture is skipped and counted.

    Args:
        query: pictures asked for.
        gallery: pictures searched in; its device does the work.
        protocol: the rules of the data set that is searched.
        block: queries at a time; it bounds the memory and does not change what is computed.

    Raises:
        ValueError: if a vector is not finite, the two sides differ in dimensions, or no query has
            a relevant picture.
    """
    junk = _any_of(gallery.identities, protocol.junk)
    searched = Features(
        gallery.vectors[~junk], gallery.identities[~junk], gallery.cameras[~junk]
    ) if junk.any() else gallery
    return _score(query, searched, protocol, itself=False, block=block)
