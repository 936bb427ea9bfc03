"""Where a data set lies on disk: the root, and the usual folder names below it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT_VARIABLES = ("REID_DATA_ROOT", "FASTREID_DATASETS")
"""Environment variables that name the root, the first one set counts."""

PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png"})

HINT = f"pass the folder that holds it, or set {ROOT_VARIABLES[0]}"
_NAMES_SHOWN = 5


def data_root(root: Path | None) -> Path | None:
    """The root to look under: the argument, else the first environment variable that is set."""
    if root is not None:
        return root.expanduser()
    values = (os.environ.get(variable) for variable in ROOT_VARIABLES)
    return next((Path(value).expanduser() for value in values if value), None)


def first_few(names: Sequence[object]) -> str:
    """The first names of a list in words, and how many more there are.

    Example:
        >>> first_few([3, 1, 4, 1, 5, 9, 2])
        '3, 1, 4, 1, 5 and 2 more'
    """
    shown = ", ".join(str(name) for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def in_words(names: Sequence[str]) -> str:
    """A list of one or more names as a sentence has it.

    Example:
        >>> in_words(["query", "gallery", "training"])
        'query, gallery and training'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def locate(root: Path, *, name: str, below: Sequence[str], needed: Sequence[str]) -> Path:
    """Find the folder that holds everything a layout needs.

    Args:
        root: what the user named.
        name: of the data set, for the error.
        below: usual folder names, tried in this order after the root itself.
        needed: files and folders that must lie in it.

    Returns:
        The root, or the first folder below it that has them all.

    Raises:
        ValueError: If the root is missing, or nothing below it has the layout.
    """
    wanted = in_words(needed)
    if not root.is_dir():
        raise ValueError(
            f"Data set '{name}' was looked for in {root}, which is not a folder; it needs a folder"
            f" with {wanted}: {HINT}."
        )
    candidates = (root, *(root / folder for folder in below))
    for folder in candidates:
        if all((folder / part).exists() for part in needed):
            return folder
    raise ValueError(
        f"Data set '{name}' needs {wanted} in {root} or in a folder"
        f" {' or '.join(below)} below it, and there {_contents(root)}: {HINT}."
    )


def pictures_in(folder: Path) -> Iterator[Path]:
    """Picture files of a folder, in no particular order; other files are passed over."""
    return (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_ENDINGS)


def _contents(folder: Path) -> str:
    """What a folder holds, in words."""
    names = sorted(path.name for path in folder.iterdir())
    return f"lies {first_few(names)}" if names else "lies nothing"
