"""From a file of features to scores in a table, in JSON and per query."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from evaluators.feature_file import read_features
from evaluators.gallery_file import Galleries, load_galleries, save_galleries
from evaluators.paired import paired_difference, read_per_query
from evaluators.repeats import Score, drawn_galleries, evaluated, joined
from evaluators.retrieval import MARKET_RULES, Features, retrieve
from experiments.device import device_of
from experiments.outputs import refuse_unwritable, write, writing
from experiments.score_report import Repeats, Scored, content, table
from experiments.scoring import named, query_table, reranked_by, rows
from reid_data import vehicleid
from reid_data.records import Protocol

PROTOCOLS: Mapping[str, Protocol] = {
    "market": MARKET_RULES,
    "vehicleid": vehicleid.PROTOCOL,
    "none": Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset()),
}
"""With ``none`` no gallery picture is left out and no identity is junk or a distractor."""


@dataclass(frozen=True)
class Request:
    """What to score, and where the results go.

    Attributes:
        features: the file, as `read_features` reads it.
        protocol: one of ``PROTOCOLS``.
        seed: of the drawn galleries; None for the protocol's own, as for ``repeats``.
        repeats: how many galleries are drawn.
        splits: file of drawn galleries: used if it is there, written if not.
        reranking: ``k1``, ``k2`` and ``lambda``, or None for none.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
        against: CSV file of another run's scores per query, to compare with.
        json: file for the scores, or None, as for ``per_query``.
        per_query: CSV file for the scores of every query.
    """

    features: Path
    protocol: str = "market"
    seed: int | None = None
    repeats: int | None = None
    splits: Path | None = None
    reranking: Mapping[str, float] | None = None
    device: str = "auto"
    against: Path | None = None
    json: Path | None = None
    per_query: Path | None = None


def run(request: Request) -> Scored:
    """Score, print the table, and write what was asked for.

    Raises:
        ValueError: if the features cannot be read or scored, there is no GPU where one was asked
            for, or a file cannot be written.
    """
    outputs = _outputs(request)
    refuse_unwritable(outputs, _inputs(request))
    device = device_of(request)
    others = None if request.against is None else read_per_query(request.against)
    parts = read_features(request.features, PROTOCOLS[request.protocol])
    query, gallery = (_moved(part, device) for part in parts)
    pictures = joined(query, gallery) if PROTOCOLS[request.protocol].repeats else query
    protocol, galleries = _drawn(request, pictures)

    chosen = None if galleries is None else galleries.chosen

    def found(score: Score, called: str) -> Repeats:
        return evaluated(query, gallery, protocol, galleries=chosen, score=score, progress=called)

    plain = found(retrieve, "retrieval")
    difference = None
    if others is not None:
        difference = paired_difference(rows(plain, protocol, pictures), others)
    scored = Scored(
        request.protocol,
        protocol,
        plain,
        None if request.reranking is None else found(reranked_by(request.reranking), "re-ranking"),
        request.reranking or {},
        difference,
    )
    print(table(scored))
    _save(request, scored, pictures, galleries)
    for file in outputs.values():
        print(f"See {file.name}.")
    return scored


def _inputs(request: Request) -> dict[str, Path]:
    read = {"--features": request.features, "--against": request.against}
    return named(read | {"--splits": request.splits if _splits_exist(request) else None})


def _outputs(request: Request) -> dict[str, Path]:
    written = {"--json": request.json, "--per-query": request.per_query}
    return named(written | {"--splits": None if _splits_exist(request) else request.splits})


def _splits_exist(request: Request) -> bool:
    """Whether drawn galleries are read, and not written."""
    splits = request.splits
    return (
        splits is not None and splits.is_file() and splits.resolve() != request.features.resolve()
    )


def _moved(part: Features, device: torch.device) -> Features:
    return Features(part.vectors.to(device), part.identities.to(device), part.cameras.to(device))


def _drawn(request: Request, pictures: Features) -> tuple[Protocol, Galleries | None]:
    """The protocol with the repeats and the seed that are used, and what they draw."""
    protocol = PROTOCOLS[request.protocol]
    if not protocol.repeats:
        return protocol, None
    if request.splits is not None and _splits_exist(request):
        galleries = load_galleries(request.splits, pictures.identities)
        _refuse_others(request, galleries)
        return replace(protocol, repeats=len(galleries.chosen), seed=galleries.seed), galleries
    protocol = replace(
        protocol,
        repeats=protocol.repeats if request.repeats is None else request.repeats,
        seed=protocol.seed if request.seed is None else request.seed,
    )
    chosen = drawn_galleries(pictures.identities, repeats=protocol.repeats, seed=protocol.seed)
    return protocol, Galleries(chosen, protocol.seed)


def _refuse_others(request: Request, galleries: Galleries) -> None:
    lying = {"repeats": len(galleries.chosen), "seed": galleries.seed}
    asked = {"repeats": request.repeats, "seed": request.seed}
    for name, value in asked.items():
        if value not in (None, lying[name]):
            raise ValueError(
                f"--{name} {value} was given and the galleries in --splits have {name}"
                f" {lying[name]}: leave --{name} out, or name a new file."
            )


def _save(
    request: Request, scored: Scored, pictures: Features, galleries: Galleries | None
) -> None:
    if request.json is not None:
        write(request.json, json.dumps(content(scored), indent=2) + "\n")
    if request.per_query is not None:
        write(
            request.per_query,
            query_table(scored, pictures).to_csv(index=False, lineterminator="\n"),
        )
    if request.splits is not None and galleries is not None and not _splits_exist(request):
        with writing(request.splits):
            save_galleries(request.splits.resolve(), galleries, pictures.identities)
