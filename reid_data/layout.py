"""Where a data set lies on disk: the root, and the usual folder names below it."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Place:
    """How the folder of a data set is told from others.

    Attributes:
        needed: files and folders that must lie in it.
        names: its usual names, in the order they are looked for, with the folders above it where
            these belong to the name; a part of a name may be ``*``.
    """

    needed: Sequence[str]
    names: Sequence[str]

    def find(self, root: Path) -> list[Path]:
        """Every folder that has the layout: the root itself first, then those below it.

        ``market1501/Market-1501-v15.09.15`` is also looked for as ``Market-1501-v15.09.15`` where
        the root is called ``market1501``.
        """
        found: list[Path] = []
        for folder in self._candidates(root):
            if self._fits(folder) and not any(folder.samefile(other) for other in found):
                found.append(folder)
        return found

    def locate(self, root: Path, *, name: str) -> Path:
        """The root, or the first folder below it that has the layout.

        Args:
            root: what the user named.
            name: of the data set, for the error.

        Raises:
            ValueError: If the root is missing, or nothing below it has the layout.
        """
        require_folder(root, name=name, wanted=in_words(self.needed))
        found = self.find(root)
        if not found:
            raise ValueError(
                f"Data set '{name}' needs {in_words(self.needed)} in {root} or in a folder"
                f" {' or '.join(self.names)} below it, and there {contents(root)}: {HINT}."
            )
        return found[0]

    def is_usual(self, folder: Path) -> bool:
        """Whether a folder has one of the usual names."""
        return any(_is_called(folder, name) for name in self.names)

    def is_half_there(self, folder: Path) -> bool:
        """Whether a folder has at least half of what is needed, but not all."""
        there = sum((folder / part).exists() for part in self.needed)
        return len(self.needed) / 2 <= there < len(self.needed)

    def _candidates(self, root: Path) -> Iterator[Path]:
        yield root
        for name in self.names:
            parts = Path(name).parts
            for above in range(len(parts)):
                if above == 0 or _is_called(root, "/".join(parts[:above])):
                    yield from sorted(root.glob("/".join(parts[above:])))

    def _fits(self, folder: Path) -> bool:
        return all((folder / part).exists() for part in self.needed)


def require_folder(root: Path, *, name: str, wanted: str) -> None:
    """Refuse a root that is none.

    Args:
        root: what the user named.
        name: of the data set.
        wanted: what should lie there.

    Raises:
        ValueError: If it is not a folder.
    """
    if not root.is_dir():
        raise ValueError(
            f"Data set '{name}' was looked for in {root}, which is not a folder; it needs a folder"
            f" with {wanted}: {HINT}."
        )


def calls_itself(folder: Path, name: str) -> bool:
    """Whether a folder's name begins so, where only letters and digits count, in either case.

    Example:
        >>> calls_itself(Path("data/Market-1501-v15.09.15"), "market1501")
        True
    """
    return any(
        re.sub(r"[\W_]", "", path.name).lower().startswith(name) for path in _ways_to(folder)
    )


def contents(folder: Path) -> str:
    """What a folder holds, in words."""
    names = sorted(path.name for path in folder.iterdir())
    return f"lies {first_few(names)}" if names else "lies nothing"


def pictures_in(folder: Path) -> Iterator[Path]:
    """Picture files of a folder, in no particular order.

    Other files are passed over, and so are hidden ones, such as the ``._0001_c1.jpg`` that macOS
    leaves beside a picture.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            is_picture = Path(entry.name).suffix.lower() in PICTURE_ENDINGS
            if is_picture and not entry.name.startswith(".") and not entry.is_dir():
                yield folder / entry.name


def _is_called(folder: Path, name: str) -> bool:
    return any(path.match(name) for path in _ways_to(folder))


def _ways_to(folder: Path) -> tuple[Path, Path]:
    """A folder as it was named and as it is, whatever links lead there."""
    return Path(os.path.abspath(folder)), folder.resolve()
