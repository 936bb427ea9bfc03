"""What a reader of lists or file names hands on."""

from typing import NamedTuple

from reid_data.records import Sighting


class Reading(NamedTuple):
    """Pictures that were read.

    Attributes:
        sightings: the pictures; whether they exist was not looked at.
        remarks: what was passed over, a sentence each.
    """

    sightings: tuple[Sighting, ...]
    remarks: tuple[str, ...] = ()
