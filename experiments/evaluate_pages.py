"""What the pages of ``reid-nas evaluate`` show of a data set that was scored.

Letters: R repeats, N test pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from evaluators.repeats import joined
from evaluators.retrieval import Features, Retrieval
from experiments.describes import About
from experiments.evaluate_network import Checkpoint
from experiments.evaluate_targets import Opened
from experiments.maps_page import Maps, Pair, write_maps_page
from experiments.pages.ranked_lists import (
    Choice,
    RankedList,
    chosen_queries,
    ranked_lists,
)
from experiments.ranked_page import Ranked, write_ranked_page
from reid_data.records import Sighting


@dataclass(frozen=True)
class Looks:
    """Which queries the pages show, and how much of them.

    Attributes:
        queries: which are seen first on the page of ranked lists, and which have maps.
        count: queries of either kind, at most.
        ranks: ranked pictures of each.
    """

    queries: Choice = "worst"
    count: int = 20
    ranks: int = 10


Lists = Mapping[Choice, Sequence[RankedList]]
"""Which queries -> their rankings."""


class Seen(NamedTuple):
    """One ranking of a data set: the only one, or that in the first drawn gallery."""

    opened: Opened
    query: Features
    gallery: Features
    queries: Sequence[Sighting]
    """Row of ``query`` -> its picture."""
    searched: Sequence[Sighting]
    """Row of ``gallery`` -> its picture."""
    retrieval: Retrieval
    """Numbers rows of ``query``."""
    flip: bool
    """Whether the features are means with those of the mirror image."""

    def lists(self, choices: Sequence[Choice], looks: Looks) -> Lists:
        """The rankings of the queries of some choices; all queries are ranked once for them."""
        chosen = {one: chosen_queries(self.retrieval, one, looks.count) for one in choices}
        places = sorted({place for some in chosen.values() for place in some})
        protocol = self.opened.dataset.protocol
        found = ranked_lists(
            self.query, self.gallery, protocol, self.retrieval, places, ranks=looks.ranks
        )
        at = dict(zip(places, found, strict=True))
        return {one: [at[place] for place in some] for one, some in chosen.items()}


def seen(
    opened: Opened,
    query: Features,
    gallery: Features,
    retrieval: Retrieval,
    galleries: Bool[Tensor, "R N"] | None,
    *,
    flip: bool,
) -> Seen:
    """What is shown of a data set.

    Args:
        opened: the data set.
        query: features of its query part.
        gallery: features of its gallery, of no pictures where it is drawn.
        retrieval: the only score, or that of the first repeat.
        galleries: that were drawn, if any.
        flip: whether the features are means with those of the mirror image.
    """
    queries, searched = opened.dataset.query, opened.dataset.gallery
    if galleries is None:
        return Seen(opened, query, gallery, queries, searched, retrieval, flip)
    pictures, both, drawn = joined(query, gallery), (*queries, *searched), galleries[0]
    place = (~drawn).cumsum(0) - 1  # of a picture among those that ask
    return Seen(
        opened,
        _rows(pictures, ~drawn),
        _rows(pictures, drawn),
        _chosen(both, ~drawn),
        _chosen(both, drawn),
        replace(retrieval, query=place[retrieval.query]),
        flip,
    )


def draw_ranked(folder: Path, what: Seen, about: About, lists: Lists, first: Choice) -> Path:
    """Write the page of ranked lists of all choices; the first is seen first.

    Raises:
        ValueError: if a picture cannot be read, or a file not be written.
    """
    retrieval = what.retrieval
    ranked = Ranked(
        title=f"Ranked lists of {what.opened.target.label}",
        subtitle=_subtitle(
            what, [f"{about.name}: {about.origin}", about.described_by(flip=what.flip)]
        ),
        facts={
            "mAP": f"{100 * retrieval.mAP:.2f} %",
            "rank-1": f"{100 * retrieval.rank1:.2f} %",
            "mINP": f"{100 * retrieval.mINP:.2f} %",
            "queries": f"{len(retrieval.query):,}",
            "gallery": f"{len(what.searched):,} pictures",
        },
        query=what.queries,
        gallery=what.searched,
        file_of=what.opened.file_of,
        retrieval=retrieval,
        lists=lists,
        first=first,
        camera_rule=what.opened.dataset.protocol.camera_rule,
    )
    return write_ranked_page(folder, ranked)


def draw_maps(
    folder: Path, what: Seen, checkpoints: Sequence[Checkpoint], lists: Lists, choice: Choice
) -> Path:
    """Write the page of activation maps of one choice; the first checkpoint ranked the pictures.

    Raises:
        ValueError: if a picture cannot be read, or a file not be written.
    """
    shown = lists[choice]
    first, *others = (one.about for one in checkpoints)
    maps = Maps(
        title=f"Activation maps of {what.opened.target.label}",
        subtitle=_subtitle(what, [first.described_by(flip=what.flip)]),
        facts={
            "queries": f"{choice}, {len(shown)} of {len(what.retrieval.query):,}",
            "left, ranked by" if others else "ranked by": first.origin,
            **({"right": others[0].origin} if others else {}),
        },
        pairs=[_pair(one, what) for one in shown],
        checkpoints=checkpoints,
        file_of=what.opened.file_of,
    )
    return write_maps_page(folder, maps)


def _pair(one: RankedList, what: Seen) -> Pair:
    return Pair(what.queries[one.query], what.searched[one.first_right.row], one.hits[0])


def _subtitle(what: Seen, said: Sequence[str]) -> str:
    dataset = what.opened.dataset
    words = [dataset.layout, *said, "cosine similarity"]
    if dataset.protocol.repeats:
        words.append(f"first of {dataset.protocol.repeats} drawn galleries")
    return " \N{MIDDLE DOT} ".join(words)


def _rows(features: Features, chosen: Bool[Tensor, " N"]) -> Features:
    return Features(features.vectors[chosen], features.identities[chosen], features.cameras[chosen])


def _chosen(sightings: Sequence[Sighting], chosen: Bool[Tensor, " N"]) -> list[Sighting]:
    return [one for one, wanted in zip(sightings, chosen.tolist(), strict=True) if wanted]
