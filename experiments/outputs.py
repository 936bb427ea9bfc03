"""The files that a command writes: refused before the work, replaced at once after it."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nas_space.replacing import replaced


def refuse_unwritable(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Say what would keep a result from being written, while nothing is lost.

    Args:
        outputs: option -> the file it names.
        inputs: option -> the file that is read; a result must not take its place.

    Raises:
        ValueError: if a file cannot be made where an option says, or two options name one file.
    """
    taken = {file.resolve(): option for option, file in inputs.items()}
    for option, file in outputs.items():
        place = file.resolve()
        if place in taken:
            raise ValueError(
                f"{taken[place]} and {option} both name {file.name}: give each a file of its own."
            )
        taken[place] = option
        _refuse_unwritable(option, place)


def _refuse_unwritable(option: str, file: Path) -> None:
    if file.exists() and not file.is_file():
        raise ValueError(f"{option} names {file.name}, which is no plain file: name another.")
    if not file.parent.is_dir():
        raise ValueError(
            f"{option} names a file in {file.parent.name}, which is no folder: make it first."
        )
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}."):
            pass
    except OSError as error:
        raise ValueError(
            f"{option} names {file.name}, which cannot be written ({error.strerror}): check the"
            " folder's rights and the disk."
        ) from error


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Name the file where the system says no more than that a disk is full.

    Raises:
        ValueError: if what is done here cannot write.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{file} cannot be written ({error.strerror}): check the disk and the folder's rights."
        ) from error


def write(file: Path, text: str) -> None:
    """Replace what the name ``file`` leads to, links followed.

    Raises:
        ValueError: if the disk fails.
    """

    def write_draft(draft: Path) -> None:
        draft.write_text(text, encoding="utf-8")

    with writing(file):
        replaced(file.resolve(), write_draft)
