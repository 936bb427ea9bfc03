"""A small drawing board for solid figures: parts in space, painted from far to near.

Figure axes: ``x`` sideways, ``y`` the way the figure faces, ``z`` up; lengths in figure units.
``yaw`` 0 faces the viewer, ``pitch`` looks down; both in radians. The projection is parallel.
"""

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float, float]
_T = TypeVar("_T")


class Texture(StrEnum):
    """What is printed on a cloth."""

    PLAIN = "plain"
    HORIZONTAL = "horizontal"
    VERTICAL = "vertical"
    DIAGONAL = "diagonal"
    CHECKS = "checks"
    DOTS = "dots"
    HALVES = "halves"


@dataclass(frozen=True)
class Cloth:
    """A surface in two colours.

    Attributes:
        colour: of the ground.
        second: of what is printed on it.
        texture: what is printed.
        period: of the print, in figure units.
    """

    colour: Colour
    second: Colour
    texture: Texture = Texture.PLAIN
    period: float = 0.1


def from_hsv(hue: float, saturation: float, value: float) -> Colour:
    """An RGB colour, 0..255, from hue (any, period 1), saturation and value (cut to 0..1)."""
    saturation, value = (min(max(part, 0.0), 1.0) for part in (saturation, value))
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def pick_one(
    rng: np.random.Generator, options: Sequence[_T], weights: Sequence[int] | None = None
) -> _T:
    """One of the options, with chances in proportion to `weights` (or all alike)."""
    heights = np.cumsum(weights if weights is not None else [1] * len(options))
    return options[int(np.searchsorted(heights, rng.random() * heights[-1], side="right"))]


def varied(rng: np.random.Generator, palette: Sequence[tuple[float, float, float]]) -> Colour:
    """A colour near one of a palette of (hue, saturation, value)."""
    hue, saturation, value = pick_one(rng, palette)
    shift = rng.random(3) - 0.5
    return from_hsv(hue + 0.05 * shift[0], saturation + 0.2 * shift[1], value + 0.2 * shift[2])


def varied_pair(
    rng: np.random.Generator, palette: Sequence[tuple[float, float, float]]
) -> tuple[Colour, Colour]:
    """Two colours near those of a palette that can be told apart."""
    first = second = varied(rng, palette)
    while sum(abs(a - b) for a, b in zip(first, second, strict=True)) < 150:
        second = varied(rng, palette)
    return first, second


def shaded(colour: Colour, factor: float) -> Colour:
    """A colour made darker (factor below 1) or lighter (above 1)."""
    red, green, blue = (min(255, max(0, round(part * factor))) for part in colour)
    return red, green, blue


