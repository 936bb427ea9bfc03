"""Colours of a run's pictures: a candidate looks the same in all of them.

Source: the hues of Okabe and Ito (2008), "Color Universal Design", which most colour-blind readers
can tell apart; those of the MSI space are darker here, so that words in them can be read on white.
Dashes tell the candidates apart without any colour.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

INK = "#333333"
"""Words and axes."""
PALE = "#999999"
"""What stands behind the data."""

Dashes = tuple[int, tuple[float, ...]]
"""Where the pattern begins; ink and gap in turn, in line widths. Without any: a full line."""


class Look(NamedTuple):
    """How a candidate is drawn."""

    colour: str
    dashes: Dashes


_KNOWN: Mapping[str, Look] = MappingProxyType(
    {
        "none": Look("#6B6B6B", (0, (4, 1.5, 1, 1.5))),
        "exchange": Look("#B84D00", (0, ())),
        "channel_gate": Look("#0072B2", (0, (4, 1.5))),
        "cross_attention": Look("#007F5C", (0, (1.5, 1))),
    }
)
_FURTHER = ("#CC79A7", "#E69F00", "#56B4E9", "#000000")
_PATTERNS: tuple[Dashes, ...] = ((0, ()), (0, (6, 2)), (0, (3, 1, 1, 1, 1, 1)))


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Candidate -> how it is drawn, different for up to sixteen candidates.

    Those of the MSI space always look the same; others take turns in the order given.
    """
    look = {name: _KNOWN[name] for name in names if name in _KNOWN}
    others = [name for name in names if name not in _KNOWN]
    for place, name in enumerate(others):
        turn, colour = divmod(place, len(_FURTHER))
        look[name] = Look(_FURTHER[colour], _PATTERNS[(turn + colour) % len(_PATTERNS)])
    return {name: look[name] for name in names}


def spoken(name: str) -> str:
    """A candidate's name as a reader would say it."""
    return name.replace("_", " ")
