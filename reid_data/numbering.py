"""Numbers for identities and cameras that somebody named in words."""

import re
from collections.abc import Iterable

_UNKNOWN = "-1"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")  # more digits would not fit into a tensor of int64


def whole_numbers(texts: Iterable[str]) -> bool:
    """Whether every text, besides ``"-1"``, is a whole number of at most 18 digits."""
    return all(text == _UNKNOWN or _WHOLE_NUMBER.fullmatch(text) for text in texts)


def numbered(texts: Iterable[str]) -> dict[str, int]:
    """Each text's number, in sorted order of the texts; one that occurs again is the same text.

    Where all are whole numbers they keep them, with leading zeros or without. Otherwise they count
    from 1 in their sorted order. ``"-1"``, for junk or for a camera nobody knows, stays -1 in
    either case.

    Example:
        >>> numbered(["7", "0012", "-1"])
        {'-1': -1, '0012': 12, '7': 7}
        >>> numbered(["7", "red van", "12", "-1", "red van"])
        {'-1': -1, '12': 1, '7': 2, 'red van': 3}
    """
    distinct = sorted(set(texts))
    if whole_numbers(distinct):
        return {text: int(text) for text in distinct}
    known = [text for text in distinct if text != _UNKNOWN]
    numbers = {text: number for number, text in enumerate(known, start=1)}
    return {text: numbers.get(text, int(_UNKNOWN)) for text in distinct}
