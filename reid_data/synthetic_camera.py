"""Cameras: a place with its backdrop, view, light, colour cast, lens and things in the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reid_data.synthetic_canvas import Colour, from_hsv, shaded

DAY = ("bricks", "meadow", "shop", "road", "hedge")
NIGHT = ("tiles", "fence", "carpark", "snow", "stairs")


@dataclass(frozen=True)
class Camera:
    """All that belongs to one camera; lengths in fractions of the picture's height.

    Attributes:
        yaw: view it mostly has, in radians.
        pitch: looks down by so much, in radians.
        zoom: size of figures, 1 for the middle.
        gains: factors of red, green and blue.
        gamma: exponent of the tone curve.
        contrast: slope around ``level``.
        level: brightness 0..255 that contrast leaves alone.
        saturation: 1 leaves colours alone, 0 is grey.
        slope: light falls off from left to right by this factor (-1..1).
        blur: radius of the blur.
        noise: largest change of a pixel, of 255.
        place: name of the backdrop.
        wall: colour of the backdrop's upper part.
        ground: colour of the floor.
        horizon: where the floor begins, counted from the top.
        obstacle: what may stand in the way.
        obstacle_rate: how often it does.
        jitter: how far the figure strays from the middle.
    """

    yaw: float
    pitch: float
    zoom: float
    gains: tuple[float, float, float]
    gamma: float
    contrast: float
    level: float
    saturation: float
    slope: float
    blur: float
    noise: int
    place: str
    wall: Colour
    ground: Colour
    horizon: float
    obstacle: str
    obstacle_rate: float
    jitter: float


def camera(rng: np.random.Generator, *, number: int, domain: int, views: Sequence[float]) -> Camera:
    """Draws a camera.

    Args:
        rng: of this camera.
        number: from 1; neighbouring numbers get different casts, views and places.
        domain: 0 is outdoors by day, 1 indoors and by night.
        views: yaws that the cameras take in turn, in radians.
    """
    u = rng.random(14)
    cast = from_hsv(0.38 * number + 0.1 * u[0], 0.3 + 0.15 * u[1], 1.0)
    light = 1.0 + 0.2 * u[2] if domain else 0.95 + 0.25 * u[2]
    red, green, blue = (light * part / 220 for part in cast)
    return Camera(
        yaw=views[(number - 1) % len(views)] + 0.4 * (u[3] - 0.5),
        pitch=0.08 + 0.25 * u[4],
        zoom=0.9 + 0.16 * u[5],
        gains=(red, green, blue),
        gamma=(0.75 if number % 2 else 1.25) + 0.2 * (u[6] - 0.5),
        contrast=(0.65 if number % 3 == 0 else 0.95) + 0.15 * u[7],
        level=100.0 if domain else 125.0,
        saturation=0.65 + 0.4 * u[8] - 0.1 * domain,
        slope=0.7 * (u[9] - 0.5) * (1.2 if domain else 1.0),
        blur=(0.003, 0.007, 0.011)[number % 3],
        noise=int(3 + 6 * u[10] + 3 * domain),
        place=(NIGHT if domain else DAY)[number % 5],
        wall=from_hsv(u[11], 0.25 + 0.3 * u[12], 0.35 + 0.5 * ((number * 0.37 + u[0]) % 1.0)),
        ground=from_hsv(u[12], 0.15 + 0.2 * u[11], 0.3 + 0.5 * ((number * 0.61 + u[1]) % 1.0)),
        horizon=0.45 + 0.25 * u[13],
        obstacle=("post", "bush", "rail")[number % 3],
        obstacle_rate=0.25 + 0.25 * u[5],
        jitter=0.04 + 0.03 * u[6],
    )  # fmt: skip


def backdrop(camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """The place as it looks in one picture: the same pattern, scrolled."""
    width, height = size
    image = Image.new("RGB", size, camera.wall)
    draw = ImageDraw.Draw(image)
    floor = round(height * (camera.horizon + 0.06 * (rng.random() - 0.5)))
    step = height / (5 if camera.place in ("shop", "carpark") else 9)
    columns = np.arange(-step * (1.0 + rng.random()), width + step, step).tolist()
    if camera.place in ("bricks", "tiles"):
        _masonry(draw, camera, size, step, columns)
    elif camera.place in ("fence", "stairs"):
        _bars(draw, camera, size, step, columns)
    elif camera.place in ("shop", "carpark"):
        _panes(draw, camera, size, step, columns)
    else:
        _leaves(draw, camera, (width, floor), step, rng)
    draw.rectangle((0, floor, width, height), fill=camera.ground)
    if camera.place in ("road", "carpark", "shop", "stairs"):
        _floor_marks(draw, camera, height, floor, columns[::2])
    kerb = shaded(camera.ground, 0.7)
    draw.line((0, floor, width, floor), fill=kerb, width=max(1, height // 64))
    return image


def _masonry(
    draw: ImageDraw.ImageDraw,
    camera: Camera,
    size: tuple[int, int],
    step: float,
    columns: list[float],
) -> None:
    width, height = size
    joint, line = shaded(camera.wall, 0.62), max(1, height // 64)
    for number, y in enumerate(np.arange(0.0, height, step).tolist()):
        shift = step / 2 if number % 2 and camera.place == "bricks" else 0.0
        draw.line((0, y, width, y), fill=joint, width=line)
        for x in columns:
            draw.line((x + shift, y, x + shift, y + step), fill=joint, width=line)


def _bars(
    draw: ImageDraw.ImageDraw,
    camera: Camera,
    size: tuple[int, int],
    step: float,
    columns: list[float],
) -> None:
    width, height = size
    dark = shaded(camera.wall, 0.62)
    if camera.place == "fence":
        for x in columns:
            draw.rectangle((x, 0, x + step / 3, height), fill=dark)
    else:
        for y in np.arange(0.0, height, step).tolist():
            draw.rectangle((0, y, width, y + step / 2), fill=dark)


def _panes(
    draw: ImageDraw.ImageDraw,
    camera: Camera,
    size: tuple[int, int],
    step: float,
    columns: list[float],
) -> None:
    for number, x in enumerate(columns):
        pane = shaded(camera.wall, 1.4 if number % 2 else 0.62)
        draw.rectangle((x, 0.12 * size[1], x + 0.8 * step, size[1]), fill=pane)


def _leaves(
    draw: ImageDraw.ImageDraw,
    camera: Camera,
    size: tuple[int, int],
    step: float,
    rng: np.random.Generator,
) -> None:
    for across, down, tone in rng.random((40, 3)).tolist():
        x, y, r = across * size[0], down * size[1], step * (0.25 + 0.35 * tone)
        leaf = shaded(camera.wall, 0.6 + 0.8 * tone)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=leaf)


def _floor_marks(
    draw: ImageDraw.ImageDraw,
    camera: Camera,
    height: int,
    floor: int,
    columns: list[float],
) -> None:
    paint, reach = shaded(camera.ground, 1.5), height / 9
    for x in columns:
        outline = (x, floor, x + reach / 6, floor, x - reach, height, x - 1.5 * reach, height)
        draw.polygon(outline, fill=paint)


def obstruct(image: Image.Image, camera: Camera, rng: np.random.Generator) -> None:
    """Sometimes puts the camera's obstacle in front of what is drawn so far."""
    happens, at, extent = rng.random(3)
    if happens >= camera.obstacle_rate:
        return
    width, height = image.size
    draw = ImageDraw.Draw(image)
    if camera.obstacle == "post":
        x, half = at * width, (0.03 + 0.03 * extent) * height
        draw.rectangle((x - half, 0, x + half, height), fill=shaded(camera.wall, 0.45))
        draw.rectangle((x - half, 0, x - half / 2, height), fill=shaded(camera.wall, 0.75))
    elif camera.obstacle == "rail":
        for y in (0.62 + 0.1 * at, 0.74 + 0.1 * at, 0.86 + 0.1 * at):
            draw.line((0, y * height, width, y * height), fill=(70, 74, 80), width=height // 28)
    else:
        for x, y, tone in rng.random((26, 3)):
            r = (0.04 + 0.04 * tone) * height
            cx, cy = x * width, height * (1.0 - (0.2 + 0.2 * extent) * y)
            leaf = from_hsv(0.28 + 0.08 * tone, 0.6, 0.25 + 0.3 * tone)
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=leaf)


