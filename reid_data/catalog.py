"""The data sets a run can name."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from reid_data import market1501, msmt17, vehicleid, veri776
from reid_data.layout import HINT, ROOT_VARIABLES, data_root
from reid_data.records import ReidDataset
from reid_data.synthetic import EMBEDDED, write

TrainingPart = Literal["train", "trainval", "all"]
"""Training pictures: without those of a validation list, everything that is meant for training
(which every data set has), or the test pictures besides."""


class Source(NamedTuple):
    """A data set that lies on disk.

    Attributes:
        load: reads it from the folder that holds it.
        layout: what that folder holds, for the reader of an error.
        parts: training part -> what reads the data set with that part, where there are others than
            ``trainval``.
    """

    load: Callable[[Path], ReidDataset]
    layout: str
    parts: Mapping[str, Callable[[Path], ReidDataset]] = MappingProxyType({})


_MARKET_LAYOUT = "bounding_box_train, query and bounding_box_test"
_VEHICLEID_LAYOUT = "image and train_test_split"
SOURCES: Mapping[str, Source] = {
    "market1501": Source(market1501.load, _MARKET_LAYOUT),
    "market_layout": Source(partial(market1501.load, name="market_layout"), _MARKET_LAYOUT),
    "msmt17": Source(
        msmt17.load,
        "MSMT17_V1 or MSMT17_V2 and its four lists",
        {part: partial(msmt17.load, part=part) for part in ("train", "all")},
    ),
    "veri776": Source(veri776.load, "image_train, image_query and image_test"),
    "vehicleid": Source(vehicleid.load, _VEHICLEID_LAYOUT),
    "vehicleid_1600": Source(partial(vehicleid.load, size=1600), _VEHICLEID_LAYOUT),
    "vehicleid_2400": Source(partial(vehicleid.load, size=2400), _VEHICLEID_LAYOUT),
}
"""Data sets that lie on disk; a new one is a line here."""

NAMES = (*SOURCES, *EMBEDDED)


def load_dataset(
    name: str, root: Path | None = None, *, part: TrainingPart = "trainval"
) -> ReidDataset:
    """Load a data set by name; nothing is downloaded.

    Args:
        name: one of ``NAMES``. The embedded ones are rendered when they are first asked for.
        root: the folder that holds the data set; without one, the environment variables
            ``REID_DATA_ROOT`` and ``FASTREID_DATASETS`` are asked. Embedded data sets are
            rendered into it or, without one, into ``$XDG_CACHE_HOME/nni-reid`` (by default
            ``~/.cache/nni-reid``), whatever those variables say.
        part: what to train on. With ``"all"`` nothing is left to test on: query and gallery are
            empty, and another data set has to be the target.

    Raises:
        ValueError: If the name is unknown, no root was given, the data set has no such training
            part, or it is not there or not as it should be.
    """
    if name not in NAMES:
        raise ValueError(
            f"Data set '{name}' is unknown: take one of {', '.join(NAMES)}; a folder in"
            " Market-1501's layout is market_layout."
        )
    _require_part(name, part)
    if name in EMBEDDED:
        return market1501.load(write(EMBEDDED[name], root or _cache()), name=name)
    source = SOURCES[name]
    found = data_root(root)
    if found is None:
        raise ValueError(
            f"Data set '{name}' needs a folder with {source.layout}, and neither was a root"
            f" given nor is {' or '.join(ROOT_VARIABLES)} set: {HINT}."
        )
    return source.parts.get(part, source.load)(found)


def _require_part(name: str, part: str) -> None:
    others = SOURCES[name].parts if name in SOURCES else ()
    known = ("trainval", *others)
    if part not in known:
        raise ValueError(
            f"Data set '{name}' has no training part '{part}': take {' or '.join(known)}."
        )


def _cache() -> Path:
    """Where rendered data sets are kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "nni-reid"
