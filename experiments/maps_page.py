"""A page of activation maps: where networks look in a query and in a picture of its identity."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from evaluators.activation_maps import activation, enlarged, last_maps, shared, spread_out
from experiments.evaluate_network import Checkpoint
from experiments.pages.html import Html, breakable, document, element
from experiments.pages.style import MAPS, STYLE
from experiments.pages.thumbnails import FOLDER, Thumbnails, saved, small_picture, write_page
from reid_data.records import Sighting

# P pairs, two pictures each, h x w positions of a map

_COLOURS = "inferno"
"""Perceptually uniform: equal steps of a map look equally large, in grey as well."""

_GREY = 0.6
"""Brightness of the picture, so that the colours stand out from it."""

_WHAT = ("strength", "shared with the other")


class Pair(NamedTuple):
    """A query and a picture of its identity.

    Attributes:
        query: the picture asked for.
        positive: the relevant gallery picture that is ranked first.
        rank: of that one.
    """

    query: Sighting
    positive: Sighting
    rank: int


@dataclass(frozen=True)
class Maps:
    """What a page shows.

    Attributes:
        title: of the page.
        subtitle: what the pictures are of.
        facts: name -> value, in this order.
        pairs: one or more.
        checkpoints: one beside the other.
        file_of: a picture's file as the data set names it.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    pairs: Sequence[Pair]
    checkpoints: Sequence[Checkpoint]
    file_of: Callable[[Sighting], str]


class _Seen(NamedTuple):
    """What a network makes of all pairs, in [0, 1] per picture; query and positive in turn."""

    strength: Float[Tensor, "2*P h w"]
    shared: Float[Tensor, "2*P h w"]


def write_maps_page(folder: Path, maps: Maps, *, batch_size: int = 32) -> Path:
    """Write ``index.html`` and a folder of pictures, which need no network and no program.

    Args:
        folder: made if missing; a page in it is replaced.
        maps: what is shown.
        batch_size: pictures at a time.

    Returns:
        The page.

    Raises:
        ValueError: if a picture cannot be read, or a file not be written.
    """
    seen = [_seen(checkpoint, maps.pairs, batch_size) for checkpoint in maps.checkpoints]
    return write_page(folder, partial(_page, maps, seen))


def _page(maps: Maps, seen: Sequence[_Seen], thumbnails: Thumbnails) -> str:
    cards = [
        _card(pair, [_of_pair(one, place) for one in seen], maps, thumbnails)
        for place, pair in enumerate(maps.pairs)
    ]
    return document(
        maps.title,
        f"{STYLE}{MAPS}:root{{--columns:{2 * len(maps.checkpoints)}}}",
        element("h1", maps.title),
        element("p", maps.subtitle, class_="muted"),
        element(
            "dl",
            *(
                element("div", element("dt", name), element("dd", value, class_="words"))
                for name, value in maps.facts.items()
            ),
            class_="facts",
        ),
        _legend(),
        *cards,
    )


def _seen(checkpoint: Checkpoint, pairs: Sequence[Pair], batch_size: int) -> _Seen:
    pictures = [picture for pair in pairs for picture in (pair.query, pair.positive)]
    last = last_maps(checkpoint.network, checkpoint.images(pictures), batch_size=batch_size)
    both = [one for place in range(0, len(last), 2) for one in shared(last[place], last[place + 1])]
    return _Seen(spread_out(activation(last)), spread_out(torch.stack(both)))


def _of_pair(seen: _Seen, place: int) -> _Seen:
    rows = slice(2 * place, 2 * place + 2)
    return _Seen(seen.strength[rows], seen.shared[rows])


def _legend() -> Html:
    stops = ",".join(mpl.colors.to_hex(mpl.colormaps[_COLOURS](step / 8)) for step in range(9))
    ramp = element("span", class_="ramp", style=f"background:linear-gradient(90deg,{stops})")
    return element(
        "p",
        element("span", "least", ramp, "most within that picture"),
        element("span", "strength: where the network answers most (length of its last map)"),
        element(
            "span",
            "shared with the other: where it finds what it also finds in the other picture (largest"
            " product with any of its positions), as a spatial alignment compares them",
        ),
        class_="legend",
    )


