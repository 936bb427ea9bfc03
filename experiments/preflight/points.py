"""The points of an NNI search space, and which of their values are refused.

A value is blamed only when it is refused on its own and at every point that has it: some settings
are wrong alone and right together.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

Point = Mapping[str, Any]
Space = Mapping[str, Any]

MOST_POINTS = 1000
"""A space with more points is looked at one key at a time."""

_MOST_VALUES = 64
_ADDED = {
    "hyperband": "TRIAL_BUDGET",
    "bohb": "TRIAL_BUDGET",
    "pbt": "load_checkpoint_dir and save_checkpoint_dir",
}
"""What NNI's tuners put into a point besides the keys of the search space."""

_SIGMAS = (-3.0, 0.0, 3.0)


def values_of(spec: Any) -> list[Any]:
    """The values one key of a search space can take.

    All of them, where there are few. Of a range: its ends and what lies a golden section of the way
    between them; of a normal distribution: its mean, and three deviations either way.

    Args:
        spec: ``{"_type": ..., "_value": [...]}``.

    Raises:
        ValueError: if that is no such thing.
    """
    try:
        kind, numbers = spec["_type"], list(spec["_value"])
        if kind == "choice":
            return _some(numbers)
        if kind == "randint":
            low, high = numbers
            inside = range(low, high)
            return _some(list(inside)) if len(inside) <= _MOST_VALUES else [low, high - 1]
        return _numbers(kind, *map(float, numbers))
    except (TypeError, KeyError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"{spec!r} is no part of a search space: {{_type: choice, _value: [...]}} was needed,"
            " or another of NNI's types with its numbers."
        ) from error


def _some(values: list[Any]) -> list[Any]:
    if not values:
        raise ValueError("no value")
    return values


def _numbers(kind: str, first: float, second: float, step: float | None = None) -> list[float]:
    """NNI's types are spelt ``[q][log](uniform|normal)``; ``q`` alone has a step."""
    plain = kind.removeprefix("q")
    if plain not in ("uniform", "loguniform", "normal", "lognormal"):
        raise ValueError(kind)
    if (plain != kind) != (step is not None):
        raise ValueError(kind)
    if plain.endswith("normal"):
        found = [first + second * sigmas for sigmas in _SIGMAS]
        found = [math.exp(x) for x in found] if plain == "lognormal" else found
        return found if step is None else [round(x / step) * step for x in found]
    if first > second:
        raise ValueError(kind)
    found = [first, first + (second - first) * (math.sqrt(5) - 1) / 2, second]
    return found if step is None else list(_steps(first, second, step))


def _steps(low: float, high: float, step: float) -> Iterator[float]:
    """``low``, ``high`` and the multiples of ``step`` between them, as NNI rounds and clips."""
    first, last = round(low / step), round(high / step)
    every = max(1, (last - first) // _MOST_VALUES)
    kept = (min(max(k * step, low), high) for k in range(first, last, every))
    yield from dict.fromkeys([*kept, min(max(last * step, low), high)])


def count(space: Space) -> int | None:
    """How many points a space of choices has; None if a key is no choice."""
    if any(spec["_type"] != "choice" for spec in space.values()):
        return None
    return math.prod(len(spec["_value"]) for spec in space.values())


def points(space: Space) -> list[Point]:
    """All points, or, of more than ``MOST_POINTS``, those that differ from the first in one key.

    Raises:
        ValueError: if a key's values are not to be had.
    """
    listed = _listed(space)
    if listed is not None:
        return listed
    values = {key: values_of(spec) for key, spec in space.items()}
    if math.prod(len(options) for options in values.values()) <= MOST_POINTS:
        return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    first = {key: options[0] for key, options in values.items()}
    others = [first | {key: option} for key, options in values.items() for option in options[1:]]
    return [first, *others]


def misfit(space: Space, tuner: str | None) -> list[str]:
    """A sentence where ``tuner`` would give out something else than points of recipes.

    Args:
        space: the search space, each key of it one that `values_of` reads.
        tuner: in small letters, without "tuner" at its end; None if it is not known.
    """
    if tuner in _ADDED:
        return [
            f"The tuner {tuner} adds {_ADDED[tuner]} to every point, and a recipe has no such field"
            " and refuses it: take a tuner such as GridSearch, Random or TPE."
        ]
    listed = _listed(space)
    if tuner == "batch" and listed is None:
        return [
            "The tuner Batch needs a search space of one key whose choices are the points, each a"
            f" mapping of fields, and this has {', '.join(space) or 'no key'}: list the points so,"
            " or take the tuner GridSearch."
        ]
    if tuner not in (None, "batch") and listed is not None:
        return [
            f"The choices of the search space's one key {', '.join(space)} are mappings of fields,"
            f" which the tuner Batch alone takes for points, and this is {tuner}: take Batch."
        ]
    return []


def _listed(space: Space) -> list[Point] | None:
    """The points of NNI's Batch tuner, whose one key lists them as mappings; else None."""
    if len(space) != 1:
        return None
    (spec,) = space.values()
    values = values_of(spec)
    return values if all(isinstance(value, Mapping) for value in values) else None


def refusals(
    space: Sequence[Point], accept: Callable[[Point], object]
) -> tuple[list[Point], list[str]]:
    """Which points are accepted, and in a sentence each what is wrong with the others.

    Args:
        space: the points.
        accept: raises `ValueError` with a sentence for a point, or a part of one, that is wrong.

    Returns:
        The points accepted, and the sentences, none of them twice: of the values that are wrong
        wherever they occur, then of the points that are wrong with none of these.
    """
    said = [(point, _refusal(point, accept)) for point in space]
    good = [point for point, sentence in said if sentence is None]
    keys = dict.fromkeys(key for point in space for key in point)
    parts = [(key, point[key]) for key in keys for point in space if key in point]
    blamed: list[tuple[tuple[str, Any], str]] = []
    for part in _distinct(parts):
        alone = _refusal(dict([part]), accept)
        if alone is not None and not any(_has(point, part) for point in good):
            blamed.append((part, alone))
    rest = [
        f"At the point {_words(point)}: {sentence}"
        for point, sentence in said
        if sentence is not None and not any(_has(point, part) for part, _ in blamed)
    ]
    return good, list(dict.fromkeys([*(sentence for _, sentence in blamed), *rest]))


def _refusal(point: Point, accept: Callable[[Point], object]) -> str | None:
    try:
        accept(point)
    except ValueError as error:
        return str(error)
    return None


def _has(point: Point, part: tuple[str, Any]) -> bool:
    key, value = part
    return key in point and repr(point[key]) == repr(value)


def _distinct(parts: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Each once, in order; values may be lists, and 1 is not True."""
    return list({(key, repr(value)): (key, value) for key, value in parts}.values())


def _words(point: Point) -> str:
    return ", ".join(f"{key}={value}" for key, value in point.items())
