"""The embedded data set: persons or vehicles rendered by this package, in Market-1501's layout.

Every picture has its own random numbers, derived from (seed, kind, domain, identity, camera,
shot), so any one can be rendered alone. Cameras differ in view, light, colour cast, backdrop and
obstacles, which an untrained network sees first; identities differ in shape, colours, prints and
what they carry. ``python -m reid_data.synthetic --contact-sheet FILE`` draws an overview.
"""

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image

from reid_data.bars import bar
from reid_data.records import DISTRACTOR, JUNK
from reid_data.synthetic_scene import Domain, Kind, World

RENDERING_VERSION = 1
"""Raised whenever the same settings would give other pixels."""

_STRANGERS = 100_000
"""Distractors and junk show subjects from here on, which no split uses."""


class Split(StrEnum):
    """The folders of Market-1501's layout."""

    TRAIN = "bounding_box_train"
    QUERY = "query"
    GALLERY = "bounding_box_test"


@dataclass(frozen=True)
class SyntheticSettings:
    """A data set to render.

    Attributes:
        kind: what is seen.
        domain: which of two worlds of cameras, places and colours.
        train_identities: numbered from 1.
        test_identities: numbered on from the training identities.
        cameras: 1 to 9, all of which see every identity.
        shots: pictures of each identity by each camera, at least 2: of a test identity the first
            is the query, the others are in the gallery.
        height: of a picture, in pixels.
        width: of a picture, in pixels.
        seed: of everything drawn.
        distractors: gallery pictures of nobody in particular, identity 0.
        junk: gallery pictures that miss their subject, identity -1.

    Raises:
        ValueError: if there is no such kind or domain, or a number is out of its range.
    """

    kind: Kind = "persons"
    domain: Domain = 0
    train_identities: int = 64
    test_identities: int = 40
    cameras: int = 4
    shots: int = 4
    height: int = 64
    width: int = 32
    seed: int = 0
    distractors: int = 24
    junk: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("persons", "vehicles") or self.domain not in (0, 1):
            raise ValueError(
                f"There is no kind {self.kind!r} in domain {self.domain!r}: use 'persons' or"
                " 'vehicles' in domain 0 or 1."
            )
        ranges = {
            "train_identities": (0, 4999),
            "test_identities": (0, 4999),
            "cameras": (1, 9),
            "shots": (2, 99),
            "height": (16, 1024),
            "width": (16, 1024),
            "seed": (0, 2**31 - 1),
            "distractors": (0, 9999),
            "junk": (0, 9999),
        }
        for name, (low, high) in ranges.items():
            found = getattr(self, name)
            if not low <= found <= high:
                raise ValueError(
                    f"The setting {name} is {found}: choose a number from {low} to {high}."
                )

    @property
    def world(self) -> World:
        """Where the pictures are taken, whatever their number."""
        return World(self.kind, self.domain, self.seed, (self.width, self.height))


class Picture(NamedTuple):
    """One rendered picture.

    Attributes:
        split: folder it belongs to.
        name: file name, as in Market-1501 but ``.png``.
        image: RGB.
    """

    split: Split
    name: str
    image: Image.Image


class _Shot(NamedTuple):
    """What a picture shows: the identity its name gives, and the subject that is drawn."""

    split: Split
    identity: int
    subject: int
    camera: int
    number: int

    @property
    def name(self) -> str:
        identity = str(self.identity) if self.identity == JUNK else f"{self.identity:04d}"
        return f"{identity}_c{self.camera}s1_{self.number + 1:06d}_00.png"


EMBEDDED: Mapping[str, SyntheticSettings] = MappingProxyType(
    {
        "synthetic_persons": SyntheticSettings(),
        "synthetic_persons_b": SyntheticSettings(domain=1),
        "synthetic_vehicles": SyntheticSettings(kind="vehicles", width=64),
        "synthetic_vehicles_b": SyntheticSettings(kind="vehicles", width=64, domain=1),
    }
)
"""The data sets that come with the package, by name."""


