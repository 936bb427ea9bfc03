"""Vehicles: what belongs to an identity, and how one is drawn as a solid.

A vehicle is a side outline pushed sideways; its unit is the length of a middle-sized car, and the
outline's points are ``(y, z)`` with ``y`` along the vehicle, the front at positive ``y``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reid_data.synthetic_bodies import BODIES, Body, Outline
from reid_data.synthetic_canvas import Canvas, Colour, Point, pick_one, shaded, varied, varied_pair

GLASS: Colour = (48, 58, 70)
TYRE: Colour = (30, 30, 32)


PAINTS = (
    (0.00, 0.80, 0.75), (0.08, 0.80, 0.90), (0.14, 0.75, 0.92), (0.36, 0.55, 0.50),
    (0.55, 0.60, 0.75), (0.63, 0.70, 0.50), (0.00, 0.00, 0.95), (0.60, 0.04, 0.70),
    (0.00, 0.00, 0.42), (0.00, 0.00, 0.12),
)  # fmt: skip
FLEET = (
    (0.98, 0.60, 0.50), (0.06, 0.65, 0.60), (0.12, 0.45, 0.80), (0.25, 0.45, 0.45),
    (0.48, 0.50, 0.50), (0.58, 0.40, 0.60), (0.75, 0.35, 0.45), (0.10, 0.06, 0.90),
    (0.60, 0.10, 0.55), (0.60, 0.20, 0.20),
)  # fmt: skip
VIEWS = (0.9, 2.2, -1.0, 1.6, -2.1, 0.6, 2.5, -1.6, -0.7)
"""Yaws that cameras take in turn; they all show some of a side, where the markings are."""

BODY_SHARES = ((3, 3, 3, 2, 2, 1, 1), (1, 1, 1, 2, 3, 3, 2))
"""How frequent each of `BODIES` is, by domain."""

MARKINGS = ("none", "band", "number", "diamond", "checks", "two-tone", "slash")
SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


@dataclass(frozen=True)
class Vehicle:
    """All that belongs to one identity.

    Attributes:
        body: name of the shape in `BODIES`.
        size: length, as a multiple of the shape's.
        width: half the width.
        paint: colour of the body.
        second: colour of the markings.
        marking: what the sides show, one of `MARKINGS`.
        number: 0..99, shown by the marking ``number``.
        top: what is on the roof or bonnet: nothing, a rack, lights or racing stripes.
        load: colour of the rack's load.
        hub: colour of the wheels.
        roof_paint: whether the roof has the second colour.
    """

    body: str
    size: float
    width: float
    paint: Colour
    second: Colour
    marking: str
    number: int
    top: str
    load: Colour
    hub: Colour
    roof_paint: bool


def vehicle(rng: np.random.Generator, *, domain: int) -> Vehicle:
    """Draws an identity; domain 0 has bright paints, domain 1 dull ones and more lorries."""
    palette = FLEET if domain else PAINTS
    paint, second = varied_pair(rng, palette)
    return Vehicle(
        body=pick_one(rng, tuple(BODIES), BODY_SHARES[domain]),
        size=0.94 + 0.14 * rng.random(),
        width=0.19 + 0.03 * rng.random(),
        paint=paint,
        second=second,
        marking=pick_one(rng, MARKINGS),
        number=int(rng.integers(100)),
        top=pick_one(rng, ("nothing", "rack", "lights", "racing stripes"), (3, 2, 1, 2)),
        load=varied(rng, palette),
        hub=pick_one(rng, ((190, 190, 195), (90, 90, 95), (40, 40, 42))),
        roof_paint=bool(rng.random() < 0.25),
    )  # fmt: skip


def draw_vehicle(canvas: Canvas, vehicle: Vehicle) -> None:
    """Paints a vehicle; the canvas's yaw 0 shows its front, and its pitch must not be negative."""
    canvas.scale *= vehicle.size
    _Solid(canvas, vehicle, BODIES[vehicle.body]).paint()


def extent(vehicle: Vehicle, *, yaw: float) -> float:
    """Side of the square that a vehicle fills when seen so, in figure units."""
    outline = BODIES[vehicle.body].outline
    length = outline[-1][0] - outline[0][0]
    across = length * abs(math.sin(yaw)) + 2 * vehicle.width * abs(math.cos(yaw))
    return vehicle.size * max(across, 1.3 * max(z for _, z in outline))


