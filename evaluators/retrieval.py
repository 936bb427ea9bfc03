"""Retrieval scores of an embedding: mAP, CMC, mINP, exact and in bounded memory.

Letters: Q queries, G gallery pictures, D dimensions, N pictures of either kind, E evaluated
queries, B queries of one block, P the most relevant pictures any of them has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from torch import Tensor

from reid_data.records import Protocol

MARKET_RULES = Protocol()
"""Camera rule, identity -1 is junk, identity 0 a distractor."""

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
) -> Retrieval:
    """Scores every query against the gallery by cosine similarity.

    Vectors are made unit length here; a zero vector has no direction and is equally (0) similar to
    everything. Products are float32, or TensorFloat-32 where torch is told to use it. Ties are
    pessimistic: a relevant picture stands behind all irrelevant ones that are equally similar, so
    that a network that maps every picture to one point scores at chance level and not above. Equal
    gallery vectors are equally similar to the last bit; similarities that are equal on paper
    between *different* vectors may differ by rounding, and then rounding ranks them.

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
    if query.vectors.shape[1] != gallery.vectors.shape[1]:
        raise ValueError(
            f"Query vectors have {query.vectors.shape[1]} dimensions and gallery vectors"
            f" {gallery.vectors.shape[1]}: both must come from the same network."
        )
    _check_finite(query.vectors, "query")
    _check_finite(gallery.vectors, "gallery")
    asked = ~_among(query.identities, protocol.junk | protocol.distractors)
    searched = ~_among(gallery.identities, protocol.junk)
    if not searched.all():
        gallery = Features(
            gallery.vectors[searched], gallery.identities[searched], gallery.cameras[searched]
        )
    return _score(query, asked, gallery, protocol.camera_rule, itself=False, block=block)


def retrieve_within(
    features: Features, *, camera_rule: bool = True, block: int | None = None
) -> Retrieval:
    """Every picture asks for all the others: the score that guides a search.

    A search must see neither query nor gallery, so it is guided by training identities that were
    held out of it. They come without a query part; each of their pictures is a query once, against
    all the rest but itself. They are not numbered as in the data set: here no identity is junk or
    a distractor, whatever its number. Everything else is as in ``retrieve``.

    Args:
        features: pictures of held-out training identities.
        camera_rule: leave out the pictures of the query's own identity and camera.
        block: queries at a time; it bounds the memory and does not change what is computed.

    Raises:
        ValueError: if a vector is not finite or no picture has a relevant one.
    """
    _check_finite(features.vectors, "held-out")
    asked = torch.ones_like(features.identities, dtype=torch.bool)
    return _score(features, asked, features, camera_rule, itself=True, block=block)


