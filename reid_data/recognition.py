"""Which data set lies in a folder that nobody has named."""

from pathlib import Path

from reid_data import identity_folders, manifest
from reid_data.catalog import MANIFEST, SOURCES
from reid_data.layout import contents, pictures_in
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
    path = path.expanduser()
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
    for name, source in SOURCES.items():
        for folder in source.place.find(path) if source.place else ():
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
    for name, source in SOURCES.items():
        if source.place and source.place.is_half_there(path):
            source.place.locate(path, name=name)  # raises, and says what is missing
    people = [path, path / "train"]
    if any(any(pictures_in(person)) for folder in people for person in _folders_in(folder)):
        return identity_folders.read(path)
    known = "; or ".join(dict.fromkeys(source.layout for source in SOURCES.values()))
    raise ValueError(f"No data set is known in {path}, where {contents(path)}: it needs {known}.")


def _folders_in(folder: Path) -> list[Path]:
    return [below for below in folder.iterdir() if below.is_dir()] if folder.is_dir() else []