def _card(pair: Pair, seen: Sequence[_Seen], maps: Maps, thumbnails: Thumbnails) -> Html:
    heads = [element("span")]
    heads += [
        element("span", *_called(maps.checkpoints, place), class_="over")
        for place in range(len(maps.checkpoints))
    ]
    cells = [
        cell
        for place, (sighting, said) in enumerate(
            ((pair.query, "Query"), (pair.positive, f"Right, rank {pair.rank:,}"))
        )
        for cell in _line(sighting, said, [_at(one, place) for one in seen], maps, thumbnails)
    ]
    title = element("h2", f"identity {pair.query.identity}")
    return element(
        "article",
        element("div", title, class_="head"),
        element("div", *heads, *cells, class_="pair"),
        class_="card",
    )


def _called(checkpoints: Sequence[Checkpoint], place: int) -> list[str | Html]:
    """A checkpoint's name, numbered if another has the same, and how it was trained."""
    one, names = checkpoints[place], [other.name for other in checkpoints]
    number = f"{place + 1}: " if names.count(one.name) > 1 else ""
    training = one.about.training
    return [f"{number}{one.name}", *([element("small", training)] if training else [])]


def _at(seen: _Seen, place: int) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    return seen.strength[place], seen.shared[place]


def _line(
    sighting: Sighting,
    said: str,
    seen: Sequence[tuple[Tensor, Tensor]],
    maps: Maps,
    thumbnails: Thumbnails,
) -> list[Html]:
    """A picture and its maps."""
    camera = f", camera {sighting.camera}" if sighting.camera >= 0 else ""
    words = element(
        "figcaption",
        element("strong", said),
        camera,
        element("small", breakable(maps.file_of(sighting))),
    )
    who = f"{said}, identity {sighting.identity}"
    image = thumbnails.image(sighting.path, alt=who)
    line = [element("figure", element("div", image, class_="well"), words)]
    small = small_picture(sighting.path, thumbnails.side)
    for checkpoint, both in zip(maps.checkpoints, seen, strict=True):
        for what, values in zip(_WHAT, both, strict=True):
            alt = f"{what}, {checkpoint.name}, of: {who}"
            height, width = values.shape
            line.append(
                element(
                    "figure",
                    element("div", _drawn(small, values, thumbnails.folder, alt), class_="well"),
                    element("figcaption", what, element("small", f"{height} x {width} positions")),
                )
            )
    return line


def _drawn(small: Image.Image, values: Float[Tensor, "h w"], folder: Path, alt: str) -> Html:
    out = io.BytesIO()
    overlaid(small, values).save(out, "PNG", optimize=True)
    name = saved(folder, out.getvalue(), ".png")
    return element(
        "img",
        src=f"{FOLDER}/{name}",
        alt=alt,
        width=small.width,
        height=small.height,
        loading="lazy",
    )


def overlaid(picture: Image.Image, values: Float[Tensor, "h w"]) -> Image.Image:
    r"""A map in colours, as light that falls on the picture in grey.

    .. math:: 1 - (1 - 0.6 g) (1 - c(v))

    The colour c of a low value v is nearly black, and leaves the picture to be seen; that of a high
    one is nearly white, and hides it. Whatever the grey g, a higher value is brighter.

    Args:
        picture: of any size.
        values: in [0, 1], of the whole picture.
    """
    grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None] / 255
    big = enlarged(values[None], height=picture.height, width=picture.width)[0].numpy()
    colours = mpl.colormaps[_COLOURS](big)[..., :3]
    mixed = 1 - (1 - _GREY * grey) * (1 - colours)
    return Image.fromarray((255 * mixed).round().astype(np.uint8))
