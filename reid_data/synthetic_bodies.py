"""Shapes of vehicles: side outlines in hundredths of a middle-sized car's length."""

from dataclasses import dataclass

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Body:
    """A shape of vehicle.

    Attributes:
        outline: side view, from the rear bumper's foot over the roof to the front bumper's foot.
        glass: numbers of the outline's edges that are panes.
        windows: side windows.
        belt: height from which the sides lean inwards.
        wheels: where the axles are, along ``y``.
        panel: the free part of the side (rear, front, bottom, top) that takes a marking.
    """

    outline: Outline
    glass: tuple[int, ...]
    windows: tuple[Outline, ...]
    belt: float
    wheels: tuple[float, ...]
    panel: tuple[float, float, float, float]


def _points(text: str) -> Outline:
    """Points written ``y,z y,z ...`` in hundredths."""
    pairs = (pair.split(",") for pair in text.split())
    return tuple((float(y) / 100, float(z) / 100) for y, z in pairs)


BODIES = {
    "hatchback": Body(
        outline=_points("-42,7 -43,22 -36,38 8,39 24,24 45,20 46,7"),
        glass=(1, 3),
        windows=(
            _points("-32,25 -30,36 -12,37 -12,25"),
            _points("-10,25 -10,37 5,37 17,25"),
        ),
        belt=0.23,
        wheels=(-0.28, 0.28),
        panel=(-0.18, 0.16, 0.09, 0.23),
    ),
    "saloon": Body(
        outline=_points("-50,7 -50,22 -34,24 -22,36 6,37 22,24 48,20 49,7"),
        glass=(2, 4),
        windows=(
            _points("-29,25 -21,34 -8,34.5 -8,25"),
            _points("-6,25 -6,34.5 5,34.5 15,25"),
        ),
        belt=0.24,
        wheels=(-0.31, 0.3),
        panel=(-0.2, 0.18, 0.09, 0.23),
    ),
    "estate": Body(
        outline=_points("-50,7 -51,22 -45,38 8,39 24,25 48,21 49,7"),
        glass=(1, 3),
        windows=(
            _points("-44,26 -42,36 -24,36.5 -24,26"),
            _points("-22,26 -22,36.5 -6,37 -6,26"),
            _points("-4,26 -4,37 6,37 17,26"),
        ),
        belt=0.25,
        wheels=(-0.32, 0.3),
        panel=(-0.21, 0.18, 0.09, 0.24),
    ),
    "pickup": Body(
        outline=_points("-54,10 -54,25 -14,25 -12,41 10,42 22,27 49,25 50,10"),
        glass=(4,),
        windows=(_points("-9,28 -9,39 9,39 17,28"),),
        belt=0.27,
        wheels=(-0.34, 0.32),
        panel=(-0.22, 0.2, 0.12, 0.25),
    ),
    "van": Body(
        outline=_points("-52,7 -53,30 -50,52 22,53 38,33 50,26 51,7"),
        glass=(3,),
        windows=(_points("8,34 8,49 21,49 33,34"),),
        belt=0.33,
        wheels=(-0.34, 0.33),
        panel=(-0.46, 0.03, 0.2, 0.46),
    ),
    "lorry": Body(
        outline=_points("-58,10 -58,62 24,62 25,48 46,47 53,28 54,8"),
        glass=(4,),
        windows=(_points("32,31 32,44 44,44 48,31"),),
        belt=0.9,
        wheels=(-0.4, -0.25, 0.38),
        panel=(-0.52, 0.19, 0.2, 0.55),
    ),
    "bus": Body(
        outline=_points("-62,7 -62,55 58,56 62,24 62,7"),
        glass=(2,),
        windows=(
            _points("-56,32 -56,48 -40,48 -40,32"),
            _points("-37,32 -37,48 -21,48 -21,32"),
            _points("-18,32 -18,48 -2,48 -2,32"),
            _points("1,32 1,48 17,48 17,32"),
            _points("20,32 20,48 36,48 36,32"),
            _points("39,32 39,48 55,48 55,32"),
        ),
        belt=0.6,
        wheels=(-0.38, 0.38),
        panel=(-0.3, 0.28, 0.1, 0.3),
    ),
}
"""By name."""