class _Solid:
    """One vehicle on one canvas; only the faces turned to the viewer are painted."""

    def __init__(self, canvas: Canvas, vehicle: Vehicle, body: Body) -> None:
        self.canvas, self.vehicle, self.body = canvas, vehicle, body
        self.side = 1 if canvas.nearness((1.0, 0.0, 0.0)) > 0 else -1

    def paint(self) -> None:
        self._shadow()
        self._wheels(-self.side, 0.85)
        self._flank()
        self._wheels(self.side, 1.0)
        self._hull()
        self._top()

    def half_width(self, z: float) -> float:
        return self.vehicle.width - 0.22 * max(0.0, z - self.body.belt)

    def on_side(self, outline: Sequence[tuple[float, float]], side: int) -> list[Point]:
        return [(side * self.half_width(z), y, z) for y, z in outline]

    def _shadow(self) -> None:
        rear, front, w = self.body.outline[0][0], self.body.outline[-1][0], self.vehicle.width
        corners = ((-w, rear), (w, rear), (w, front), (-w, front))
        self.canvas.face([(1.1 * x, 1.03 * y, 0.0) for x, y in corners], (38, 38, 42))

    def _wheels(self, side: int, tone: float) -> None:
        for axle in self.body.wheels:
            for radius, colour in ((0.095, TYRE), (0.055, self.vehicle.hub)):
                circle = [
                    (axle + radius * math.cos(turn), 0.09 + radius * math.sin(turn))
                    for turn in (math.pi * step / 8 for step in range(16))
                ]
                self.canvas.face(self.on_side(circle, side), shaded(colour, tone))

    def _flank(self) -> None:
        face, side = self.canvas.face, self.side
        face(self.on_side(self.body.outline, side), shaded(self.vehicle.paint, 0.88))
        self._marking()
        for window in self.body.windows:
            face(self.on_side(window, side), GLASS)

    def _marking(self) -> None:
        rear, front, low, high = self.body.panel
        left, right = self.body.outline[0][0], self.body.outline[-1][0]
        middle = (low + high) / 2
        colour = shaded(self.vehicle.second, 0.92)
        patches: list[Outline] = []
        if self.vehicle.marking == "band":
            patches = [_box(left, right, middle - 0.035, middle + 0.035)]
        elif self.vehicle.marking == "two-tone":
            patches = [_box(left, right, self.body.outline[0][1], middle)]
        elif self.vehicle.marking == "diamond":
            y, reach = (rear + front) / 2, 0.55 * (high - low)
            patches = [((y - reach, middle), (y, high), (y + reach, middle), (y, low))]
        elif self.vehicle.marking == "slash":
            patches = [((rear, low), (rear + 0.10, low), (front, high), (front - 0.10, high))]
        elif self.vehicle.marking == "checks":
            step = 0.055
            cells = range(int((right - left) / step))
            patches = [
                _box(left + step * cell, left + step * (cell + 1), z, z + step)
                for cell in cells
                for z in (middle - step + step * (cell % 2),)
            ]
        elif self.vehicle.marking == "number":
            self._plate(_box(rear + 0.04, front - 0.04, low, high), colour)
            return
        for patch in patches:
            self.canvas.face(self.on_side(patch, self.side), colour)

    def _plate(self, board: Outline, colour: Colour) -> None:
        """A board with two digits of seven bars, so that they read from this side."""
        self.canvas.face(self.on_side(board, self.side), colour)
        (left, low), (right, high) = board[0], board[2]
        ink = (20, 20, 24) if sum(colour) > 330 else (240, 240, 236)
        wide, tall = 0.32 * (right - left), 0.38 * (high - low)
        for place, digit in ((-0.25, self.vehicle.number // 10), (0.25, self.vehicle.number % 10)):
            # seen from the right flank (x > 0) the vehicle's front is on the left
            y0 = (left + right) / 2 - self.side * place * (right - left)
            z0 = (low + high) / 2
            for bar in SEGMENTS[digit]:
                strokes = {
                    "a": (-1, 1, 1, 1), "b": (1, 0, 1, 1), "c": (1, -1, 1, 0), "d": (-1, -1, 1, -1),
                    "e": (-1, -1, -1, 0), "f": (-1, 0, -1, 1), "g": (-1, 0, 1, 0),
                }  # fmt: skip
                x1, z1, x2, z2 = strokes[bar]
                ys = sorted(y0 - self.side * wide / 2 * x for x in (x1, x2))
                zs = sorted(z0 + tall * z for z in (z1, z2))
                patch = _box(ys[0] - 0.011, ys[1] + 0.011, zs[0] - 0.011, zs[1] + 0.011)
                self.canvas.face(self.on_side(patch, self.side), ink)

    def _hull(self) -> None:
        """The faces between the two sides: boot, roof, windscreen, bonnet, front."""
        edges = list(enumerate(pairwise(self.body.outline)))
        edges.sort(key=lambda edge: self.canvas.nearness((0.0, *_middle(*edge[1]))))
        highest = max(z for _, z in self.body.outline)
        for number, ((y1, z1), (y2, z2)) in edges:
            normal = (0.0, z1 - z2, y2 - y1)
            if self.canvas.nearness(normal) <= 0:
                continue
            light = 0.72 + 0.38 * max(0.0, normal[2]) / math.hypot(normal[1], normal[2])
            roof = self.vehicle.roof_paint and min(z1, z2) > 0.85 * highest
            paint = GLASS if number in self.body.glass else shaded(self._coat(roof), light)
            self._across((y1, z1), (y2, z2), -1.0, 1.0, paint)
            if self.vehicle.top == "racing stripes" and number not in self.body.glass:
                for left in (-0.45, 0.15):
                    stripe = shaded(self.vehicle.second, light)
                    self._across((y1, z1), (y2, z2), left, left + 0.3, stripe)
        self._lamps()

    def _coat(self, roof: bool) -> Colour:
        return self.vehicle.second if roof else self.vehicle.paint

    def _across(
        self, start: tuple[float, float], end: tuple[float, float], left: float, right: float,
        colour: Colour,
    ) -> None:  # fmt: skip
        """A strip between two outline points; left and right in half widths."""
        (y1, z1), (y2, z2) = start, end
        w1, w2 = self.half_width(z1), self.half_width(z2)
        corners = [
            (left * w1, y1, z1),
            (right * w1, y1, z1),
            (right * w2, y2, z2),
            (left * w2, y2, z2),
        ]
        self.canvas.face(corners, colour)

    def _lamps(self) -> None:
        for end, colour in ((-1, (200, 30, 30)), (1, (250, 246, 214))):
            if self.canvas.nearness((0.0, float(end), 0.0)) <= 0:
                continue
            (y0, z0), (y1, z1) = self.body.outline[-2:][::-1] if end > 0 else self.body.outline[:2]
            tall = min(z1 - z0, 0.16)
            low = (y0 + (y1 - y0) * 0.45, z0 + 0.45 * tall)
            high = (y0 + (y1 - y0) * 0.85, z0 + 0.85 * tall)
            for left in (-0.92, 0.62):
                self._across(low, high, left, left + 0.3, colour)
            foot, head = (y0, z0 + 0.1 * tall), (y0, z0 + 0.35 * tall)
            self._across(foot, head, -0.3, 0.3, (226, 226, 216))

    def _top(self) -> None:
        if self.vehicle.top not in ("rack", "lights"):
            return
        (y1, z1), (y2, z2) = max(
            pairwise(self.body.outline), key=lambda edge: min(edge[0][1], edge[1][1])
        )
        y, z = (y1 + y2) / 2, (z1 + z2) / 2 + 0.01
        reach, tall = (0.42 * (y2 - y1), 0.07) if self.vehicle.top == "rack" else (0.035, 0.05)
        colour = self.vehicle.load if self.vehicle.top == "rack" else (250, 150, 20)
        w = 0.75 * self.half_width(z)
        flank = [(self.side * w, y + dy, z + dz) for dy, dz in _box(-reach, reach, 0.0, tall)]
        self.canvas.face(flank, shaded(colour, 0.85))
        end = 1 if self.canvas.nearness((0.0, 1.0, 0.0)) > 0 else -1
        self.canvas.face(
            [(dx, y + end * reach, z + dz) for dx, dz in _box(-w, w, 0.0, tall)],
            shaded(colour, 0.7),
        )
        self.canvas.face([(dx, y + dy, z + tall) for dx, dy in _box(-w, w, -reach, reach)], colour)


def _box(left: float, right: float, low: float, high: float) -> Outline:
    return ((left, low), (right, low), (right, high), (left, high))


def _middle(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    return (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