class Canvas:
    """Collects the parts of one figure and paints them onto an image, the farthest first."""

    def __init__(
        self,
        image: Image.Image,
        *,
        foot: tuple[float, float],
        scale: float,
        yaw: float,
        pitch: float,
    ) -> None:
        """Places the figure.

        Args:
            image: RGB; painted on in place.
            foot: pixel where the figure's origin stands.
            scale: pixels of a figure unit.
            yaw: turn of the figure.
            pitch: height of the viewer.
        """
        self.image, self.scale, self.yaw = image, scale, yaw
        self._draw = ImageDraw.Draw(image)
        self._foot = foot
        self._cos, self._sin = math.cos(yaw), math.sin(yaw)
        self._up, self._down = math.cos(pitch), math.sin(pitch)
        self._parts: list[tuple[float, Callable[[], None]]] = []

    def nearness(self, point: Point) -> float:
        """How near to the viewer, in figure units; for a normal: whether it faces the viewer."""
        x, y, z = point
        return (y * self._cos - x * self._sin) * self._up + z * self._down

    def pixel(self, point: Point) -> tuple[float, float]:
        """Where a point of the figure appears."""
        x, y, z = point
        across, towards = x * self._cos + y * self._sin, y * self._cos - x * self._sin
        rise = z * self._up - towards * self._down
        return self._foot[0] + self.scale * across, self._foot[1] - self.scale * rise

    def add(self, nearness: float, paint: Callable[[], None]) -> None:
        """Notes a part; `paint` draws it when its turn comes."""
        self._parts.append((nearness, paint))

    def finish(self) -> None:
        """Paints all parts noted, the farthest first, and forgets them."""
        for _, paint in sorted(self._parts, key=lambda part: part[0]):
            paint()
        self._parts.clear()

    def face(self, points: Sequence[Point], colour: Colour) -> None:
        """Paints a flat polygon at once."""
        self._draw.polygon([self.pixel(point) for point in points], fill=colour)

    def limb(
        self, joints: Sequence[Point], width: float, colour: Colour, *, bias: float = 0.0
    ) -> None:
        """Notes a rounded stroke through the joints, as near as its middle plus `bias`."""
        pixels, radius = [self.pixel(joint) for joint in joints], width * self.scale / 2
        near = sum(self.nearness(joint) for joint in joints) / len(joints)
        self.add(near + bias, lambda: self._stroke(pixels, radius, colour))

    def ball(
        self, centre: Point, radii: tuple[float, float], colour: Colour, *, bias: float = 0.0
    ) -> None:
        """Notes an ellipse that looks the same from all sides; radii across and up."""
        x, y = self.pixel(centre)
        across, up = (radius * self.scale for radius in radii)
        box = (x - across, y - up, x + across, y + up)
        self.add(self.nearness(centre) + bias, lambda: self._draw.ellipse(box, fill=colour))

    def drape(self, outline: Sequence[tuple[float, float]], cloth: Cloth, *, near: float) -> None:
        """Notes a patterned silhouette around the figure's axis, given as (across, z)."""
        foot_x = self._foot[0]
        pixels = [
            (foot_x + across * self.scale, self.pixel((0.0, 0.0, z))[1]) for across, z in outline
        ]
        self.add(near, lambda: self._print(pixels, cloth))

    def _stroke(self, pixels: Sequence[tuple[float, float]], radius: float, colour: Colour) -> None:
        for (x0, y0), (x1, y1) in pairwise(pixels):
            self._draw.line((x0, y0, x1, y1), fill=colour, width=max(1, round(2 * radius)))
        for x, y in pixels:
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def _print(self, pixels: Sequence[tuple[float, float]], cloth: Cloth) -> None:
        self._draw.polygon(pixels, fill=cloth.colour)
        if cloth.texture is Texture.PLAIN:
            return
        left, top = (math.floor(min(pixel[axis] for pixel in pixels)) for axis in (0, 1))
        right, bottom = (math.ceil(max(pixel[axis] for pixel in pixels)) for axis in (0, 1))
        size = (right - left + 1, bottom - top + 1)
        silhouette = Image.new("L", size)
        ImageDraw.Draw(silhouette).polygon([(x - left, y - top) for x, y in pixels], fill=255)
        rows, columns = np.indices((size[1], size[0]), dtype=np.float64)
        across = (columns - (self._foot[0] - left)) / (cloth.period * self.scale)
        printed = _printed(cloth.texture, across, rows / (cloth.period * self.scale), size[1])
        mask = np.where(printed, np.asarray(silhouette), 0).astype(np.uint8)
        self.image.paste(cloth.second, (left, top), Image.fromarray(mask))


def _printed(
    texture: Texture,
    across: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    down: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    height: int,
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where the second colour goes; coordinates count periods from the axis and the top."""
    if texture is Texture.DOTS:
        shift = 0.5 * (np.floor(down) % 2)
        dx, dy = (across + shift) % 1.0 - 0.5, down % 1.0 - 0.5
        return np.asarray(dx * dx + dy * dy < 0.11)
    if texture is Texture.CHECKS:
        return np.asarray((np.floor(2 * across) + np.floor(2 * down)) % 2 == 0)
    if texture is Texture.HALVES:
        return np.asarray(np.arange(height)[:, None] + 0 * across > 0.48 * height)
    line = {
        Texture.HORIZONTAL: down,
        Texture.VERTICAL: across + 0.25,
        Texture.DIAGONAL: across + down,
    }[texture]
    return np.asarray(line % 1.0 < 0.5)
