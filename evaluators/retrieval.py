"""Retrieval scores of an embedding: mAP, CMC, mINP, exact and in bounded memory.

Letters: Q queries, G gallery pictures, D dimensions, N pictures of either kind, E evaluated
queries, B queries of one block.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from evaluators.ranking import per_query, ranks
from evaluators.relevance import Relevance, among
from evaluators.similarity import Similarity, check_finite, unit
from reid_data.bars import bar
from reid_data.records import Protocol

MARKET_RULES = Protocol()
"""Camera rule, identity -1 is junk, identity 0 a distractor."""

BLOCK_CELLS = 1 << 22
"""Similarities kept at once where the caller does not choose a block: 16 MiB of them, which the
last cache of most processors holds."""

SimilarityOf = Callable[[Int[Tensor, " B"]], Float32[Tensor, "B G"]]
"""Row numbers of queries -> how similar each of them is to every gallery picture, in the gallery's
order. Finite; only their order counts, so that a negative distance serves; they are overwritten."""


@dataclass(frozen=True)
class Features:
    """What a network made of some pictures, one row per picture.

    Attributes:
        vectors: of any length and float type; retrieval makes them unit length float32 itself.
        identities: as the data set numbers them.
        cameras: as the data set numbers them.

    Raises:
        ValueError: if the three do not have the same number of rows, the vectors are not floating
            point, or the others are not signed integers.
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
        if not self.vectors.is_floating_point():
            raise ValueError(
                f"The vectors are of type {self.vectors.dtype} and a floating point type is"
                " needed: convert them, with vectors.float() for example."
            )
        for name in ("identities", "cameras"):
            dtype = getattr(self, name).dtype
            if not dtype.is_signed or dtype.is_floating_point or dtype.is_complex:
                raise ValueError(
                    f"The {name} are of type {dtype} and signed integers are needed: convert them,"
                    f" with {name}.long() for example."
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
        queries_left_out: junk and distractors among the queries.
    """

    query: Int[Tensor, " E"]
    average_precision: Float64[Tensor, " E"]
    trapezoid: Float64[Tensor, " E"]
    inverse_penalty: Float64[Tensor, " E"]
    first: Int[Tensor, " E"]
    queries_skipped: int
    queries_left_out: int = 0

    def rank(self, k: int) -> float:
        """Share of the queries with a relevant picture among their ``k`` nearest (CMC)."""
        return float((self.first <= k).double().mean())

    @property
    def mAP(self) -> float:  # noqa: N802 - the field's spelling
        """Mean of the precision at the relevant pictures, in (0, 1]."""
        return float(self.average_precision.mean())

    @property
    def mAP_trapezoid(self) -> float:  # noqa: N802
        """Mean trapezoid average precision, in (0, 1]; never to be reported as ``mAP``."""
        return float(self.trapezoid.mean())

    @property
    def mINP(self) -> float:  # noqa: N802
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
    query: Features,
    gallery: Features,
    protocol: Protocol = MARKET_RULES,
    *,
    block: int | None = None,
    progress: str | None = None,
) -> Retrieval:
    """Scores every query against the gallery by cosine similarity.

    Vectors are made unit length here; a zero vector has no direction and is equally (0) similar to
    everything. Products are float32, or TensorFloat-32 where torch is told to use it. Vectors kept
    in float16 move a cosine by at most 0.001 (2 ** -10: two roundings to 11 bits) where their
    entries are 6e-5 or more; smaller ones have fewer bits there.

    Ties are pessimistic: a relevant picture stands behind all irrelevant ones that are equally
    similar, so that a network that maps every picture to one point scores at chance level and not
    above. Equal gallery vectors are equally similar to the last bit; similarities that are equal on
    paper between *different* vectors may differ by rounding, and then rounding ranks them.

    Left out: junk on both sides, distractors among the queries (in the gallery they stay, and are
    never relevant), and, by the camera rule, the gallery pictures of the query's own identity and
    camera. A query left without a relevant picture is skipped and counted.

    Args:
        query: pictures asked for.
        gallery: pictures searched in; its device does the work.
        protocol: the rules of the data set that is searched.
        block: queries at a time; it bounds the memory and does not change what is computed. Not a
            bit of it with oneDNN (see ``similarity``); other libraries may round a cosine
            differently in a block of another size.
        progress: what to call the work in a progress bar, or None for no bar.

    Raises:
        ValueError: if a vector is not finite, the two sides differ in dimensions, or no query has
            a relevant picture.
    """
    check_sides(query, gallery)
    q = unit(query.vectors).to(gallery.vectors.device)
    cosine = Similarity(unit(gallery.vectors))
    return retrieve_blocks(
        query, gallery, protocol, lambda rows: cosine.of(q[rows]), block=block, progress=progress
    )


def check_sides(query: Features, gallery: Features) -> None:
    """Refuse vectors that cannot be compared.

    Raises:
        ValueError: if the sides differ in dimensions or have none, the gallery is empty, or a
            vector is not finite.
    """
    D = query.vectors.shape[1]
    if gallery.vectors.shape[1] != D:
        raise ValueError(
            f"Query vectors have {D} dimensions and gallery vectors"
            f" {gallery.vectors.shape[1]}: both must come from the same network."
        )
    if not D or not len(gallery.vectors):
        raise ValueError(
            f"There are {len(gallery.vectors)} gallery vectors of {D} dimensions: at least one of"
            " each is needed; check what the features were made of."
        )
    check_finite(query.vectors, "query")
    check_finite(gallery.vectors, "gallery")


def retrieve_within(
    features: Features,
    *,
    camera_rule: bool = True,
    block: int | None = None,
    progress: str | None = None,
) -> Retrieval:
    """Every picture asks for all the others: the score that guides a search.

    A search must see neither query nor gallery, so it is guided by training identities that were
    held out of it. They come without a query part; each of their pictures is a query once, against
    all the rest but itself. They are not numbered as in the data set: here no identity is junk or
    a distractor, whatever its number. Everything else is as in ``retrieve``.

    Args:
        features: pictures of held-out training identities.
        camera_rule: leave out the pictures of the query's own identity and camera.
        block: as for ``retrieve``.
        progress: as for ``retrieve``.

    Raises:
        ValueError: if a vector is not finite or no picture has a relevant one.
    """
    check_finite(features.vectors, "held-out")
    f = unit(features.vectors)
    cosine = Similarity(f)
    rules = Protocol(camera_rule=camera_rule, junk=frozenset(), distractors=frozenset())
    return _score(
        features, features, rules, lambda rows: cosine.of(f[rows]), block, progress, itself=True
    )


def retrieve_blocks(
    query: Features,
    gallery: Features,
    protocol: Protocol,
    similarity: SimilarityOf,
    *,
    block: int | None = None,
    progress: str | None = None,
) -> Retrieval:
    """Scores every query by any similarity: the rules of ``retrieve`` and nothing else.

    Args:
        query: pictures asked for; their vectors are not looked at.
        gallery: pictures searched in, likewise; its device does the work.
        protocol: the rules of the data set that is searched.
        similarity: asked for a block of queries at a time, and only for queries that count. It
            answers for all gallery pictures, junk included, which is left out behind it.
        block: queries at a time.
        progress: what to call the work in a progress bar, or None for no bar.

    Raises:
        ValueError: if no query has a relevant picture.
    """
    return _score(query, gallery, protocol, similarity, block, progress, itself=False)


@torch.no_grad()
def _score(
    query: Features,
    gallery: Features,
    protocol: Protocol,
    similarity: SimilarityOf,
    block: int | None,
    progress: str | None,
    *,
    itself: bool,
) -> Retrieval:
    """Blocks of queries, ranked one after the other; ``itself``: query i is gallery picture i."""
    _check_block(block)
    device = gallery.vectors.device
    out = protocol.junk | protocol.distractors
    rows = (~among(query.identities, out)).nonzero().squeeze(1).to(device)
    junk = among(gallery.identities, protocol.junk).nonzero().squeeze(1).to(device)
    relevance = Relevance(
        query.identities.to(device),
        query.cameras.to(device),
        gallery.identities.to(device),
        gallery.cameras.to(device),
        camera_rule=protocol.camera_rule,
        itself=itself,
    )
    scores = []
    with bar(total=len(rows), desc=progress, unit="query") as done:
        for b in torch.split(rows, block or max(1, BLOCK_CELLS // max(1, len(gallery.cameras)))):
            wanted = relevance.of(b)
            if len(wanted.rows):
                s = similarity(wanted.rows).index_fill_(1, junk, -torch.inf)
                rank = ranks(s, wanted.same, wanted.relevant)
                scores.append((wanted.rows, *per_query(rank, wanted.relevant.sum(1))))
            done.update(len(b))
    left_out = len(query.identities) - len(rows)
    if not scores:
        raise ValueError(_nobody_asks(len(rows), left_out, protocol))
    q, average_precision, trapezoid, inverse_penalty, first = map(
        torch.cat, zip(*scores, strict=True)
    )
    skipped = len(rows) - len(q)
    return Retrieval(q, average_precision, trapezoid, inverse_penalty, first, skipped, left_out)


def _check_block(block: int | None) -> None:
    if block is not None and block < 1:
        raise ValueError(
            f"A block of {block} queries was asked for: 1 or more are needed, or None to choose."
        )


def _nobody_asks(asking: int, left_out: int, protocol: Protocol) -> str:
    found = f"None of the {asking} queries has a relevant gallery image"
    if left_out:
        out = ", ".join(str(identity) for identity in sorted(protocol.junk | protocol.distractors))
        found += f" ({left_out} more are junk or distractors, of identity {out})"
    needed = "check that query and gallery share identities"
    if protocol.camera_rule:
        needed += (
            " and that the camera rule does not remove them all (one camera only? use"
            " camera_rule=False, or --protocol none)"
        )
    if left_out:
        needed += "; where these numbers are people, --protocol none counts them"
    return f"{found}: {needed}."
