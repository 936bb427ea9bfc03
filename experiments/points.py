"""Points of an experiment as a person reads them: what differs among trials, by short names."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Setting = str | int | float | bool
Point = Mapping[str, Setting]
"""Dotted name of a setting -> its value; a list is a text, its items between colons."""


def shown(value: Setting | None) -> str:
    """A value as one writes it: ``true``, 2 for 2.0, 1e-5; nothing for None. No digit is lost."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    digits, e, exponent = repr(value or 0).partition("e")  # no minus before a zero
    return f"{digits}e{int(exponent)}" if e else digits.removesuffix(".0")


def rank(value: Setting | None) -> tuple[int, float, str]:
    """To sort values of one setting by: none, false and true, numbers by size, texts."""
    if isinstance(value, bool):
        return 1, value, ""
    if isinstance(value, int | float) and value == value:  # noqa: PLR0124 - NaN has no place
        return 2, value, shown(value)
    return (3, 0, shown(value)) if value is not None else (0, 0, "")


def differing(points: Iterable[Point]) -> list[str]:
    """The settings that are not the same in all points, sorted by name.

    One that a point lacks is a value of its own; 2 and 2.0 are the same.
    """
    points = list(points)
    names = sorted({name for point in points for name in point})
    return [name for name in names if len({shown(point.get(name)) for point in points}) > 1]


def short_names(names: Sequence[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Name -> the fewest of its last parts that no other name ends with and that are not taken.

    Where all of a name are taken, ``settings`` is put in front.

    Args:
        names: dotted ones, each once.
        taken: what stands for something else.
    """
    endings = {name: _endings(name) for name in names}
    count = Counter(ending for own in endings.values() for ending in own)
    count.update(taken)
    return {
        name: next((ending for ending in own if count[ending] == 1), own[-1])
        for name, own in endings.items()
    }


def _endings(name: str) -> list[str]:
    parts = ["settings", *name.split(".")]
    return [".".join(parts[place:]) for place in reversed(range(len(parts)))]
