"""What a query's gallery looks like in the order of its ranking, as the evaluation ranks it.

Letters: G gallery pictures, B queries of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from evaluators.relevance import among
from evaluators.retrieval import Features, Retrieval, retrieve_blocks
from evaluators.similarity import Similarity, unit
from reid_data.randomness import generator_of
from reid_data.records import Protocol

Choice = Literal["worst", "best", "random"]
"""Which queries are shown: those of the lowest or highest average precision, or any."""

CHOICES: tuple[Choice, ...] = ("worst", "best", "random")


@dataclass(frozen=True)
class Entry:
    """A gallery picture in a ranking.

    Attributes:
        row: of the gallery.
        similarity: cosine with the query.
        rank: counted from 1 among those that are not left out, or None for one that is.
        relevant: whether it shows the query's identity and counts.
    """

    row: int
    similarity: float
    rank: int | None
    relevant: bool


@dataclass(frozen=True)
class RankedList:
    """The ranking of one query.

    Attributes:
        query: row of the query.
        average_precision: as the evaluation found it.
        hits: ranks of all relevant pictures, ascending.
        shown: the first of the ranking, and what is left out where it would have stood.
        beyond: the first relevant picture, if it stands behind those that are shown.
    """

    query: int
    average_precision: float
    hits: tuple[int, ...]
    shown: tuple[Entry, ...]
    beyond: Entry | None

    @property
    def first_right(self) -> Entry:
        """The first relevant picture, shown or beyond."""
        right = (entry for entry in self.shown if entry.relevant)
        return self.beyond or next(right)


def chosen_queries(retrieval: Retrieval, choice: Choice, count: int) -> list[int]:
    """Places in the retrieval's fields, best or worst first; equals in the order of the queries.

    Args:
        retrieval: scores of queries.
        choice: which; ``"random"`` ones are the same every time, in the order of the queries.
        count: at most so many.
    """
    score = retrieval.average_precision
    if choice == "random":
        drawn = torch.randperm(len(score), generator=generator_of(0))[:count]
        return sorted(drawn.tolist())
    order = score.argsort(stable=True, descending=choice == "best")
    return order[:count].tolist()


def ranked_lists(
    query: Features,
    gallery: Features,
    protocol: Protocol,
    retrieval: Retrieval,
    places: Sequence[int],
    *,
    ranks: int,
) -> list[RankedList]:
    """The rankings of some queries, by the very similarities that ``retrieve`` ranks by.

    Equally similar pictures stand in the order the scores are made of: irrelevant, relevant, left
    out; within these in the order of the gallery.

    Args:
        query: pictures asked for.
        gallery: pictures searched in.
        protocol: the rules of the data set.
        retrieval: what ``retrieve`` made of these three.
        places: in the retrieval's fields, of the queries wanted.
        ranks: ranked pictures to show of each.
    """
    rows = retrieval.query.cpu()[torch.tensor(list(places), dtype=torch.int64)].tolist()
    kept = _similarities(query, gallery, protocol, set(rows))
    who, cameras = gallery.identities.cpu(), gallery.cameras.cpu()
    found = []
    for place, row in zip(places, rows, strict=True):
        same = who == query.identities[row].cpu()
        out = among(who, protocol.junk)
        if protocol.camera_rule:
            out |= same & (cameras == query.cameras[row].cpu())
        order = _order(kept[row], same & ~out, out)
        found.append(_list(row, float(retrieval.average_precision[place]), order, ranks))
    return found


def _similarities(
    query: Features, gallery: Features, protocol: Protocol, wanted: set[int]
) -> dict[int, Float32[Tensor, " G"]]:
    """Row of a query -> its similarities, caught while all queries are ranked once more.

    A product may round differently in a block of another size, so that the blocks are the same.
    """
    q, cosine = unit(query.vectors).to(gallery.vectors.device), Similarity(unit(gallery.vectors))
    kept: dict[int, Tensor] = {}

    def catching(rows: Int[Tensor, " B"]) -> Float32[Tensor, "B G"]:
        s = cosine.of(q[rows])
        for place, row in enumerate(rows.tolist()):
            if row in wanted:
                kept[row] = s[place].cpu().clone()
        return s

    retrieve_blocks(query, gallery, protocol, catching)
    return kept


class _Order(NamedTuple):
    """All of the gallery, most similar first."""

    row: Int[Tensor, " G"]
    similarity: Float32[Tensor, " G"]
    rank: Int[Tensor, " G"]
    relevant: Bool[Tensor, " G"]
    out: Bool[Tensor, " G"]

    def entry(self, place: int) -> Entry:
        return Entry(
            int(self.row[place]),
            float(self.similarity[place]),
            None if self.out[place] else int(self.rank[place]),
            bool(self.relevant[place]),
        )


def _order(
    similarity: Float32[Tensor, " G"], relevant: Bool[Tensor, " G"], out: Bool[Tensor, " G"]
) -> _Order:
    by_kind = (relevant.int() + 2 * out.int()).argsort(stable=True)
    row = by_kind[similarity[by_kind].argsort(stable=True, descending=True)]
    rank = (~out[row]).cumsum(0)
    return _Order(row, similarity[row], rank, relevant[row], out[row])


def _list(row: int, average_precision: float, order: _Order, ranks: int) -> RankedList:
    last = int(torch.searchsorted(order.rank, ranks)) + 1  # the place of the last one shown
    shown = tuple(order.entry(place) for place in range(min(last, len(order.row))))
    right = order.relevant.nonzero().squeeze(1)
    first = int(right[0])
    beyond = order.entry(first) if first >= len(shown) else None
    return RankedList(row, average_precision, tuple(order.rank[right].tolist()), shown, beyond)
