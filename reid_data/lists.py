"""Pictures named by a text file, one per line."""

import logging
from collections.abc import Callable
from pathlib import Path

from reid_data.layout import first_few
from reid_data.records import Sighting

_log = logging.getLogger(__name__)


def listed(
    listing: Path, sighting_of: Callable[[str], Sighting], *, expected: str
) -> list[Sighting]:
    """The pictures of a list, in its order; a picture that is listed twice counts once.

    Args:
        listing: a text file; empty lines are passed over.
        sighting_of: reads a line; it may raise ``ValueError`` or ``IndexError``.
        expected: what a line says, for the error.

    Raises:
        ValueError: If the list is empty, a line cannot be read, or a picture does not exist.
    """
    lines = listing.read_text(encoding="utf-8").splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise ValueError(f"{listing} lists no picture: check that it was copied completely.")
    sightings = []
    for number, line in numbered:
        try:
            sightings.append(sighting_of(line))
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"Line {number} of {listing} is '{line}' where {expected} were expected: repair"
                " the list."
            ) from error
    missing = [sighting.path for sighting in sightings if not sighting.path.is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of the {len(sightings)} pictures in {listing} do not exist"
            f" ({first_few(missing)}): unpack the data set again."
        )
    return _once(sightings, listing)


def _once(sightings: list[Sighting], listing: Path) -> list[Sighting]:
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
    if again:
        _log.warning(
            "%d lines of %s repeat a picture, which counts once: %s",
            len(again),
            listing,
            first_few(again),
        )
    return list(first.values())
