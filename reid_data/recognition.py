"""Which data set lies in a folder that nobody has named."""

from pathlib import Path

from reid_data import identity_folders, manifest
from reid_data.catalog import MANIFEST, SOURCES
from reid_data.layout import (
    OTHER_ENDINGS,
    PICTURE_ENDINGS,
    Place,
    contents,
    expanded,
    first_few,
    folders_in,
    pictures_in,
)
from reid_data.records import Inventory

ANY_MARKET = "market_layout"
"""What a folder in Market-1501's layout is whose name says nothing else."""


def recognise(path: Path) -> Inventory:
    """Read what lies somewhere, whatever it is.

    A file is taken for a manifest. A folder is one of the catalog's data sets where it has the
    files and folders that belong to it; of several laid out alike, its name says which it is. Else
    one data set is looked for under the usual names below it; else it is a manifest's folder, or
    holds a folder per identity.

    Args:
        path: a folder, or a CSV manifest.

    Raises:
        ValueError: If nothing known or several data sets lie there, or the one that does cannot be
            read.
    """
    path = expanded(path).absolute()
    if path.is_file():
        return manifest.read(path)
    if not path.is_dir():
        raise ValueError(f"{path} is neither a folder nor a file: name one that holds a data set.")
    found = _found(path)
    if path in found:
        return SOURCES[_best(path, found[path])].read(path)
    if len(found) > 1:
        listed = "; ".join(f"{_best(folder, names)} in {folder}" for folder, names in found.items())
        raise ValueError(
            f"{path} holds {len(found)} data sets ({listed}): name one folder of them."
        )
    for folder, names in found.items():
        return SOURCES[_best(folder, names)].read(folder)
    return _own(path)


def _found(path: Path) -> dict[Path, list[str]]:
    """Folder with a known layout -> the data sets it may be, in the catalog's order."""
    found: dict[Path, list[str]] = {}
    for name, place in _places():
        for folder in place.find(path):
            same = next((other for other in found if other.samefile(folder)), folder)
            found.setdefault(same, []).append(name)
    return found


def _best(folder: Path, names: list[str]) -> str:
    """The first whose usual name the folder has, or what any folder may be."""
    for name in names:
        place = SOURCES[name].place
        if place and place.is_usual(folder):
            return name
    return ANY_MARKET if ANY_MARKET in names else names[0]


def _own(path: Path) -> Inventory:
    """Data of one's own, unless what lies there is half of a known data set."""
    if (path / MANIFEST).is_file():
        return manifest.read(path / MANIFEST)
    _require_whole(path)
    if _has_people(path):
        return identity_folders.read(path)
    below = folders_in(path)
    fitting = [folder for folder in below if _has_something(folder, alone=len(below) == 1)]
    if fitting:
        raise ValueError(
            f"No data set is known in {path}, where {contents(path)}, but below it: name"
            f" {first_few(fitting)}."
        )
    for folder in below:
        _require_whole(folder)
    known = "; or ".join(dict.fromkeys(source.layout for source in SOURCES.values()))
    raise ValueError(f"No data set is known in {path}, where {contents(path)}: it needs {known}.")


def _require_whole(path: Path) -> None:
    """Say what is missing of a known data set that a folder holds in part."""
    names = _half_of(path)
    if names:
        name = _best(path, names)
        dict(_places())[name].locate(path, name=name)


def _half_of(path: Path) -> list[str]:
    """The data sets of which a folder seems to hold a part."""
    return [name for name, place in _places() if place.is_half_there(path)]


def _has_something(folder: Path, *, alone: bool) -> bool:
    """Whether a folder can be named to be read, whatever it is called.

    Args:
        folder: that may hold a data set.
        alone: whether nothing lies beside it; else it may as well be one of many identities, with a
            folder for each camera.
    """
    known = any(place.fits(folder) for _, place in _places())
    own = alone and _has_people(folder) and not _half_of(folder)
    return known or own or (folder / MANIFEST).is_file()


def _has_people(path: Path) -> bool:
    """Whether a folder has folders of pictures, in whatever format."""
    holders = [folder for folder in (path, path / "train") if folder.is_dir()]
    people = (person for folder in holders for person in folders_in(folder))
    return any(any(pictures_in(person, PICTURE_ENDINGS | OTHER_ENDINGS)) for person in people)


def _places() -> list[tuple[str, Place]]:
    """The data sets that are told by what lies in their folder."""
    return [(name, source.place) for name, source in SOURCES.items() if source.place]
