"""Walking persons: what belongs to an identity, and how one is drawn in a given pose.

The figure's unit is the height of a person of middle size, from sole to crown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reid_data.synthetic_canvas import (
    Canvas,
    Cloth,
    Colour,
    Texture,
    pick_one,
    shaded,
    varied,
    varied_pair,
)

VIEWS = (0.3, 2.9, 1.5, -0.9, -2.3, 0.9, -1.6, 2.2, -0.3)
"""Yaws that cameras take in turn: front, back, side and between."""

SKIN: tuple[Colour, ...] = ((244, 208, 177), (224, 172, 128), (176, 120, 82), (110, 72, 50))
HAIR: tuple[Colour, ...] = (
    (28, 22, 20),
    (84, 54, 32),
    (196, 154, 88),
    (150, 66, 36),
    (150, 150, 150),
)
# hue, saturation, value; jittered for each garment
SUMMER = (
    (0.00, 0.70, 0.75), (0.08, 0.65, 0.85), (0.14, 0.60, 0.88), (0.33, 0.50, 0.60),
    (0.58, 0.55, 0.65), (0.66, 0.55, 0.60), (0.85, 0.40, 0.75), (0.00, 0.00, 0.92),
    (0.00, 0.00, 0.50), (0.00, 0.00, 0.14),
)  # fmt: skip
WINTER = (
    (0.00, 0.55, 0.45), (0.05, 0.50, 0.55), (0.10, 0.35, 0.70), (0.22, 0.35, 0.40),
    (0.45, 0.40, 0.38), (0.60, 0.45, 0.35), (0.62, 0.30, 0.62), (0.85, 0.35, 0.45),
    (0.10, 0.08, 0.85), (0.60, 0.08, 0.45), (0.60, 0.15, 0.17),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """All that belongs to one identity.

    Attributes:
        height: in figure units.
        build: width of body and limbs, 1 for the middle.
        skin: colour of face and hands.
        hair: colour of the hair.
        hair_style: how it is worn.
        hat: colour of a cap, or none.
        upper: garment of the upper body.
        sleeve: ``short`` shows the arm, ``raglan`` takes the second colour.
        hem: height at which the upper garment ends.
        logo: whether a badge is printed on the chest.
        lower: garment of the legs.
        lower_cut: trousers, shorts or a skirt.
        shoes: colour of the shoes.
        carried: what is carried.
        carried_colour: its colour.
        side: the hand it is carried in, -1 or 1.
    """

    height: float
    build: float
    skin: Colour
    hair: Colour
    hair_style: Literal["short", "long", "bun", "bald"]
    hat: Colour | None
    upper: Cloth
    sleeve: Literal["long", "short", "raglan"]
    hem: float
    logo: bool
    lower: Cloth
    lower_cut: Literal["trousers", "shorts", "skirt"]
    shoes: Colour
    carried: Literal["nothing", "backpack", "shoulder bag", "handbag", "suitcase", "umbrella"]
    carried_colour: Colour
    side: int


def person(rng: np.random.Generator, *, domain: int) -> Person:
    """Draws an identity; domain 0 wears summer clothes, domain 1 dark coats and caps."""
    palette = WINTER if domain else SUMMER
    return Person(
        height=0.9 + 0.18 * rng.random(),
        build=0.8 + 0.5 * rng.random(),
        skin=pick_one(rng, SKIN),
        hair=pick_one(rng, HAIR),
        hair_style=pick_one(rng, ("short", "long", "bun", "bald"), (4, 3, 1, 1)),
        hat=varied(rng, palette) if rng.random() < (0.4 if domain else 0.2) else None,
        upper=_garment(rng, palette, tuple(Texture), (8, 2, 1, 1, 1, 1, 2)),
        sleeve=pick_one(rng, ("long", "short", "raglan"), (8, 1, 2) if domain else (4, 6, 2)),
        hem=pick_one(rng, (0.50, 0.46, 0.34), (2, 4, 6) if domain else (6, 4, 1)),
        logo=bool(rng.random() < 0.25),
        lower=_garment(rng, palette, (Texture.PLAIN, Texture.VERTICAL, Texture.CHECKS), (8, 1, 1)),
        lower_cut=pick_one(
            rng, ("trousers", "shorts", "skirt"), (12, 1, 2) if domain else (6, 4, 4)
        ),
        shoes=varied(rng, palette),
        carried=pick_one(
            rng,
            ("nothing", "backpack", "shoulder bag", "handbag", "suitcase", "umbrella"),
            (4, 2, 2, 2, 1, 1),
        ),
        carried_colour=varied(rng, palette),
        side=pick_one(rng, (-1, 1)),
    )


def _garment(
    rng: np.random.Generator,
    palette: Sequence[tuple[float, float, float]],
    textures: Sequence[Texture],
    weights: Sequence[int],
) -> Cloth:
    first, second = varied_pair(rng, palette)
    texture = pick_one(rng, textures, weights)
    return Cloth(first, second, texture, period=0.07 + 0.08 * rng.random())


def draw_person(canvas: Canvas, person: Person, *, stride: float) -> None:
    """Paints a person.

    Args:
        canvas: scaled to a person of middle size; its yaw is the view (0 front, pi back).
        person: the identity.
        stride: phase of the step, in radians.
    """
    canvas.scale *= person.height * (0.9 if person.carried == "umbrella" else 1.0)
    hands = {side: _arm(canvas, person, side, stride) for side in (-1, 1)}
    for side in (-1, 1):
        _leg(canvas, person, side, stride)
    _trunk(canvas, person)
    _head(canvas, person)
    _carried(canvas, person, hands[person.side])
    canvas.finish()


def _leg(canvas: Canvas, person: Person, side: int, stride: float) -> None:
    swing = 0.5 * side * math.sin(stride)
    bend = 0.7 * max(0.0, side * math.cos(stride)) + 0.05
    x = side * 0.055 * person.build
    hip = (x, 0.0, 0.49)
    knee = (x, 0.23 * math.sin(swing), 0.49 - 0.23 * math.cos(swing))
    lower = swing - bend
    ankle = (x, knee[1] + 0.22 * math.sin(lower), knee[2] - 0.22 * math.cos(lower))
    toe = (x * 1.25, ankle[1] + 0.06, ankle[2] - 0.01)
    tone = 0.82 if side < 0 else 1.0  # one leg darker, or the two melt into one
    cloth = shaded(person.lower.colour, tone)
    skin = shaded(person.skin, tone)
    width = 0.088 * person.build
    canvas.limb((hip, knee), width, skin if person.lower_cut == "skirt" else cloth)
    canvas.limb((knee, ankle), 0.8 * width, cloth if person.lower_cut == "trousers" else skin)
    if person.lower.texture is not Texture.PLAIN and person.lower_cut == "trousers":
        stripe = shaded(person.lower.second, tone)
        canvas.limb((hip, knee, ankle), 0.025, stripe, bias=0.02)
    canvas.limb((ankle, toe), 0.055, person.shoes, bias=0.01)


def _arm(canvas: Canvas, person: Person, side: int, stride: float) -> tuple[float, float, float]:
    """Notes one arm and says where its hand is."""
    swing = -0.55 * side * math.sin(stride)
    holds = person.carried == "umbrella" and side == person.side
    x = side * 0.118 * person.build
    shoulder = (x, 0.0, 0.785)
    elbow = (x * 1.25, 0.16 * math.sin(swing), 0.785 - 0.16 * math.cos(swing))
    fore = swing + 0.35
    hand = (x * 1.25, elbow[1] + 0.15 * math.sin(fore), elbow[2] - 0.15 * math.cos(fore))
    if holds:
        elbow, hand = (x * 1.2, 0.06, 0.64), (x * 0.9, 0.14, 0.74)
    tone = 0.78 if person.sleeve != "raglan" else 0.95
    cloth = person.upper.second if person.sleeve == "raglan" else person.upper.colour
    width = 0.064 * person.build
    canvas.limb((shoulder, elbow), width, shaded(cloth, tone))
    bare = person.sleeve == "short"
    canvas.limb((elbow, hand), 0.85 * width, person.skin if bare else shaded(cloth, tone))
    canvas.ball(hand, (0.026, 0.03), person.skin, bias=0.005)
    return hand


def _trunk(canvas: Canvas, person: Person) -> None:
    """Shoulders to hem; wider from the front than from the side."""
    front, side = abs(math.cos(canvas.yaw)), abs(math.sin(canvas.yaw))
    shoulder, waist, hip = (
        person.build * (front * wide + side * deep)
        for wide, deep in ((0.125, 0.080), (0.098, 0.078), (0.105, 0.085))
    )
    if person.lower_cut == "skirt":
        flare = hip + 0.045
        skirt = ((-waist, 0.56), (waist, 0.56), (flare, 0.27), (-flare, 0.27))
        canvas.drape(skirt, person.lower, near=0.03)
    else:
        seat = ((-waist, 0.54), (waist, 0.54), (hip, 0.45), (-hip, 0.45))
        canvas.drape(seat, person.lower, near=0.025)
    hem = hip + (0.02 if person.hem < 0.4 else 0.0)
    half = ((0.55 * shoulder, 0.835), (shoulder, 0.79), (waist, 0.60), (hem, person.hem))
    outline = (*half, *((-across, z) for across, z in reversed(half)))
    canvas.drape(outline, person.upper, near=0.035)
    if person.logo and canvas.nearness((0.0, 1.0, 0.0)) > 0.2:
        canvas.ball((0.0, 0.09, 0.70), (0.045 * max(front, 0.4), 0.04), person.upper.second)


def _head(canvas: Canvas, person: Person) -> None:
    canvas.limb(((0.0, 0.0, 0.82), (0.0, 0.0, 0.87)), 0.06, shaded(person.skin, 0.85), bias=0.036)
    canvas.ball((0.0, 0.01, 0.915), (0.058, 0.075), person.skin, bias=0.05)
    if person.hair_style != "bald":
        canvas.ball((0.0, -0.025, 0.935), (0.063, 0.068), person.hair, bias=0.05)
        canvas.ball((0.0, 0.005, 0.968), (0.052, 0.03), person.hair, bias=0.06)
    if person.hair_style == "long":
        canvas.limb(((0.0, -0.04, 0.92), (0.0, -0.05, 0.79)), 0.115, person.hair, bias=0.045)
    if person.hair_style == "bun":
        canvas.ball((0.0, -0.065, 0.985), (0.032, 0.032), person.hair, bias=0.05)
    if person.hat is not None:
        canvas.ball((0.0, 0.0, 0.972), (0.064, 0.042), person.hat, bias=0.09)
        canvas.limb(((0.0, 0.04, 0.955), (0.0, 0.085, 0.95)), 0.03, person.hat, bias=0.08)


def _carried(canvas: Canvas, person: Person, hand: tuple[float, float, float]) -> None:
    colour, dark = person.carried_colour, shaded(person.carried_colour, 0.6)
    x, y, z = hand
    if person.carried == "backpack":
        canvas.limb(((0.0, -0.12, 0.74), (0.0, -0.12, 0.62)), 0.17, colour)
        canvas.limb(((-0.03, -0.17, 0.64), (0.03, -0.17, 0.64)), 0.05, dark)
        for strap in (-0.07, 0.07):
            canvas.limb(((strap, 0.09, 0.81), (strap, 0.09, 0.62)), 0.025, colour)
    elif person.carried == "shoulder bag":
        bag = person.side * 0.15 * person.build
        canvas.limb(((bag, -0.03, 0.50), (bag, 0.05, 0.50)), 0.12, colour, bias=0.02)
        for front in (-0.09, 0.09):
            canvas.limb(((-0.6 * bag, front, 0.81), (bag, front, 0.53)), 0.022, dark)
    elif person.carried == "handbag":
        canvas.limb(((x, y, z), (x, y, z - 0.06)), 0.015, dark, bias=0.01)
        canvas.limb(((x, y - 0.04, z - 0.11), (x, y + 0.04, z - 0.11)), 0.10, colour, bias=0.02)
    elif person.carried == "suitcase":
        canvas.limb(((x, y, z), (x * 1.2, -0.16, 0.28)), 0.02, dark)
        canvas.limb(((x * 1.2, -0.18, 0.24), (x * 1.2, -0.18, 0.08)), 0.15, colour)
        canvas.limb(((x * 1.2, -0.18, 0.20), (x * 1.2, -0.18, 0.12)), 0.05, dark, bias=0.01)
    elif person.carried == "umbrella":
        canvas.limb(((x, y, z), (x * 0.5, y * 0.5, 1.10)), 0.018, dark, bias=0.05)
        turns = (math.pi * step / 12 for step in range(13))
        dome = [(0.25 * math.cos(turn), 1.03 + 0.15 * math.sin(turn)) for turn in turns]
        ribs = Cloth(colour, shaded(colour, 0.75), Texture.VERTICAL, 0.16)
        canvas.drape((*dome, (-0.12, 1.05), (0.0, 1.03), (0.12, 1.05)), ribs, near=0.2)
