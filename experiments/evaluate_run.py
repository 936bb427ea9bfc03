"""From a checkpoint to scores on any number of data sets, and to pages that show them.

Every data set is scored under its own protocol, and what is known of it is written before the next
one begins.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evaluators.feature_file import save_features
from evaluators.repeats import Score, drawn_galleries, evaluated, joined
from evaluators.retrieval import Features, retrieve
from experiments.evaluate_network import Checkpoint
from experiments.evaluate_pages import Looks, Seen, draw_maps, draw_ranked, seen
from experiments.evaluate_places import Places
from experiments.evaluate_report import document, fields, in_words, protocol_name
from experiments.evaluate_targets import Opened, Target, open_target
from experiments.outputs import write
from experiments.score_report import Repeats, Scored
from experiments.scoring import device_named, query_table, reranked_by
from experiments.trial import guarded_against_tracebacks
from nas_space.heads import Feature
from reid_data.records import Sighting


@dataclass(frozen=True)
class Request:
    """What to evaluate, and how.

    Attributes:
        checkpoint: a file that a training wrote.
        targets: one or more data sets.
        places: where the results go.
        looks: which queries the pages show, and how much of them.
        feature: what describes a picture, or None for what the file says.
        flip: take the mean of the features of a picture and of its mirror image.
        reranking: ``k1``, ``k2`` and ``lambda``, or None for none.
        batch_size: pictures at a time.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
        cached: keep the decoded pictures for the next time.
        maps_against: another checkpoint, whose maps stand beside the first one's.
    """

    checkpoint: Path
    targets: Sequence[Target]
    places: Places
    looks: Looks
    feature: Feature | None = None
    flip: bool = False
    reranking: Mapping[str, float] | None = None
    batch_size: int = 128
    device: str = "auto"
    cached: bool = False
    maps_against: Path | None = None


def run(request: Request) -> int:
    """Score, print the tables, and write what was asked for.

    A data set that cannot be read or scored takes none of the others with it.

    Returns:
        0, or 1 if a data set was not finished; which and why was said on standard error.

    Raises:
        ValueError: if a checkpoint cannot be read, there is no GPU where one was asked for, or a
            file cannot be written: all that is known before the work.
    """
    evaluation = _Evaluation(request)
    readable: list[Opened] = []
    for target in request.targets:
        evaluation.attempt(target, partial(_open_into, readable, target))
    for opened in readable:
        evaluation.attempt(opened.target, partial(evaluation.evaluate, opened))
    evaluation.write_scores()
    for name in request.places.written():
        print(f"See {name}.")
    failed = evaluation.failed
    if failed:
        print(
            f"{len(failed)} of {len(request.targets)} data sets could not be finished, as said"
            f" above: {', '.join(failed)}.",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _open_into(readable: list[Opened], target: Target) -> None:
    readable.append(open_target(target))


class _Evaluation:
    """The network, and what was found so far."""

    def __init__(self, request: Request) -> None:
        self._request = request
        inputs = {"--checkpoint": request.checkpoint, "--maps-against": request.maps_against}
        request.places.prepare({name: file for name, file in inputs.items() if file is not None})
        device = device_named(request.device)
        self._checkpoint = Checkpoint.open(
            request.checkpoint, feature=request.feature, device=device
        )
        self._against = (
            None
            if request.maps_against is None
            else Checkpoint.open(request.maps_against, feature=None, device=device)
        )
        self._finished: list[dict[str, Any]] = []
        self.failed: list[str] = []

    def attempt(self, target: Target, work: Callable[[], object]) -> None:
        """Do something for a data set; if it fails, that is said, and the others go on."""

        def named() -> None:
            try:
                work()
            except ValueError as error:
                raise ValueError(f"{target.label}: {error}") from error

        if guarded_against_tracebacks(named, lambda: None):
            self.failed.append(target.label)

    def evaluate(self, opened: Opened) -> None:
        """Score a data set, and write what there is to write of it."""
        request, target, protocol = self._request, opened.target, opened.dataset.protocol
        query = self._features(opened.dataset.query, f"{target.label}, query")
        gallery = self._features(opened.dataset.gallery, f"{target.label}, gallery")
        pictures = joined(query, gallery) if protocol.repeats else query
        galleries = None
        if protocol.repeats:
            galleries = drawn_galleries(
                pictures.identities, repeats=protocol.repeats, seed=protocol.seed
            )

        def found(score: Score, called: str) -> Repeats:
            return evaluated(
                query, gallery, protocol, galleries=galleries, score=score, progress=called
            )

        plain = found(retrieve, "retrieval")
        reranking = request.reranking
        reranked = None if reranking is None else found(reranked_by(reranking), "re-ranking")
        scored = Scored(protocol_name(protocol), protocol, plain, reranked, reranking or {})
        feature = self._checkpoint.network.feature
        print(in_words(opened, scored, feature=feature, flip=request.flip), flush=True)
        self._finished.append(fields(opened, scored, feature=feature, flip=request.flip))
        self.write_scores()
        self._write_rows(target, scored, pictures, query, gallery)
        self._draw(seen(opened, query, gallery, plain[0], galleries, flip=request.flip))

    def write_scores(self) -> None:
        """The JSON file, with all that was found so far; nothing where nothing was."""
        file = self._request.places.json
        if file is not None and self._finished:
            content = document(self._checkpoint, self._finished, self.failed)
            write(file, json.dumps(content, indent=2) + "\n")

    def _features(self, sightings: Sequence[Sighting], called: str) -> Features:
        request = self._request
        return self._checkpoint.features(
            sightings,
            batch_size=request.batch_size,
            flip=request.flip,
            cached=request.cached,
            progress=called,
        )

    def _write_rows(
        self, target: Target, scored: Scored, pictures: Features, query: Features, gallery: Features
    ) -> None:
        places = self._request.places.of(target)
        if places.per_query is not None:
            rows = query_table(scored, pictures)
            write(places.per_query, rows.to_csv(index=False, lineterminator="\n"))
        if places.features is not None:
            save_features(places.features, query, gallery)

    def _draw(self, what: Seen) -> None:
        places, looks = self._request.places.of(what.opened.target), self._request.looks
        if places.gallery_html is not None:
            draw_ranked(places.gallery_html, what, self._checkpoint, looks)
        if places.maps_html is not None:
            checkpoints = [self._checkpoint, *([] if self._against is None else [self._against])]
            draw_maps(places.maps_html, what, checkpoints, looks)
