"""Colours of ``network.svg`` on a light and on a dark ground, as the reader's system asks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from experiments.drawing.palette import looks
from nas_space.interactions import INTERACTIONS

DARK = "(prefers-color-scheme: dark)"


class _Tones(NamedTuple):
    paper: str
    card: str
    edge: str
    block: str
    wire: str
    ink: str
    muted: str
    signs: Mapping[str, str]


_LIGHT = _Tones(
    paper="#ffffff",
    card="#f6f7f9",
    edge="#d5d9e0",
    block="#e3e7ee",
    wire="#5b6472",
    ink="#1d2330",
    muted="#5b6472",
    signs={name: look.colour for name, look in looks(tuple(INTERACTIONS)).items()},
)
_BY_NIGHT = _Tones(
    paper="#12161d",
    card="#1b212b",
    edge="#343d4c",
    block="#303a4a",
    wire="#9aa6b8",
    ink="#eef1f6",
    muted="#a5b0c0",
    signs={
        "none": "#a8a8a8",
        "exchange": "#ff9a4d",
        "channel_gate": "#62b5f2",
        "cross_attention": "#38d3a3",
    },
)


def _forms() -> dict[str, str]:
    """What does not depend on the ground."""
    letters = "font-family:system-ui,'Segoe UI',Roboto,'DejaVu Sans',Arial,sans-serif"
    return {
        "paper": "stroke:none",
        "wire": "fill:none;stroke-width:1.6",
        "shortcut": "fill:none;stroke-width:1.4;stroke-dasharray:4 3",
        "halo": "fill:none;stroke-width:8",
        "card": "stroke-width:1",
        "block": "stroke-width:1",
        "line": "fill:none;stroke-width:2.6",
        "thin": "fill:none;stroke-width:1.5;stroke-dasharray:3 2.5",
        "stroke": "fill:none;stroke-width:1.8;stroke-linecap:round",
        "plate": "stroke-width:1.8",
        "strong": "stroke:none",
        "weak": "stroke:none;opacity:.32",
        "dot": "stroke:none",
        "title": f"font-size:24px;font-weight:650;{letters}",
        "head": f"font-size:15px;font-weight:650;{letters}",
        "ink": f"font-size:12px;{letters}",
        "muted": f"font-size:12px;{letters}",
        "small": f"font-size:10px;{letters}",
        "label": f"font-size:12px;font-weight:650;{letters}",
        "letter": f"font-size:16px;font-weight:600;text-anchor:middle;{letters}",
    }


def _colours(tones: _Tones) -> dict[str, str]:
    rules = {
        "paper": f"fill:{tones.paper}",
        "wire": f"stroke:{tones.wire}",
        "shortcut": f"stroke:{tones.wire}",
        "joint": f"fill:{tones.wire}",
        "halo": f"stroke:{tones.card}",
        "card": f"fill:{tones.card};stroke:{tones.edge}",
        "block": f"fill:{tones.block};stroke:{tones.wire}",
        **dict.fromkeys(("title", "head", "ink", "small"), f"fill:{tones.ink}"),
        "muted": f"fill:{tones.muted}",
        "plate": f"fill:{tones.card}",
    }
    for name, colour in tones.signs.items():
        rules |= {
            f"{name}.line, .{name}.thin, .{name}.stroke, .{name}.plate": f"stroke:{colour}",
            f"{name}.strong, .{name}.weak, .{name}.dot, .{name}.label, .{name}.letter": (
                f"fill:{colour}"
            ),
        }
    return rules


def _both(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys([*first, *second])
    return {name: ";".join(filter(None, (first.get(name), second.get(name)))) for name in names}


STYLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"": _both(_forms(), _colours(_LIGHT)), DARK: _colours(_BY_NIGHT)}
)
"""Media query, empty for all media -> class -> declarations."""
