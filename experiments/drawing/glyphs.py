"""Signs of the interactions: what the two branches tell each other, drawn between them."""

from collections.abc import Callable, Mapping

from experiments.drawing.svg import Pen

REACH = 35.0
"""Half the width of a sign."""
HALF = 36.0
"""Half the height of a sign: branch a is at y = -HALF, branch b at y = HALF."""

_BRANCHES = (-HALF, HALF)
_FROM = -26.0
"""Where a branch is read, for those signs that read it."""


def _none(pen: Pen) -> None:
    for y in _BRANCHES:
        pen.path(f"M{-REACH:g} {y:g}H{REACH:g}", "wire")


def _exchange(pen: Pen) -> None:
    falling, rising = (f"M{-REACH:g} {y:g}C0 {y:g} 0 {-y:g} {REACH:g} {-y:g}" for y in _BRANCHES)
    pen.path(falling, "exchange line")
    pen.path(rising, "halo")
    pen.path(rising, "exchange line")


def _channel_gate(pen: Pen) -> None:
    _none(pen)
    for y in _BRANCHES:
        near = y / 4
        pen.path(f"M{_FROM:g} {y:g}V{near:g}Q{_FROM:g} 0 {_FROM + 9:g} 0H0", "channel_gate thin")
        pen.path(f"M0 0V{y:g}", "channel_gate thin")
        pen.circle(_FROM, y, 2.5, "channel_gate dot")
        _operation(pen, 0, y, "channel_gate", 0.36, slant=0.36)
    pen.box(0, 0, 32, 26, "channel_gate plate", round_by=13)
    pen.text(0, 5.5, "\N{GREEK SMALL LETTER SIGMA}", "channel_gate letter")


def _cross_attention(pen: Pen) -> None:
    _none(pen)
    for y in _BRANCHES:
        pen.path(f"M{_FROM:g} {y:g}L24 {-y:g}", "cross_attention thin")
    for y in _BRANCHES:
        pen.circle(_FROM, y, 2.5, "cross_attention dot")
        _operation(pen, 24, y, "cross_attention", 0.5, slant=0)
    pen.box(-1, 0, 30, 30, "cross_attention plate")
    strong = ((0, 0), (1, 2), (2, 1), (2, 2))
    for row in range(3):
        for column in range(3):
            look = "strong" if (row, column) in strong else "weak"
            x, y = 8 * (column - 1) - 1, 8 * (row - 1)
            pen.box(x, y, 6.4, 6.4, f"cross_attention {look}", round_by=1)


def _operation(pen: Pen, x: float, y: float, look: str, arm: float, *, slant: float) -> None:
    """A sum, or a product where it is slanted: two strokes in a circle."""
    r = 8.0
    pen.circle(x, y, r, f"{look} plate")
    for dx, dy in ((r * arm, r * slant), (r * slant, -r * arm)):
        pen.path(f"M{x - dx:g} {y - dy:g}L{x + dx:g} {y + dy:g}", f"{look} stroke")


SIGNS: Mapping[str, Callable[[Pen], None]] = {
    "none": _none,
    "exchange": _exchange,
    "channel_gate": _channel_gate,
    "cross_attention": _cross_attention,
}
"""Interaction -> draws its sign around the pen's origin."""

MEANINGS: Mapping[str, str] = {
    "none": "the branches stay apart",
    "exchange": "the branches change places",
    "channel_gate": "one gate weighs the channels of both",
    "cross_attention": "each mixes its channels by the other",
}
"""Interaction -> what it does, for the legend."""
