"""Every picture is as torchvision would decode it, cached or not, and a broken one is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import Resize
from torchvision.transforms.functional import pil_to_tensor

from reid_data.decoding import decoded
from reid_data.pictures import Pictures, check_readable
from reid_data.records import Sighting

SIZES = [(20, 30), (7, 5), (64, 16)]


@pytest.fixture
def sightings(tmp_path: Path) -> list[Sighting]:
    """Noise in several sizes and formats."""
    return noise(tmp_path)


@pytest.fixture(scope="module")
def sightings_of_all_tests(tmp_path_factory: pytest.TempPathFactory) -> list[Sighting]:
    """The same, not to be changed."""
    return noise(tmp_path_factory.mktemp("pictures"))


def noise(folder: Path) -> list[Sighting]:
    rng = np.random.default_rng(0)
    paths = []
    for number, (height, width) in enumerate(SIZES):
        path = folder / f"{number}.{'png' if number else 'jpg'}"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    return [Sighting(1, 1, path) for path in paths]


@pytest.mark.parametrize("cached", [True, False])
def test_pixels_are_those_of_torchvisions_resize(
    sightings: list[Sighting], *, cached: bool
) -> None:
    pictures = Pictures(sightings, height=16, width=8, cached=cached)
    assert pictures.size == (16, 8)
    for index, sighting in enumerate(sightings):
        with Image.open(sighting.path) as image:
            expected = pil_to_tensor(Resize((16, 8))(image.convert("RGB")))
        assert torch.equal(pictures.read(torch.tensor([index]))[0], expected)


@pytest.mark.parametrize("cached", [True, False])
def test_pictures_come_in_the_order_asked_for(sightings: list[Sighting], *, cached: bool) -> None:
    pictures = Pictures(sightings, height=4, width=4, cached=cached)
    everything = pictures.read(torch.arange(3))
    assert len(pictures) == 3
    assert torch.equal(pictures.read(torch.tensor([2, 0, 2])), everything[[2, 0, 2]])
    assert not torch.equal(everything[0], everything[2])
    assert pictures.read(torch.arange(0)).shape == (0, 3, 4, 4)


@given(
    st.permutations(range(3)),
    st.lists(st.integers(0, 2), max_size=6),
    st.sampled_from([1, 9, 40]),
    st.sampled_from([1, 7, 32]),
)
def test_the_cache_changes_no_pixel(
    sightings_of_all_tests: list[Sighting],
    order: list[int],
    asked: list[int],
    height: int,
    width: int,
) -> None:
    shuffled = [sightings_of_all_tests[i] for i in order]
    cached, direct = (
        Pictures(shuffled, height=height, width=width, cached=cached) for cached in (True, False)
    )
    indices = torch.tensor(asked, dtype=torch.int64)
    assert torch.equal(cached.read(indices), direct.read(indices))


def test_what_was_read_is_a_copy(sightings: list[Sighting]) -> None:
    pictures = Pictures(sightings, height=4, width=4)
    first = pictures.read(torch.tensor([0]))
    kept = first.clone()
    first.zero_()
    assert torch.equal(pictures.read(torch.tensor([0])), kept)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"picture.{'jpg' if mode == 'CMYK' else 'png'}"
    Image.new("RGB", (6, 4), "white").convert(mode).save(path)
    pixels = decoded(path, height=4, width=6)
    assert pixels.shape == (3, 4, 6)
    assert pixels.min() == 255


@pytest.mark.parametrize("damage", ["cut short", "empty", "text", "missing"])
def test_an_unreadable_picture_among_good_ones_is_named(
    sightings: list[Sighting], damage: str
) -> None:
    path = sightings[1].path
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {"cut short": whole[: len(whole) // 2], "empty": b"", "text": b"x"}[damage]
        )

    with pytest.raises(ValueError, match=r"1 of 3 pictures cannot be read: .*1\.png \("):
        Pictures(sightings, height=4, width=4)
    with pytest.raises(ValueError, match=r"1 of 3 pictures cannot be read: .*1\.png \("):
        Pictures(sightings, height=4, width=4, cached=False).read(torch.arange(3))
    with pytest.raises(ValueError, match=r"1 of 3 pictures cannot be read: .*1\.png \("):
        check_readable(sightings)


def test_many_unreadable_pictures_are_counted(tmp_path: Path) -> None:
    missing = [Sighting(1, 1, tmp_path / f"{number}.png") for number in range(9)]
    with pytest.raises(ValueError, match=r"9 of 9 pictures cannot be read: .*4\.png.*and 4 more"):
        check_readable(missing)


def test_good_pictures_pass_and_a_bar_is_shown_on_demand(
    sightings: list[Sighting], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reid_data.bars._on_terminal", lambda: True)
    check_readable(sightings)
    assert capsys.readouterr().err == ""
    check_readable(sightings, progress="query")
    assert "query: 100%" in capsys.readouterr().err


@pytest.fixture
def vehicles(real_data: Path) -> Callable[[str], list[Sighting]]:
    def of(part: str) -> list[Sighting]:
        paths = sorted((real_data / "vehicles_a" / part).glob("*.jpg"))
        return [Sighting(1, 1, path) for path in paths]

    return of


@pytest.mark.data
def test_real_pictures_are_readable(vehicles: Callable[[str], list[Sighting]]) -> None:
    check_readable(vehicles("query"))
    assert len(Pictures(vehicles("query"), height=32, width=32)) == 720
