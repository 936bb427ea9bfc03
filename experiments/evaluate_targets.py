"""What ``--data`` names: a data set of the catalog with its root, or a path that is recognised."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_data.catalog import NAMES, read_inventory
from reid_data.parts import assemble
from reid_data.recognition import recognise
from reid_data.records import ReidDataset, Sighting


@dataclass(frozen=True)
class Target:
    """A data set to be evaluated on.

    Attributes:
        label: what it is called in tables and results; no path.
        name: of the catalog, or None where the root is to be recognised.
        root: of the data set, or None for that of the environment.
    """

    label: str
    name: str | None
    root: Path | None

    @property
    def slug(self) -> str:
        """The label as part of a file's name."""
        return re.sub(r"\W+", "_", self.label, flags=re.ASCII).strip("_") or "data"


@dataclass(frozen=True)
class Opened:
    """A data set that was read.

    Attributes:
        target: what was asked for.
        dataset: has a query part.
        folder: where it lies.
    """

    target: Target
    dataset: ReidDataset
    folder: Path

    def file_of(self, sighting: Sighting) -> str:
        """A picture's file as the data set names it: relative to its folder."""
        path, folder = sighting.path.absolute(), self.folder.absolute()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def targets_of(texts: Sequence[str]) -> tuple[Target, ...]:
    """Read the values of ``--data``.

    ``NAME=ROOT`` and ``NAME`` are of the catalog, with all that its names allow, such as
    ``NAME:FOLDER``; anything else is a path, and one that is called as a data set is ``./NAME``.

    Args:
        texts: one or more.

    Raises:
        ValueError: if two have one label, so that their results could not be told apart.
    """
    targets = tuple(_target(text) for text in texts)
    slugs = [target.slug for target in targets]
    twice = next((target for target in targets if slugs.count(target.slug) > 1), None)
    if twice is not None:
        raise ValueError(
            f"--data names {twice.label} more than once: evaluate them one by one, or name their"
            " folders differently (NAME:FOLDER=ROOT)."
        )
    return targets


def open_target(target: Target) -> Opened:
    """Read a data set, and check it as before a training.

    Raises:
        ValueError: if it is not there, not as it should be, or has no query pictures.
    """
    if target.name is None:
        inventory = recognise(_existing(target.root or Path()))
    else:
        inventory = read_inventory(target.name, target.root)
    dataset = assemble(inventory)
    if not dataset.query:
        raise ValueError(
            f"The data set {target.label} has no query pictures to be evaluated on: name another."
        )
    return Opened(target, dataset, inventory.folder)


def _existing(path: Path) -> Path:
    try:
        found = path.expanduser().exists()
    except RuntimeError:  # pathlib's, for a ~ of nobody
        found = False
    if not found:
        raise ValueError(
            f"{str(path)!r} is neither a folder or file here nor the name of a data set: give a"
            f" path, or NAME or NAME=ROOT with one of {', '.join(NAMES)}."
        )
    return path


def _target(text: str) -> Target:
    name, equals, root = text.partition("=")
    if _is_name(name) and (root or not equals):
        return Target(name, name, Path(root) if root else None)
    path = Path(text)
    return Target(path.absolute().name or "data", None, path)


def _is_name(text: str) -> bool:
    """Whether all of ``A+B`` are known, with or without ``:FOLDER`` behind them."""
    return all(one.strip().partition(":")[0] in NAMES for one in text.split("+"))
