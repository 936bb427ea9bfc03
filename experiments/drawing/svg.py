"""Just enough of SVG to draw a diagram: shapes in nested groups, styled by class."""

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Pen:
    """Draws into one group; a group within it has its own origin.

    Args:
        element: that is drawn into.
    """

    def __init__(self, element: Element) -> None:
        self._element = element

    def group(self, x: float = 0, y: float = 0, *, scale: float = 1, **attributes: str) -> "Pen":
        """A pen for a group whose origin lies at (x, y); ``data_slot`` becomes ``data-slot``."""
        moves = [f"translate({x:g} {y:g})"] if x or y else []
        moves += [f"scale({scale:g})"] if scale != 1 else []
        if moves:
            attributes["transform"] = " ".join(moves)
        return Pen(self._add("g", **attributes))

    def path(self, d: str, look: str) -> None:
        """A line as SVG writes it."""
        self._add("path", d=d, look=look)

    def wire(self, *points: tuple[float, float], look: str = "wire", tip: bool = False) -> None:
        """Straight pieces from point to point, their corners rounded, with an arrow at the end."""
        (x, y), *rest = points
        d = [f"M{x:g} {y:g}"]
        for corner, beyond in pairwise(rest):
            (ax, ay), (bx, by) = _towards(corner, (x, y)), _towards(corner, beyond)
            d.append(f"L{ax:g} {ay:g}Q{corner[0]:g} {corner[1]:g} {bx:g} {by:g}")
            x, y = corner
        end = rest[-1]
        d.append(f"L{end[0]:g} {end[1]:g}")
        self.path("".join(d), look)
        if tip:
            back = _towards(end, (x, y))
            dx, dy = 0.5 * (end[1] - back[1]), 0.5 * (back[0] - end[0])
            sides = (f"{back[0] + s * dx:g} {back[1] + s * dy:g}" for s in (1, -1))
            self.path(f"M{end[0]:g} {end[1]:g}L{'L'.join(sides)}Z", "joint")

    def box(
        self, x: float, y: float, w: float, h: float, look: str, *, round_by: float = 4
    ) -> None:
        """A rectangle, by its middle and its size."""
        left, top = f"{x - w / 2:g}", f"{y - h / 2:g}"
        self._add(
            "rect", x=left, y=top, width=f"{w:g}", height=f"{h:g}", rx=f"{round_by:g}", look=look
        )

    def circle(self, x: float, y: float, r: float, look: str) -> None:
        """A circle, by its middle."""
        self._add("circle", cx=f"{x:g}", cy=f"{y:g}", r=f"{r:g}", look=look)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        look: str = "ink",
        *,
        anchor: Literal["start", "middle", "end"] = "middle",
    ) -> None:
        """Words on a line whose foot is at y."""
        extra = {} if anchor == "start" else {"text-anchor": anchor}
        self._add("text", words, x=f"{x:g}", y=f"{y:g}", look=look, **extra)

    def name(self, words: str) -> None:
        """What a pointer resting on the group is told."""
        self._add("title", words)

    def _add(self, tag: str, words: str = "", look: str = "", **attributes: str) -> Element:
        named = {name.replace("_", "-"): value for name, value in attributes.items()}
        element = SubElement(self._element, tag, ({"class": look} if look else {}) | named)
        if words:
            element.text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", words)
        return element


class Sheet(Pen):
    """A whole picture.

    Args:
        width: of the drawing, pixels.
        height: of the drawing, pixels.
        title: said by a screen reader.
        description: said by a screen reader behind the title.
        styles: media query, or an empty text for all media -> class -> declarations.
    """

    def __init__(
        self,
        width: float,
        height: float,
        *,
        title: str,
        description: str,
        styles: Mapping[str, Mapping[str, str]],
    ) -> None:
        attributes = {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "aria-labelledby": "network-title network-description",
        }
        self._root = Element("svg", attributes)
        super().__init__(self._root)
        self._add("title", title, id="network-title")
        self._add("desc", description, id="network-description")
        self._add("style", "".join(_css(media, rules) for media, rules in styles.items()))

    def __str__(self) -> str:
        indent(self._root)
        return tostring(self._root, encoding="unicode") + "\n"


def _css(media: str, rules: Mapping[str, str]) -> str:
    text = "".join(f".{look}{{{declarations}}}\n" for look, declarations in rules.items())
    return f"@media {media}{{\n{text}}}\n" if media else text


def _towards(start: tuple[float, float], goal: tuple[float, float]) -> tuple[float, float]:
    """The point 8 pixels from the start, or half way to a goal that is nearer than 16."""
    (x, y), (to_x, to_y) = start, goal
    length = math.hypot(to_x - x, to_y - y)
    share = min(0.5, 8 / length) if length else 0.0
    return x + share * (to_x - x), y + share * (to_y - y)
