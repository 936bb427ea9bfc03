"""The pictures of a run: what it trains on, and what it is tested on."""

from typing import NamedTuple

from evaluators.cross_domain import require_different
from experiments.recipe import Data
from reid_data.catalog import load_dataset, members_of
from reid_data.records import ReidDataset


class RunData(NamedTuple):
    """What a run trains on and what it is tested on, which is the same unless targets are named.

    Attributes:
        source: gives the training pictures.
        targets: give query and gallery, and with them their own protocol each; one or more, of
            different names.
    """

    source: ReidDataset
    targets: tuple[ReidDataset, ...]


def data_of(data: Data) -> RunData:
    """Load what a recipe names.

    Raises:
        ValueError: if a data set is not there or not as it should be, there is nothing to test on,
            two targets have one name, or test pictures are trained on.
    """
    source = load_dataset(data.name, part=data.part)
    targets = {name: _target(name, data, source) for name in data.targets or (data.name,)}
    trained = {sighting.path.resolve() for sighting in source.train}
    for name, target in targets.items():
        if not target.query:
            raise ValueError(
                f"The data set {target.name!r} has no query pictures to test on: set data.part to"
                " 'train' or 'trainval', or name another data set in data.targets."
            )
        tested = [sighting.path.resolve() for sighting in (*target.query, *target.gallery)]
        seen = sum(path in trained for path in tested)
        if seen or (data.targets and _is_edition(data, name)):
            raise ValueError(
                f"{seen or 'The'} test pictures of {target.name!r} are among the training pictures"
                f" of {source.name!r}, which would make every score too good: name another data"
                " set in data.targets, or set data.part to 'trainval'."
            )
    require_different([target.name for target in targets.values()])
    return RunData(source, tuple(targets.values()))


def _target(name: str, data: Data, source: ReidDataset) -> ReidDataset:
    if name == data.name and (data.part == "trainval" or not data.targets):
        return source
    try:
        return load_dataset(name)
    except ValueError as error:
        raise ValueError(
            f"The recipe tests on '{name}' (its field data.targets), which cannot be had: {error}"
        ) from error


def _is_edition(data: Data, target: str) -> bool:
    """Whether a target shows pictures that are trained on, under other paths."""
    return data.part == "all" and bool(_kinds(data.name) & _kinds(target))


def _kinds(name: str) -> set[str]:
    """The catalog's names in a sum of data sets, without their folders."""
    return {member.split(":")[0] for member in members_of(name)}
