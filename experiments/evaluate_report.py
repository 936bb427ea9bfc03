"""What ``reid-nas evaluate`` says of a data set: a table for a person, fields for a file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evaluators.thresholds import Accepted
from experiments.describes import About, Describes
from experiments.evaluate_targets import Opened
from experiments.score_report import Scored, content, table
from reid_data.parts import counts_of
from reid_data.records import Protocol

MARKET, DRAWN, NONE = "market", "vehicleid", "none"


@dataclass(frozen=True)
class Finding:
    """What was found on a data set.

    Attributes:
        opened: the data set.
        scored: its scores.
        about: what described the pictures.
        flip: whether the features are means with those of the mirror image.
        accepted: share of false accepts that was allowed when the file was exported -> what the
            file's threshold accepts here; empty if nobody asked.
    """

    opened: Opened
    scored: Scored
    about: About
    flip: bool
    accepted: Mapping[float, Accepted] = field(default_factory=dict)

    def in_words(self) -> str:
        """A headline, the table of ``reid-nas score`` in percent, and a line per threshold."""
        dataset = self.opened.dataset
        what = f"{self.opened.target.label} ({dataset.layout})"
        lines = [f"{what}, {self.about.described_by(flip=self.flip)}", table(self.scored)]
        return "\n".join(lines + [_in_words(*one) for one in self.accepted.items()])

    def fields(self) -> dict[str, Any]:
        """Fractions in [0, 1], as ``reid-nas score`` writes them, and what was scored.

        ``counts`` are those ``reid-nas check`` tells; no path is among the fields.
        """
        dataset = self.opened.dataset
        found = {
            "data": self.opened.target.label,
            "name": dataset.name,
            "layout": dataset.layout,
            "counts": counts_of(dataset),
            "feature": self.about.feature,
            "flip": self.flip,
            **content(self.scored),
        }
        at = [{"rate": rate, **asdict(one)} for rate, one in self.accepted.items()]
        return found | ({"thresholds": at} if at else {})


def protocol_name(protocol: Protocol) -> str:
    """As ``reid-nas score --protocol`` calls it, by what tells the rules apart."""
    if protocol.repeats:
        return DRAWN
    return MARKET if protocol.camera_rule else NONE


def document(
    source: Describes, finished: Sequence[dict[str, Any]], failed: Sequence[str]
) -> dict[str, Any]:
    """The whole JSON object.

    Args:
        source: that was evaluated.
        finished: ``Finding.fields`` of each data set that was scored.
        failed: labels of those that were not finished; one whose page could not be drawn after it
            was scored is in both.
    """
    return {
        "checkpoint": source.described(),
        "results": list(finished),
        "failed": list(failed),
    }


def _in_words(rate: float, of: Accepted) -> str:
    allowed = f"threshold for {100 * rate:g} % false accepts"
    if of.similarity is None:
        return f"{allowed}: none was high enough when the file was exported"
    return (
        f"{allowed}: similarity {of.similarity:.4f} and more accepts {100 * of.false_accepts:.3g} %"
        f" of the {of.impostors:,} pairs of two identities here, and"
        f" {100 * of.true_accepts:.1f} % of those of one"
    )
