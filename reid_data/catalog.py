"""The data sets a run can name."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Literal, NamedTuple

from reid_data import (
    cuhk03,
    identity_folders,
    manifest,
    market1501,
    msmt17,
    personx,
    vehicleid,
    veri776,
)
from reid_data.below import find_below, require_no_choice
from reid_data.combined import combine
from reid_data.image_cache import cache_root
from reid_data.layout import HINT, ROOT_VARIABLES, Place, data_root, expanded, in_words
from reid_data.parts import PICTURE_COUNTS, assemble, counts_of
from reid_data.records import Inventory, ReidDataset
from reid_data.synthetic import EMBEDDED, write

_log = logging.getLogger(__name__)

TrainingPart = Literal["train", "trainval", "all"]
"""Training pictures: without those of a validation list, everything that is meant for training
(which every data set has), or the test pictures besides."""


class Source(NamedTuple):
    """A data set that lies on disk.

    Attributes:
        read: reads it from the folder that holds it.
        layout: what that folder holds, for the reader of an error.
        place: how its folder is told from others, or None where any folder might be one.
        parts: training part -> what reads the data set with that part, where there are others than
            ``trainval``.
    """

    read: Callable[[Path], Inventory]
    layout: str
    place: Place | None = None
    parts: Mapping[str, Callable[[Path], Inventory]] = MappingProxyType({})


def _manifest(root: Path) -> Inventory:
    """The manifest that the root is or holds."""
    return manifest.read(root / MANIFEST if root.is_dir() else root)


MANIFEST = "manifest.csv"
"""Name of a manifest where only its folder is named."""

_MARKET_LAYOUT = "bounding_box_train, query and bounding_box_test"
_MSMT17_LAYOUT = "MSMT17_V1 or MSMT17_V2 and its four lists"
_VEHICLEID_LAYOUT = "image and train_test_split"
SOURCES: Mapping[str, Source] = {
    "market1501": Source(market1501.read, _MARKET_LAYOUT, market1501.PLACE),
    "market_layout": Source(
        partial(market1501.read, name="market_layout"), _MARKET_LAYOUT, market1501.PLACE
    ),
    "msmt17": Source(
        msmt17.read,
        _MSMT17_LAYOUT,
        msmt17.PLACE,
        {part: partial(msmt17.read, part=part) for part in ("train", "all")},
    ),
    "veri776": Source(veri776.read, "image_train, image_query and image_test", veri776.PLACE),
    **{
        name: Source(partial(vehicleid.read, size=size), _VEHICLEID_LAYOUT, vehicleid.PLACES[size])
        for name, size in (("vehicleid", 800), ("vehicleid_1600", 1600), ("vehicleid_2400", 2400))
    },
    **{
        f"cuhk03_{boxes}": Source(
            partial(cuhk03.read, boxes=boxes), f"{boxes} (three folders as Market-1501's)", place
        )
        for boxes, place in cuhk03.PLACES.items()
    },
    "personx": Source(personx.read, _MARKET_LAYOUT, personx.PLACE),
    "manifest": Source(_manifest, f"a file {MANIFEST} (path,identity,camera,split)"),
    "identity_folders": Source(identity_folders.read, "a folder per identity"),
}
"""Data sets that lie on disk; a new one is a line here."""

NAMES = (*SOURCES, *EMBEDDED)


def load_dataset(
    name: str, root: Path | None = None, *, part: TrainingPart = "trainval"
) -> ReidDataset:
    """Load a data set by name; nothing is downloaded.

    The log says its layout with the version, and what was counted.

    Args:
        name: as ``read_inventory`` takes it.
        root: as ``read_inventory`` takes it.
        part: what to train on.

    Raises:
        ValueError: If ``read_inventory`` says so, or a picture is missing, a part is empty, or an
            identity is in both the training and the test part.
    """
    dataset = assemble(read_inventory(name, root, part=part))
    _log.info("%s (%s): %s", dataset.name, dataset.layout, _in_words(counts_of(dataset)))
    return dataset


def read_inventory(
    name: str, root: Path | None = None, *, part: TrainingPart = "trainval"
) -> Inventory:
    """Read what lies on disk of a data set, before anything of it is dropped or refused.

    Args:
        name: one of ``NAMES``; or ``NAME:FOLDER`` for a folder (of a manifest: a file) below the
            root or below one of the usual folders there, as in ``market_layout:vehicles_a``; or
            several of these with ``+`` between them, to train on all, with identities and cameras
            kept apart, and test on the first. Embedded data sets are rendered when they are first
            asked for.
        root: the folder that holds the data set; without one, the environment variables
            ``REID_DATA_ROOT`` and ``FASTREID_DATASETS`` are asked. Embedded data sets are
            rendered into it or, without one, into ``$XDG_CACHE_HOME/nni-reid`` (by default
            ``~/.cache/nni-reid``), whatever those variables say.
        part: what to train on. With ``"all"`` nothing is left to test on: query and gallery are
            empty, and another data set has to be the target. In a sum it goes to those that have
            such a part, of which there has to be one.

    Raises:
        ValueError: If a name is unknown, no root was given, the data set has no such training
            part, it is not there or cannot be read, or a sum has a picture twice.
    """
    members = members_of(name)
    for member in members:
        _require_known(member)
    if part != "trainval" and not any(part in _parts_of(member) for member in members):
        known = dict.fromkeys(known for member in members for known in _parts_of(member))
        raise ValueError(
            f"Data set '{name}' has no training part '{part}': take {' or '.join(known)}."
        )
    inventories = [_read(member, root, part) for member in members]
    return inventories[0] if len(inventories) == 1 else combine(inventories)


def members_of(name: str) -> list[str]:
    """The data sets of a sum, or the only one; blanks around ``+`` do not count."""
    return [member.strip() for member in name.split("+")]


def is_name(words: str) -> bool:
    """Whether words name data sets, with or without ``:FOLDER`` behind them, there or not."""
    return all(member.partition(":")[0] in NAMES for member in members_of(words))


def _in_words(counts: Mapping[str, int]) -> str:
    pictures = [f"{count:,} {what}" for what, count in counts.items() if what in PICTURE_COUNTS]
    return (
        f"{in_words(pictures)} pictures, {counts['training identities']:,} training and"
        f" {counts['test identities']:,} test identities, {counts['cameras']:,} cameras"
    )


def _require_known(member: str) -> None:
    name, colon, folder = member.partition(":")
    if name not in NAMES:
        raise ValueError(
            f"Data set '{name}' is unknown: take one of {', '.join(NAMES)}; a folder in"
            " Market-1501's layout is market_layout."
        )
    if colon and name in EMBEDDED:
        raise ValueError(f"Data set '{name}' is embedded and has no folder: leave out ':{folder}'.")
    way = PurePath(folder)
    if colon and (not folder or way.is_absolute() or ".." in way.parts):
        raise ValueError(
            f"'{member}' names '{folder}' behind the colon, where a folder or file below the root"
            f" belongs, as in {name}:my_folder."
        )


def _parts_of(member: str) -> tuple[str, ...]:
    """Training parts that a data set has."""
    name = member.partition(":")[0]
    return ("trainval", *(SOURCES[name].parts if name in SOURCES else ()))


def _read(member: str, root: Path | None, part: str) -> Inventory:
    """One data set, with the training part where it has that one."""
    name, _, below = member.partition(":")
    if name in EMBEDDED:
        folder = cache_root() if root is None else expanded(root)
        found = market1501.read(write(EMBEDDED[name], folder), name=name)
        return replace(found, layout=f"embedded, in {found.layout}")
    source, found_root = SOURCES[name], data_root(root)
    if found_root is None:
        several = "" if below else f"; of several below it, name one as {name}:my_folder"
        raise ValueError(
            f"Data set '{member}' needs a folder with {source.layout}, and neither was a root"
            f" given nor is {' or '.join(ROOT_VARIABLES)} set: {HINT}{several}."
        )
    read = source.parts.get(part, source.read)
    if not below:
        require_no_choice(found_root, name, source.place)
        return read(found_root)
    inventory = read(find_below(found_root, member, source.place))
    return replace(inventory, name=f"{inventory.name}:{below}")