def develop(
    image: Image.Image, camera: Camera, size: tuple[int, int], rng: np.random.Generator
) -> Image.Image:
    """What the camera makes of the scene: blur, size, light, tone, cast and noise."""
    blurred = image.filter(ImageFilter.GaussianBlur(camera.blur * image.height))
    scene = np.asarray(blurred.resize(size, Image.Resampling.BOX), dtype=np.float64)
    grey = 0.299 * scene[..., 0] + 0.587 * scene[..., 1] + 0.114 * scene[..., 2]
    scene = grey[..., None] + camera.saturation * (scene - grey[..., None])
    flicker = 1.0 + 0.24 * (rng.random() - 0.5) + 0.1 * (rng.random(3) - 0.5)
    fall = 1.0 + camera.slope * (np.arange(size[0]) / size[0] - 0.5)
    scene = scene * fall[None, :, None] * (flicker * np.array(camera.gains))
    scene = camera.level + camera.contrast * (scene - camera.level)
    curve = np.array([round(255 * (tone / 255) ** camera.gamma) for tone in range(256)])
    toned = curve[np.clip(np.rint(scene), 0, 255).astype(np.int64)]
    grain = rng.integers(-camera.noise, camera.noise + 1, size=(size[1], size[0], 1))
    return Image.fromarray(np.clip(toned + grain, 0, 255).astype(np.uint8))
