"""From a checkpoint or an exported file to scores on data sets, and to pages that show them.

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
from evaluators.thresholds import Accepted, accepted
from experiments.command import step
from experiments.describes import Describes
from experiments.evaluate_network import Checkpoint
from experiments.evaluate_pages import Looks, Seen, draw_maps, draw_ranked, seen
from experiments.evaluate_places import Places
from experiments.evaluate_report import Finding, document, protocol_name
from experiments.evaluate_source import open_source, with_maps
from experiments.evaluate_targets import Opened, Target, open_target
from experiments.outputs import write, writing
from experiments.pages.ranked_lists import CHOICES
from experiments.score_report import Repeats, Scored
from experiments.scoring import named, query_table, reranked_by
from experiments.trial import guarded_against_tracebacks
from nas_space.heads import Feature
from reid_data.records import Protocol, Sighting


@dataclass(frozen=True)
class Request:
    """What to evaluate, and how.

    Attributes:
        checkpoint: a file that a training wrote, or one that was exported.
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
        thresholds: measure what the thresholds in an exported file accept.
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
    thresholds: bool = False


def run(request: Request) -> int:
    """Score, print the tables, and write what was asked for.

    A data set that cannot be read or scored takes none of the others with it.

    Returns:
        0, or 1 if a data set was not finished; which and why was said on standard error.

    Raises:
        ValueError: if a file cannot be read, cannot do what is asked of it, there is no GPU where
            one was asked for, or a file cannot be written: all that is known before the work.
    """
    evaluation = _Evaluation(request)
    readable: list[Opened] = []
    for target in request.targets:
        evaluation.attempt(target, partial(_open_into, readable, target))
    for opened in readable:
        evaluation.attempt(opened.target, partial(evaluation.evaluate, opened))
    evaluation.write_scores()
    for file in evaluation.written:
        print(f"See {file}.")
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
    """What describes the pictures, and what was found so far."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._source = open_source(request.checkpoint, feature=request.feature, asking=request)
        self._thresholds = _thresholds(self._source) if request.thresholds else {}
        self._mapped = _mapped(request, self._source)
        inputs = {"--checkpoint": request.checkpoint, "--maps-against": request.maps_against}
        request.places.prepare(named(inputs))
        self._finished: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self.written: dict[Path, None] = {}  # in the order of writing, each once

    def attempt(self, target: Target, work: Callable[[], object]) -> None:
        """Do something for a data set; if it fails, that is said, and the others go on."""

        def labelled() -> None:
            try:
                work()
            except (ValueError, OSError) as error:
                raise ValueError(f"{target.label}: {error}") from error

        if guarded_against_tracebacks(labelled, lambda: None):
            self.failed.append(target.label)

    def evaluate(self, opened: Opened) -> None:
        """Score a data set, and write what there is to write of it."""
        request, target, protocol = self._request, opened.target, opened.dataset.protocol
        step(f"Scoring {target.label}.")
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
        finding = Finding(
            opened,
            scored,
            self._source.about,
            request.flip,
            self._accepted(query, gallery, protocol),
        )
        print(finding.in_words(), flush=True)
        self._finished.append(finding.fields())
        self.write_scores()
        self._write_rows(target, scored, pictures, query, gallery)
        self._draw(seen(opened, query, gallery, plain[0], galleries, flip=request.flip))

    def write_scores(self) -> None:
        """The JSON file, with all that was found so far; nothing where nothing was."""
        file = self._request.places.json
        if file is not None and self._finished:
            content = document(self._source, self._finished, self.failed)
            write(file, json.dumps(content, indent=2) + "\n")
            self.written[file] = None

    def _features(self, sightings: Sequence[Sighting], called: str) -> Features:
        request = self._request
        return self._source.features(
            sightings,
            batch_size=request.batch_size,
            flip=request.flip,
            cached=request.cached,
            progress=called,
        )

    def _accepted(
        self, query: Features, gallery: Features, protocol: Protocol
    ) -> dict[float, Accepted]:
        """What the file's thresholds accept here, if that was asked for."""
        if not self._thresholds:
            return {}
        found = accepted(query, gallery, protocol, similarities=[*self._thresholds.values()])
        return dict(zip(self._thresholds, found, strict=True))

    def _write_rows(
        self, target: Target, scored: Scored, pictures: Features, query: Features, gallery: Features
    ) -> None:
        places = self._request.places.of(target)
        if places.per_query is not None:
            rows = query_table(scored, pictures)
            write(places.per_query, rows.to_csv(index=False, lineterminator="\n"))
            self.written[places.per_query] = None
        if places.features is not None:
            with writing(places.features):
                save_features(places.features, query, gallery)
            self.written[places.features] = None

    def _draw(self, what: Seen) -> None:
        places, looks = self._request.places.of(what.opened.target), self._request.looks
        ranked, maps = places.gallery_html, places.maps_html
        if ranked is None and maps is None:
            return
        step(f"Drawing the pages of {what.opened.target.label}.")
        lists = what.lists([looks.queries] if ranked is None else CHOICES, looks)
        if ranked is not None:
            page = draw_ranked(ranked, what, self._source.about, lists, looks.queries)
            self.written[page] = None
        if maps is not None:
            self.written[draw_maps(maps, what, self._mapped, lists, looks.queries)] = None


def _thresholds(source: Describes) -> Mapping[float, float | None]:
    about = source.about
    if not about.thresholds:
        raise ValueError(
            f"--thresholds was given, and {about.file.name} holds none: give a file that reid-nas"
            " export wrote."
        )
    return about.thresholds


def _mapped(request: Request, source: Describes) -> list[Checkpoint]:
    """Whose maps are drawn, one beside the other."""
    if request.places.maps_html is None:
        return []
    against = request.maps_against
    others = [] if against is None else [open_source(against, feature=None, asking=request)]
    return [with_maps(one) for one in (source, *others)]
