"""What ``reid-nas score`` and ``evaluate`` say: a JSON object, and a table in percent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evaluators.metrics import metrics_of
from evaluators.paired import Difference
from evaluators.repeats import pooled, spread
from evaluators.retrieval import Retrieval
from reid_data.records import Protocol

Repeats = tuple[Retrieval, ...]
"""One score, or one per drawn gallery."""

_COLUMNS = {
    "mAP": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10", "mINP": "mINP",
    "mAP_trapezoid": "mAP (trapezoid)",
}  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """The scores of one file of features, or of one data set.

    Attributes:
        name: of the protocol.
        protocol: what it stands for; repeats and seed are those of the galleries used.
        plain: by cosine similarity.
        reranked: the same queries after re-ranking, if asked for.
        parameters: of the re-ranking: ``k1``, ``k2`` and ``lambda``.
        difference: of the plain average precisions from those of another run, if asked for.
    """

    name: str
    protocol: Protocol
    plain: Repeats
    reranked: Repeats | None
    parameters: Mapping[str, float]
    difference: Difference | None = None


def content(scored: Scored) -> dict[str, Any]:
    """The JSON object: fractions in [0, 1]; over repeats means, with the standard deviations."""
    found = _content(scored, scored.plain)
    if scored.reranked is not None:
        found["rerank"] = _content(scored, scored.reranked) | dict(scored.parameters)
    if scored.difference is not None:
        found["mAP_difference"] = asdict(scored.difference)
    return found


def table(scored: Scored) -> str:
    """The same in percent, re-ranked scores below the plain ones with their parameters."""
    rows = [("", *_COLUMNS.values()), ("cosine", *_cells(scored, scored.plain))]
    if scored.reranked is not None:
        words = ", ".join(f"{name} {value:g}" for name, value in scored.parameters.items())
        rows.append((f"re-ranked ({words})", *_cells(scored, scored.reranked)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_headline(scored), *(_line(row, widths) for row in rows)]
    if scored.difference is not None:
        lines.append(_difference(scored.difference))
    return "\n".join(lines)


def _content(scored: Scored, repeats: Repeats) -> dict[str, Any]:
    together = pooled(repeats)
    found = {
        **metrics_of(together),
        "queries": len(together.query),
        "queries_skipped": together.queries_skipped,
        "queries_left_out": together.queries_left_out,
        "protocol": scored.name,
    }
    if scored.protocol.repeats:
        found["std"] = {name: over.deviation for name, over in spread(repeats).items()}
        found |= {"repeats": len(repeats), "seed": scored.protocol.seed}
    return found


def _headline(scored: Scored) -> str:
    together = pooled(scored.plain)
    words = (
        f"protocol {scored.name}: {len(together.query):,} queries evaluated,"
        f" {together.queries_skipped:,} skipped without a relevant picture"
    )
    if together.queries_left_out:
        words += f", {together.queries_left_out:,} left out as junk or distractors"
    if scored.protocol.repeats:
        words += (
            f"; mean +- standard deviation over {len(scored.plain)} drawn galleries, seed"
            f" {scored.protocol.seed}"
        )
    return f"{words}; percent"


def _cells(scored: Scored, repeats: Repeats) -> list[str]:
    if not scored.protocol.repeats:
        metrics = metrics_of(pooled(repeats))
        return [f"{100 * metrics[name]:.2f}" for name in _COLUMNS]
    over = spread(repeats)
    return [f"{100 * over[name].mean:.2f} +- {100 * over[name].deviation:.2f}" for name in _COLUMNS]


def _difference(of: Difference) -> str:
    return (
        f"mAP minus the other run's: {100 * of.mean:+.2f} points, 95 % interval"
        f" {100 * of.low:+.2f} to {100 * of.high:+.2f} (cosine; {of.samples:,} bootstrap samples of"
        f" {of.identities:,} identities)"
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    label, *cells = row
    aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
    return "  ".join([label.ljust(widths[0]), *aligned])