def render(settings: SyntheticSettings) -> Iterator[Picture]:
    """Renders a data set picture by picture, in a fixed order.

    A picture of identity ``i`` by camera ``c`` is ``settings.world.picture(i, c, shot)``.
    """
    world = settings.world
    for shot in _plan(settings):
        missed = shot.identity == JUNK
        image = world.picture(shot.subject, shot.camera, shot.number, missed=missed)
        yield Picture(shot.split, shot.name, image)


def write(settings: SyntheticSettings, root: Path) -> Path:
    """Writes a data set in Market-1501's layout, unless it is there already.

    The folder's name has a digest of the settings and of the rendering version. It appears under
    that name complete or not at all, also when several processes write it at once.

    Args:
        settings: what to render.
        root: folder to put the data set's folder in; made if missing.

    Returns:
        The data set's folder, with the folders of `Split` in it.
    """
    label = json.dumps({"version": RENDERING_VERSION, **asdict(settings)}, sort_keys=True)
    digest = hashlib.sha256(label.encode()).hexdigest()[:12]
    folder = root / f"{settings.kind}-{settings.domain}-{digest}"
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{folder.name}-") as scratch:
        built = Path(scratch) / folder.name
        for split in Split:
            (built / split).mkdir(parents=True)
        total = len(_plan(settings))
        for split, name, image in bar(
            render(settings), desc=f"rendering {settings.kind}", total=total, unit="picture"
        ):
            image.save(built / split / name)
        _publish(built, folder)
    return folder


def contact_sheet(*, rows: int = 4, columns: int = 8, gap: int = 8) -> Image.Image:
    """An overview: a block per embedded data set, with a row per identity and columns by camera.

    Args:
        rows: identities of each data set.
        columns: pictures of each identity where a picture is 32 wide; wider ones get fewer.
        gap: white pixels between blocks.
    """
    blocks = [
        _block(settings, rows, columns * 32 // settings.width) for settings in EMBEDDED.values()
    ]
    cell_w, cell_h = (max(size) + gap for size in zip(*(one.size for one in blocks), strict=True))
    sheet = Image.new("RGB", (2 * cell_w - gap, 2 * cell_h - gap), "white")
    for place, block in enumerate(blocks):
        sheet.paste(block, (place % 2 * cell_w, place // 2 * cell_h))
    return sheet


def _block(settings: SyntheticSettings, rows: int, columns: int) -> Image.Image:
    w, h = settings.width + 1, settings.height + 1
    block = Image.new("RGB", (w * columns - 1, h * rows - 1), "white")
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        camera, shot = divmod(column, columns // settings.cameras)
        block.paste(settings.world.picture(row + 1, camera + 1, shot), (w * column, h * row))
    return block


def _publish(built: Path, folder: Path) -> None:
    """Gives a complete folder its name, unless another process was first."""
    try:
        os.replace(built, folder)
    except OSError:
        if not folder.is_dir():
            raise


def _plan(settings: SyntheticSettings) -> list[_Shot]:
    cameras = range(1, settings.cameras + 1)
    last_train = settings.train_identities
    shots: list[_Shot] = []
    for identity in range(1, last_train + settings.test_identities + 1):
        for camera in cameras:
            for number in range(settings.shots):
                split = Split.GALLERY if number else Split.QUERY
                if identity <= last_train:
                    split = Split.TRAIN
                shots.append(_Shot(split, identity, identity, camera, number))
    for identity, count in ((DISTRACTOR, settings.distractors), (JUNK, settings.junk)):
        for number in range(count):
            camera = number % settings.cameras + 1
            shots.append(_Shot(Split.GALLERY, identity, _STRANGERS + number, camera, number))
    return shots


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws the contact sheet of the embedded data sets."""
    parser = argparse.ArgumentParser(prog="python -m reid_data.synthetic", description=main.__doc__)
    parser.add_argument(
        "--contact-sheet", type=Path, required=True, metavar="FILE", help="PNG file to write"
    )
    file: Path = parser.parse_args(arguments).contact_sheet
    contact_sheet().quantize(255).save(file, optimize=True)


if __name__ == "__main__":
    main()
