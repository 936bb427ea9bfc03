"""A page of activation maps shows each network's map, where it is strong, over the same picture."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluators.activation_maps import spread_out
from experiments.evaluate_network import Checkpoint
from experiments.maps_page import Maps, Pair, overlaid, write_maps_page
from nas_space.networks import Blueprint, save_network
from reid_data.catalog import load_dataset


@pytest.fixture(scope="module")
def pairs(tiny_folder: Path) -> list[Pair]:
    dataset = load_dataset("market_layout", tiny_folder)
    return [
        Pair(query, next(one for one in dataset.gallery if one.identity == query.identity), 3)
        for query in dataset.query[:3]
    ]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Checkpoint]:
    folder, found = tmp_path_factory.mktemp("networks"), []
    for seed, height in enumerate((64, 128)):
        blueprint = Blueprint(network="osnet_x1_0", height=height, width=64)
        torch.manual_seed(seed)
        file = folder / f"{height}.pt"
        save_network(file, blueprint.build(), blueprint)
        found.append(Checkpoint.open(file, feature=None, device=torch.device("cpu")))
    return found


def test_colours_by_hand() -> None:
    """Inferno ends in (.9884, .9984, .6449), which is all there is over black.

    White is dimmed to .6: 1 - .4 x (1 - .6449) = .8580, and 255 x .8580 = 218.8. Inferno's
    beginning, (.0015, .0005, .0139), leaves it as it is: 255 x (1 - .4 x .9985) = 153.2.
    """
    black, white = (Image.new("RGB", (1, 1), ground) for ground in ("black", "white"))
    most, least = torch.ones(1, 1), torch.zeros(1, 1)
    assert overlaid(black, most).getpixel((0, 0)) == (252, 255, 164)
    assert overlaid(white, most).getpixel((0, 0)) == (254, 255, 219)
    assert overlaid(black, least).getpixel((0, 0)) == (0, 0, 4)
    assert overlaid(white, least).getpixel((0, 0)) == (153, 153, 154)


def test_brighter_is_stronger_whatever_the_picture_shows() -> None:
    values = torch.linspace(0, 1, 40)[None]
    for ground in ("black", "white", "#7f3355"):
        drawn = np.asarray(overlaid(Image.new("RGB", (40, 1), ground), values).convert("L"), int)
        assert (np.diff(drawn[0]) >= 0).all()
        assert drawn[0, -1] - drawn[0, 0] > 90


def test_every_picture_has_two_maps_of_each_network(
    tmp_path: Path, pairs: list[Pair], networks: list[Checkpoint]
) -> None:
    maps = Maps("t", "s", {}, pairs, networks, lambda one: one.path.name)
    page = write_maps_page(tmp_path, maps).read_text()
    sources = re.findall(r'<img src="([^"]+)"', page)
    assert len(sources) == 3 * 2 * (1 + 2 * 2)
    assert page.count("osnet") == 0  # columns are called as their files
    for one in networks:
        assert page.count(f">{one.name}<") == len(pairs)
    assert re.findall(r'alt="([^"]*), of: ([^"]*)"', page) == [
        (f"{what}, {one.name}", f"{said}, identity {pair.query.identity}")
        for pair in pairs
        for said in ("Query", "Right, rank 3")
        for one in networks
        for what in ("strength", "shared with the other")
    ]
    assert page.count("4 x 4 positions") == page.count("8 x 4 positions") == 2 * len(maps.pairs) * 2
    row = sources[:5]
    assert [Path(name).suffix for name in row] == [".jpg", *[".png"] * 4]
    query = pairs[0].query
    with Image.open(query.path) as picture:
        small = picture.convert("RGB")
    for one, name in zip(networks, (row[1], row[3]), strict=True):
        with torch.inference_mode():
            last = one.network.describe(one.images([query])).last
        strength = spread_out(last.square().sum(1).sqrt())[0]
        with Image.open(tmp_path / name) as drawn:
            shown = np.asarray(drawn, int)
        assert np.abs(shown - np.asarray(overlaid(small, strength), int)).max() <= 1
    assert len(set(row)) == 5
