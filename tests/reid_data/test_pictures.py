"""Every picture is as torchvision would decode it, cached or not, and a broken one is named."""

import io
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

from reid_data.check_files import Fault, look_at
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


def encoded(kind: str, *, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def half_copied(content: bytes) -> bytes:
    return cut(content).ljust(len(content), b"\0")


def no_columns() -> bytes:
    whole = encoded("PPM")
    return whole.replace(b"64 96", b"0 96", 1)


UNREADABLE = {
    "empty": b"",
    "text": b"<html>Sign in</html>",
    "cut JPEG": cut(encoded("JPEG")),
    "cut PNG": cut(encoded("PNG")),
    "half-copied JPEG": half_copied(encoded("JPEG")),
    "half-copied PNG": half_copied(encoded("PNG")),
    "no columns": no_columns(),
}
READABLE = {
    "JPEG": encoded("JPEG"),
    "JPEG with zeros behind it": encoded("JPEG") + bytes(50),
    "grey": encoded("JPEG", mode="L"),
    "palette": encoded("PNG", mode="P"),
    "16 bits": encoded("PNG", mode="I;16"),
    "CMYK": encoded("TIFF", mode="CMYK"),
}


def refusals(path: Path) -> list[str | None]:
    """Why the cache, reading without it, a look beforehand and the check refuse a picture."""
    one = [Sighting(1, 1, path)]
    ways: list[Callable[[], object]] = [
        lambda: Pictures(one, height=4, width=4),
        lambda: Pictures(one, height=4, width=4, cached=False).read(torch.arange(1)),
        lambda: check_readable(one),
    ]
    said: list[str | None] = []
    for way in ways:
        try:
            way()
            said.append(None)
        except ValueError as error:
            said.append(str(error).partition(f"{path} (")[2].removesuffix(")."))
    found = look_at(path)
    return [*said, found.reason if isinstance(found, Fault) else None]


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_run_and_the_check_refuse_a_picture_in_the_same_words(tmp_path: Path, kind: str) -> None:
    (tmp_path / "picture").write_bytes(UNREADABLE[kind])
    reasons = refusals(tmp_path / "picture")
    assert reasons[0]
    assert len(set(reasons)) == 1


@pytest.mark.parametrize("kind", READABLE)
def test_a_run_and_the_check_take_the_same_pictures(tmp_path: Path, kind: str) -> None:
    (tmp_path / "picture").write_bytes(READABLE[kind])
    assert refusals(tmp_path / "picture") == [None] * 4


def test_a_run_and_the_check_agree_on_what_is_no_file(tmp_path: Path) -> None:
    assert refusals(tmp_path / "none") == ["no such file"] * 4
    assert refusals(tmp_path) == ["Is a directory"] * 4


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
