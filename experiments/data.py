"""The pictures of a run: what it trains on, and what it is tested on."""

from typing import NamedTuple

from experiments.recipe import Data
from reid_data.catalog import load_dataset
from reid_data.records import ReidDataset


class RunData(NamedTuple):
    """Two data sets, which are one unless the recipe names a target.

    Attributes:
        source: gives the training pictures.
        target: gives query and gallery, and with them its own protocol.
    """

    source: ReidDataset
    target: ReidDataset


def data_of(data: Data) -> RunData:
    """Load what a recipe names.

    Raises:
        ValueError: if a data set is not there or not as it should be, or there is nothing to test
            on.
    """
    source = load_dataset(data.name, part=data.part)
    target = source if data.target is None else load_dataset(data.target)
    if not target.query:
        raise ValueError(
            f"The data set {target.name!r} has no query pictures to test on: set data.part to"
            " 'train' or 'trainval', or name another data set as data.target."
        )
    return RunData(source, target)