@torch.no_grad()
def _score(
    query: Features,
    asked: Bool[Tensor, " Q"],
    gallery: Features,
    camera_rule: bool,
    *,
    itself: bool,
    block: int | None,
) -> Retrieval:
    """Blocks of queries, one matrix product each; ``itself``: query i is gallery picture i."""
    device = gallery.vectors.device
    g = _unit(gallery.vectors)
    q = g if itself else _unit(query.vectors).to(device)
    find = _Relevant(query, gallery, camera_rule, itself)
    copies, originals = _repeated(g)
    rows = asked.to(device).nonzero().squeeze(1)
    scores = []
    for b, same, relevant in find.blocks(rows, block or max(1, BLOCK_CELLS // max(1, len(g)))):
        with torch.autocast(device.type, enabled=False):
            similarity = q[b] @ g.T
        similarity[:, copies] = similarity[:, originals]
        rank = _ranks(similarity, same, relevant)
        scores.append((b, *_per_query(rank, relevant.sum(1))))
    if not scores:
        raise ValueError(
            f"None of the {len(rows)} queries has a relevant gallery image: check that query and"
            " gallery share identities and that the camera rule does not remove them all (one"
            " camera only? use camera_rule=False)."
        )
    b, average_precision, trapezoid, inverse_penalty, first = map(
        torch.cat, zip(*scores, strict=True)
    )
    skipped = len(rows) - len(b)
    return Retrieval(b, average_precision, trapezoid, inverse_penalty, first, skipped)


Block = tuple[Int[Tensor, " B"], Int[Tensor, "B P"], Bool[Tensor, "B P"]]
"""Queries, the gallery pictures of their own identities (padded by repetition), and which of those
are relevant: the others are left out."""


class _Relevant:
    """Finds the gallery pictures of each query's identity without comparing everything."""

    def __init__(self, query: Features, gallery: Features, camera_rule: bool, itself: bool) -> None:
        device = gallery.vectors.device
        self.camera_rule, self.itself = camera_rule, itself
        self.query_camera = query.cameras.to(device)
        self.gallery_camera = gallery.cameras.to(device)
        identity, self.order = gallery.identities.to(device).sort(stable=True)
        wanted = query.identities.to(device).contiguous()
        self.start = torch.searchsorted(identity, wanted)
        self.end = torch.searchsorted(identity, wanted, right=True)

    def blocks(self, rows: Int[Tensor, " Q"], size: int) -> Iterator[Block]:
        """Walks queries by ``size``, without those that have no relevant picture."""
        for b in torch.split(rows, size):
            same, relevant = self._of(b)
            some = relevant.any(1)
            if some.any():
                yield b[some], same[some], relevant[some]

    def _of(self, b: Int[Tensor, " B"]) -> tuple[Int[Tensor, "B P"], Bool[Tensor, "B P"]]:
        start, end = self.start[b, None], self.end[b, None]
        widest = int((end - start).max()) if len(b) else 0
        place = start + torch.arange(widest, device=b.device)
        relevant = place < end
        same = self.order[place.minimum(end - 1).clamp(min=0)]
        if self.camera_rule:
            relevant &= self.query_camera[b, None] != self.gallery_camera[same]
        if self.itself:
            relevant &= same != b[:, None]
        return same, relevant


def _ranks(
    similarity: Float32[Tensor, "B G"], same: Int[Tensor, "B P"], relevant: Bool[Tensor, "B P"]
) -> Int[Tensor, "B P"]:
    """Positions of the relevant pictures, in ascending order; what follows them is padding.

    The k-th of them stands behind k - 1 relevant pictures and every irrelevant one that is at
    least as similar, so only the relevant ones are sorted. Overwrites ``similarity``.
    """
    B, P = same.shape
    s = similarity.gather(1, same).masked_fill_(~relevant, -torch.inf).sort(1).values
    similarity.scatter_(1, same, -torch.inf)  # now only irrelevant pictures are left in it
    # an irrelevant picture on level l is at least as similar as l of the relevant ones
    level = torch.searchsorted(s, similarity, right=True, out_int32=True)
    level += torch.arange(0, B * (P + 1), P + 1, device=s.device, dtype=torch.int32)[:, None]
    pictures = level.flatten().bincount(minlength=B * (P + 1)).view(B, P + 1)
    ahead = pictures.flip(1).cumsum(1)[:, :P]
    return ahead + torch.arange(1, P + 1, device=s.device)


def _per_query(
    rank: Int[Tensor, "B P"], n: Int[Tensor, " B"]
) -> tuple[Float64[Tensor, " B"], Float64[Tensor, " B"], Float64[Tensor, " B"], Int[Tensor, " B"]]:
    """The fields of ``Retrieval`` from the ranks of each query's ``n`` relevant pictures."""
    k = torch.arange(1, rank.shape[1] + 1, device=rank.device)
    p = k.double() / rank
    before = torch.where(rank == 1, 1.0, (k - 1).double() / (rank - 1).clamp(min=1))
    counted = k <= n[:, None]
    average_precision = (p * counted).sum(1) / n
    trapezoid = ((p + before) / 2 * counted).sum(1) / n
    last = rank.gather(1, n[:, None] - 1).squeeze(1)
    return average_precision, trapezoid, n.double() / last, rank[:, 0]


def _check_finite(vectors: Float[Tensor, "N D"], part: str) -> None:
    largest = torch.linalg.vector_norm(vectors, ord=torch.inf, dim=1)
    wrong = (~largest.isfinite()).nonzero().squeeze(1)
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of the {len(vectors)} {part} vectors are not finite, the first in row"
            f" {int(wrong[0])}: check the network's weights and the pictures of these rows."
        )


def _unit(vectors: Float[Tensor, "N D"]) -> Float32[Tensor, "N D"]:
    """Rows of length 1, or 0; dividing by the largest entry first keeps the squares in range."""
    v = vectors.to(torch.promote_types(vectors.dtype, torch.float32), copy=True)
    largest = torch.linalg.vector_norm(v, ord=torch.inf, dim=1, keepdim=True)
    v /= largest.where(largest > 0, 1)
    v /= torch.linalg.vector_norm(v, dim=1, keepdim=True).clamp(min=1)
    return v.float()


def _repeated(g: Float32[Tensor, "G D"]) -> tuple[Int[Tensor, " C"], Int[Tensor, " C"]]:
    """Rows equal to an earlier row, and that row.

    A matrix product may round equal rows differently, by their place in it; a tie between copies
    of one picture, or of all pictures in a collapsed network, would then be decided by noise.
    """
    _, kind = torch.unique(g, dim=0, return_inverse=True)
    row = torch.arange(len(g), device=g.device)
    earliest = torch.full_like(row, len(g)).scatter_reduce_(0, kind, row, "amin")[kind]
    copies = (earliest != row).nonzero().squeeze(1)
    return copies, earliest[copies]


def _among(identities: Int[Tensor, " N"], wanted: Iterable[int]) -> Bool[Tensor, " N"]:
    among = torch.tensor(sorted(wanted), dtype=identities.dtype, device=identities.device)
    return torch.isin(identities, among)
