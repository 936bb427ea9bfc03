"""Frozen configurations: set a field by its dotted name, write and fingerprint them.

A point of an NNI search space is a mapping of such names (``{"strategy": "tcm", "twin.shared":
0.2}``), so that any field of a recipe can be swept without code.
"""

import difflib
import hashlib
import json
import types
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

C = TypeVar("C")


def field_names(config: Any, prefix: str = "") -> list[str]:
    """Dotted names of all fields that hold a value, in the order they are declared."""
    names = []
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            names += field_names(value, f"{prefix}{field.name}.")
        else:
            names.append(prefix + field.name)
    return names


def override(config: C, values: Mapping[str, Any]) -> C:
    """The configuration with some fields set.

    Args:
        config: a frozen dataclass, whose fields may be such dataclasses themselves.
        values: dotted field name -> value; a list stands for a tuple, an integer for a float, and
            a string is read as what the field holds (``"0.4"`` for a float).

    Returns:
        A new configuration; the given one is unchanged.

    Raises:
        ValueError: if a field is unknown, or a value is not of the field's type.
    """
    return _set(config, {tuple(name.split(".")): (name, value) for name, value in values.items()})


def _set(config: C, values: Mapping[tuple[str, ...], tuple[str, Any]]) -> C:
    """Fields of one dataclass change together, so that only what they come to is checked."""
    hints = get_type_hints(type(config))
    inner: dict[str, dict[tuple[str, ...], tuple[str, Any]]] = defaultdict(dict)
    new: dict[str, Any] = {}
    for (head, *rest), (name, value) in values.items():
        if head not in hints or bool(rest) != is_dataclass(getattr(config, head)):
            raise ValueError(_unknown(config, name, [head, *rest]))
        if rest:
            inner[head][tuple(rest)] = (name, value)
        else:
            new[head] = _convert(name, hints[head], value)
    new |= {head: _set(getattr(config, head), part) for head, part in inner.items()}
    return replace(config, **new)  # type: ignore[type-var]


def _unknown(config: Any, name: str, path: list[str]) -> str:
    prefix = name[: len(name) - len(".".join(path))]
    known = [prefix + field for field in field_names(config)]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    remedy = f"did you mean one of {', '.join(close)}?" if close else "the README lists its groups."
    return f"The recipe has no field {name!r}: {remedy}"


def _convert(name: str, kind: Any, value: Any) -> Any:
    """``value`` as the type ``kind``."""
    origin = get_origin(kind)
    if origin is Literal:
        converted = value if value in get_args(kind) else _WRONG
    elif origin in (Union, types.UnionType):
        converted = _convert_to_one_of(name, get_args(kind), value)
    elif origin is tuple:
        converted = _convert_items(name, get_args(kind), value)
    else:
        converted = _convert_plain(kind, value)
    if converted is _WRONG:
        raise ValueError(
            f"The recipe's field {name!r} is {value!r}, which is {type(value).__name__}:"
            f" expected {_say(kind)}."
        )
    return converted


_WRONG = object()
"""Stands for a value that is not of the type asked for."""


def _convert_to_one_of(name: str, options: Sequence[Any], value: Any) -> Any:
    for option in options:
        try:
            return _convert(name, option, value)
        except ValueError:
            continue
    return _WRONG


def _convert_items(name: str, kinds: Sequence[Any], value: Any) -> Any:
    items = _items(value)
    if items is None:
        return _WRONG
    if kinds[-1] is Ellipsis:
        kinds = [kinds[0]] * len(items)
    if len(items) != len(kinds):
        return _WRONG
    return tuple(_convert(name, kind, item) for kind, item in zip(kinds, items, strict=True))


def _items(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return None
    return list(value) if isinstance(value, list | tuple) else None


def _convert_plain(kind: Any, value: Any) -> Any:
    if kind is type(None):
        return None if value in (None, "none", "null", "") else _WRONG
    if kind is bool:
        return {"true": True, "false": False}.get(str(value).lower(), _WRONG)
    if isinstance(value, bool) or kind is str:
        return value if isinstance(value, kind) else _WRONG
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _WRONG
    if kind is int:
        return int(number) if number.is_integer() else _WRONG
    return number if kind is float else _WRONG


def _say(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(value) for value in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_say(option) for option in get_args(kind))
    if kind is type(None):
        return "null"
    return kind.__name__ if isinstance(kind, type) else str(kind)


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as nested plain values, tuples as lists."""
    result: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            result[field.name] = to_dict(value)
        else:
            result[field.name] = list(value) if isinstance(value, tuple) else value
    return result


def digest(config: Any) -> str:
    """Eight hexadecimal digits that name this configuration: the same for equal fields only."""
    text = json.dumps(to_dict(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
