"""Small pictures beside a page, each once."""

import hashlib
import io
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from experiments.outputs import write, writing
from experiments.pages.html import PAGE, Html, element
from reid_data.decoding import UNREADABLE

FOLDER = "pictures"
"""Below the page's folder."""

_OURS = re.compile(r"[0-9a-f]{20}\.(jpg|png)")


class _Kept(NamedTuple):
    name: str
    width: int
    height: int


class Thumbnails:
    """JPEG files whose names are made from their contents, so that a page may be written again.

    Args:
        folder: of the page; made if missing.
        side: of the longer side of a picture, pixels at most.
    """

    def __init__(self, folder: Path, *, side: int = 224) -> None:
        self.folder, self.side = folder, side
        self._kept: dict[Path, _Kept] = {}
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)

    def image(self, path: Path, *, alt: str) -> Html:
        """An element that shows a picture, which is written when it is first asked for.

        Raises:
            ValueError: if the picture cannot be read.
        """
        if path not in self._kept:
            self._kept[path] = self._written(path)
        kept = self._kept[path]
        return element(
            "img",
            src=f"{FOLDER}/{kept.name}",
            alt=alt,
            width=kept.width,
            height=kept.height,
            loading="lazy",
        )

    @property
    def aspect(self) -> float:
        """Width by height of the pictures so far: the median, or 1 where there is none."""
        return statistics.median([kept.width / kept.height for kept in self._kept.values()] or [1])

    def _written(self, path: Path) -> _Kept:
        small = small_picture(path, self.side)
        out = io.BytesIO()
        small.save(out, "JPEG", quality=88)
        return _Kept(saved(self.folder, out.getvalue(), ".jpg"), *small.size)


def small_picture(path: Path, side: int) -> Image.Image:
    """A picture in its own proportions, its longer side at most ``side`` pixels; never enlarged.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        with Image.open(path) as opened:
            small = opened.convert("RGB")
    except UNREADABLE as error:
        raise ValueError(
            f"The picture {path.name} cannot be read ({error}): replace it or remove it."
        ) from error
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def saved(folder: Path, content: bytes, ending: str) -> str:
    """Keep a file below a page's folder, under a name made from its contents; returns the name."""
    name = hashlib.sha256(content).hexdigest()[:20] + ending
    file = folder / FOLDER / name
    with writing(file):
        file.write_bytes(content)
    return name


def write_page(folder: Path, draw: Callable[[Thumbnails], str]) -> Path:
    """Write a page, and remove the pictures that none shows: of an earlier one, or of half a page.

    Args:
        folder: of the page; made if missing.
        draw: makes all of the page and the pictures that it shows; if it fails, an earlier page
            stays as it was.

    Returns:
        Its file.

    Raises:
        ValueError: if a picture cannot be read, or a file not be written.
    """
    file = folder / PAGE
    try:
        write(file, draw(Thumbnails(folder)))
    finally:
        page = file.read_text(encoding="utf-8") if file.is_file() else ""
        for picture in (folder / FOLDER).glob("*"):
            if _OURS.fullmatch(picture.name) and picture.name not in page:
                picture.unlink()
    return file
