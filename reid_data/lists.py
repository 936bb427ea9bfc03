"""Pictures named by a text file, one per line."""

from collections.abc import Callable, Iterable
from pathlib import Path

from reid_data.layout import first_few
from reid_data.reading import Reading
from reid_data.records import Sighting

_MOST_DIGITS = 18


def listed(listing: Path, sighting_of: Callable[[str], Sighting], *, expected: str) -> Reading:
    """The pictures of a list, in its order; a picture that is listed twice counts once.

    Args:
        listing: a text file in UTF-8, with line ends of Unix or Windows; empty lines are passed
            over, and blanks around a line do not count. The pictures need not exist.
        sighting_of: reads a line; it may raise ``ValueError`` or ``IndexError``.
        expected: what a line says, for the error.

    Raises:
        ValueError: If the list is not text or empty, a line cannot be read, or a picture is listed
            with two identities or cameras.
    """
    sightings = []
    for number, line in _lines(listing):
        try:
            sightings.append(sighting_of(line))
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"Line {number} of {listing} is '{line}' where {expected} were expected: repair"
                " the list."
            ) from error
    return _once(sightings, listing)


def whole_number(words: str) -> int:
    """An identity or camera of a list.

    Raises:
        ValueError: If it is anything but digits, or more than a tensor of int64 holds.
    """
    if not (words.isascii() and words.isdigit() and len(words) <= _MOST_DIGITS):
        raise ValueError(
            f"'{words}' is not a whole number of at most {_MOST_DIGITS} digits: write one such as"
            " 12."
        )
    return int(words)


def _lines(listing: Path) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    try:
        text = listing.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{listing} is not UTF-8 text (byte {error.start}): save it as UTF-8."
        ) from error
    numbered = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    lines = [(number, line) for number, line in numbered if line]
    if not lines:
        raise ValueError(f"{listing} lists no picture: check that it was copied completely.")
    return lines


def _once(sightings: Iterable[Sighting], listing: Path) -> Reading:
    """Every picture once, in the order of its first line."""
    first: dict[Path, Sighting] = {}
    again = []
    for sighting in sightings:
        known = first.setdefault(sighting.path, sighting)
        if known is sighting:
            continue
        if known != sighting:
            raise ValueError(
                f"{listing} says that {sighting.path.name} shows identity {known.identity} and"
                f" that it shows {sighting.identity}: repair the list."
            )
        again.append(sighting.path.name)
    remark = (
        f"Lines of {listing.name} that repeat a picture, which counts once: {len(again):,}"
        f" ({first_few(again)})."
    )
    return Reading(tuple(first.values()), (remark,) if again else ())
