"""The data sets a run can name."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reid_data import market1501, msmt17
from reid_data.layout import HINT, ROOT_VARIABLES, data_root
from reid_data.records import ReidDataset
from reid_data.synthetic import EMBEDDED, write


class Source(NamedTuple):
    """A data set that lies on disk.

    Attributes:
        load: reads it from the folder that holds it.
        layout: what that folder holds, for the reader of an error.
    """

    load: Callable[[Path], ReidDataset]
    layout: str


_MARKET_LAYOUT = "bounding_box_train, query and bounding_box_test"
SOURCES: Mapping[str, Source] = {
    "market1501": Source(market1501.load, _MARKET_LAYOUT),
    "market_layout": Source(partial(market1501.load, name="market_layout"), _MARKET_LAYOUT),
    "msmt17": Source(msmt17.load, "MSMT17_V1 or MSMT17_V2 and its four lists"),
}
"""Data sets that lie on disk; a new one is a line here."""

NAMES = (*SOURCES, *EMBEDDED)


def load_dataset(name: str, root: Path | None = None) -> ReidDataset:
    """Load a data set by name; nothing is downloaded.

    Args:
        name: one of ``NAMES``. The embedded ones are rendered when they are first asked for.
        root: the folder that holds the data set; without one, the environment variables
            ``REID_DATA_ROOT`` and ``FASTREID_DATASETS`` are asked. Embedded data sets are
            rendered into it or, without one, into ``$XDG_CACHE_HOME/nni-reid`` (by default
            ``~/.cache/nni-reid``), whatever those variables say.

    Raises:
        ValueError: If the name is unknown, no root was given, or the data set is not there or
            not as it should be.
    """
    if name in EMBEDDED:
        return market1501.load(write(EMBEDDED[name], root or _cache()), name=name)
    if name not in SOURCES:
        raise ValueError(
            f"Data set '{name}' is unknown: take one of {', '.join(NAMES)}; a folder in"
            " Market-1501's layout is market_layout."
        )
    found = data_root(root)
    if found is None:
        raise ValueError(
            f"Data set '{name}' needs a folder with {SOURCES[name].layout}, and neither was a root"
            f" given nor is {' or '.join(ROOT_VARIABLES)} set: {HINT}."
        )
    return SOURCES[name].load(found)


def _cache() -> Path:
    """Where rendered data sets are kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "nni-reid"
