"""Which folder below the root is meant, and what to type where that is not clear."""

from difflib import get_close_matches
from pathlib import Path, PurePath

from reid_data.layout import HINT, Place, contents, first_few, folders_in, in_words


def require_no_choice(root: Path, name: str, place: Place | None) -> None:
    """Nothing happens unless a root has the layout in folders of other than the usual names only.

    Args:
        root: that is looked in.
        name: of the data set.
        place: how its folder is told from others.

    Raises:
        ValueError: If so; it says what to type for each of these folders.
    """
    if place is None or not root.is_dir() or place.find(root):
        return
    fitting = [f"{name}:{folder.name}" for folder in folders_in(root) if place.fits(folder)]
    if fitting:
        raise ValueError(
            f"Data set '{name}' needs {in_words(place.needed)}, which {root} holds in folders only:"
            f" name one of them, as {first_few(fitting)}."
        )


def find_below(root: Path, member: str, place: Place | None) -> Path:
    """Where ``NAME:FOLDER`` points: below the root, or else below a usual folder there.

    Args:
        root: that is looked in.
        member: ``NAME:FOLDER``.
        place: how the data set's folder is told from others.

    Raises:
        ValueError: If nothing lies there; it names what is called nearly so.
    """
    name, _, below = member.partition(":")
    usual = [root / other for other in place.names if "*" not in other] if place else []
    for folder in (root, *usual):
        if (folder / below).exists():
            return folder / below
    path = root / below
    if not path.parent.is_dir():
        raise ValueError(
            f"Data set '{member}' was looked for in {path.parent}, which is not a folder: {HINT}."
        )
    near = get_close_matches(path.name, sorted(one.name for one in path.parent.iterdir()), n=1)
    meant = [f"{name}:{PurePath(below).with_name(found).as_posix()}" for found in near]
    advice = f"did you mean '{meant[0]}'?" if meant else f"name a folder there, or {HINT}."
    raise ValueError(
        f"Data set '{member}' was looked for in {path.parent}, where {contents(path.parent)}:"
        f" {advice}"
    )
