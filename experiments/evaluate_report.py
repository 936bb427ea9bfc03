"""What ``reid-nas evaluate`` says of a data set: a table for a person, fields for a file."""

from collections.abc import Sequence
from typing import Any

from experiments.evaluate_network import Checkpoint
from experiments.evaluate_targets import Opened
from experiments.score_report import Scored, content, table
from nas_space.heads import Feature
from reid_data.parts import counts_of
from reid_data.records import Protocol

MARKET, DRAWN, NONE = "market", "vehicleid", "none"


def protocol_name(protocol: Protocol) -> str:
    """As ``reid-nas score --protocol`` calls it, by what tells the rules apart."""
    if protocol.repeats:
        return DRAWN
    return MARKET if protocol.camera_rule else NONE


def in_words(opened: Opened, scored: Scored, *, feature: Feature, flip: bool) -> str:
    """A headline and the table of ``reid-nas score``, in percent."""
    dataset = opened.dataset
    what = f"{opened.target.label} ({dataset.layout}), feature {feature}"
    return f"{what}{', with the mirror image' if flip else ''}\n{table(scored)}"


def fields(opened: Opened, scored: Scored, *, feature: Feature, flip: bool) -> dict[str, Any]:
    """Of one data set: fractions in [0, 1], as ``reid-nas score`` writes them, and what was scored.

    ``counts`` are those ``reid-nas check`` tells; no path is among the fields.
    """
    dataset = opened.dataset
    return {
        "data": opened.target.label,
        "name": dataset.name,
        "layout": dataset.layout,
        "counts": counts_of(dataset),
        "feature": feature,
        "flip": flip,
        **content(scored),
    }


def document(
    checkpoint: Checkpoint, finished: Sequence[dict[str, Any]], failed: Sequence[str]
) -> dict[str, Any]:
    """The whole JSON object.

    Args:
        checkpoint: that was evaluated.
        finished: ``fields`` of each data set that was scored.
        failed: labels of those that were not finished; one whose page could not be drawn after it
            was scored is in both.
    """
    return {
        "checkpoint": checkpoint.described(),
        "results": list(finished),
        "failed": list(failed),
    }
