"""Where a data set lies on disk: the root, and the usual folder names below it."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLES = ("REID_DATA_ROOT", "FASTREID_DATASETS")
"""Environment variables that name the root, the first one set counts."""

PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png"})

OTHER_ENDINGS = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".tif", ".tiff", ".webp"}
)
"""Of pictures that folders are not searched for; lists may name them."""

HINT = f"pass the folder that holds it, or set {ROOT_VARIABLES[0]}"
_NAMES_SHOWN = 5


def data_root(root: Path | None) -> Path | None:
    """The root to look under: the argument, else the first environment variable that is set."""
    if root is not None:
        return expanded(root)
    values = (os.environ.get(variable) for variable in ROOT_VARIABLES)
    return next((expanded(Path(value)) for value in values if value), None)


def expanded(path: Path) -> Path:
    """A path with the home folder in place of ``~`` or ``~somebody``.

    Raises:
        ValueError: If that home folder is not known.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"'{path}' begins with the home folder of {path.parts[0]}, which is not known here:"
            " write the path in full."
        ) from error


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


def counted(number: int, one: str, several: str) -> str:
    """A number and what it counts.

    Example:
        >>> counted(1, "identity", "identities")
        '1 identity'
    """
    return f"{number:,} {one if number == 1 else several}"


@dataclass(frozen=True)
class Place:
    """How the folder of a data set is told from others.

    Attributes:
        needed: files and folders that must lie in it.
        names: its usual names, in the order they are looked for, with the folders above it where
            these belong to the name; a part of a name may be ``*``.
        signs: files and folders of which one is enough to tell what lies there, needed or not.
        shared: what other layouts have too, so that it tells something under a usual name only.
    """

    needed: Sequence[str]
    names: Sequence[str]
    signs: Sequence[str] = ()
    shared: Sequence[str] = ()

    def find(self, root: Path) -> list[Path]:
        """Every folder that has the layout: the root itself first, then those below it.

        ``market1501/Market-1501-v15.09.15`` is also looked for as ``Market-1501-v15.09.15`` where
        the root is called ``market1501``.
        """
        found: list[Path] = []
        for folder in self._candidates(root):
            if self.fits(folder) and not any(folder.samefile(other) for other in found):
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
            fitting = [folder for folder in folders_in(root) if self.fits(folder)]
            hint = f"; {first_few(fitting)} would do" if fitting else ""
            raise ValueError(
                f"Data set '{name}' needs {in_words(self.needed)} in {root} or in a folder"
                f" {' or '.join(self.names)} below it, and there {contents(root)}{hint}: {HINT}."
            )
        return found[0]

    def fits(self, folder: Path) -> bool:
        """Whether a folder has all that is needed."""
        return all((folder / part).exists() for part in self.needed)

    def is_usual(self, folder: Path) -> bool:
        """Whether a folder has one of the usual names."""
        return any(_is_called(folder, name) for name in self.names)

    def is_half_there(self, folder: Path) -> bool:
        """Whether a folder can be told for this data set's although something is missing.

        It has one of the signs, or half of what is needed, or a usual name and something of what
        other layouts have too.
        """
        if self.fits(folder):
            return False
        there = sum((folder / part).exists() for part in self.needed)
        signs = (*self.signs, *(self.shared if self.is_usual(folder) else ()))
        return there >= len(self.needed) / 2 or any((folder / sign).exists() for sign in signs)

    def _candidates(self, root: Path) -> Iterator[Path]:
        yield root
        for name in self.names:
            parts = Path(name).parts
            for above in range(len(parts)):
                if above == 0 or _is_called(root, "/".join(parts[:above])):
                    yield from sorted(root.glob("/".join(parts[above:])))


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


def folders_in(folder: Path) -> list[Path]:
    """Folders below a folder that can be looked into, sorted; hidden ones are none."""
    return sorted(
        below
        for below in folder.iterdir()
        if not below.name.startswith(".") and below.is_dir() and os.access(below, os.R_OK | os.X_OK)
    )


def pictures_in(folder: Path, endings: Collection[str] = PICTURE_ENDINGS) -> Iterator[Path]:
    """Picture files of a folder, in no particular order.

    Other files are passed over, and so are hidden ones, such as the ``._0001_c1.jpg`` that macOS
    leaves beside a picture. A link that leads nowhere is a picture, which will be missed.

    Args:
        folder: of the pictures.
        endings: of their names, in small letters.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            is_picture = os.path.splitext(entry.name)[1].lower() in endings
            if is_picture and not entry.name.startswith(".") and not _is_folder(entry):
                yield folder / entry.name


def of_other_formats(names: Sequence[str], *, where: str) -> tuple[str, ...]:
    """A remark on pictures whose endings are not looked for, or none.

    Args:
        names: of the pictures.
        where: they lie.
    """
    if not names:
        return ()
    pictures = counted(len(names), "picture", "pictures")
    words = first_few(sorted(names))
    return (f"Passed over in {where} for being neither jpg nor png: {pictures} ({words}).",)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _is_called(folder: Path, name: str) -> bool:
    return any(path.match(name) for path in _ways_to(folder))


def _ways_to(folder: Path) -> tuple[Path, Path]:
    """A folder as it was named and as it is, whatever links lead there."""
    return Path(os.path.abspath(folder)), folder.resolve()
