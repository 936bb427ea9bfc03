"""The pictures of a run: what it trains on, and what it is tested on."""

from typing import NamedTuple

from experiments.recipe import Data
from reid_data.catalog import load_dataset, members_of
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
        ValueError: if a data set is not there or not as it should be, there is nothing to test on,
            or test pictures are trained on.
    """
    source = load_dataset(data.name, part=data.part)
    target = source if data.target is None else load_dataset(data.target)
    if not target.query:
        raise ValueError(
            f"The data set {target.name!r} has no query pictures to test on: set data.part to"
            " 'train' or 'trainval', or name another data set as data.target."
        )
    _require_unseen(data, source, target)
    return RunData(source, target)


def _require_unseen(data: Data, source: ReidDataset, target: ReidDataset) -> None:
    trained = {sighting.path.resolve() for sighting in source.train}
    tested = [sighting.path.resolve() for sighting in (*target.query, *target.gallery)]
    seen = sum(path in trained for path in tested)
    # The two editions of a data set show the same pictures under other paths.
    twice = _kinds(data.name) & _kinds(data.target or "") if data.part == "all" else set()
    if seen or twice:
        raise ValueError(
            f"{seen or 'The'} test pictures of {target.name!r} are among the training pictures of"
            f" {source.name!r}, which would make every score too good: name another data set as"
            " data.target, or set data.part to 'trainval'."
        )


def _kinds(name: str) -> set[str]:
    """The catalog's names in a sum of data sets, without their folders."""
    return {member.split(":")[0] for member in members_of(name)}
