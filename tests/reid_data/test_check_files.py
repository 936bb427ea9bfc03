"""Every file is decoded to its end: a picture is told from its beginning, and equal from alike."""

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_data import check_files, decoding
from reid_data.check_files import Fault, PictureFile, look_at, survey


def encoded(seed: int = 0, *, kind: str = "JPEG", width: int = 16, height: int = 24) -> bytes:
    """Noise as a picture file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "picture.jpg"
        path.write_bytes(content)
        return path

    return write


def test_a_whole_picture_has_its_size_and_colours(file: Callable[[bytes], Path]) -> None:
    found = look_at(file(encoded(width=16, height=24)))
    assert isinstance(found, PictureFile)
    assert (found.width, found.height, found.mode) == (16, 24, "RGB")


def test_every_beginning_of_a_jpeg_is_a_fault(file: Callable[[bytes], Path]) -> None:
    whole = encoded()
    for length in range(len(whole)):
        found = look_at(file(whole[:length]))
        assert isinstance(found, Fault), f"{length} of {len(whole)} bytes passed for a picture"
        assert not found.missing


@pytest.mark.parametrize("lost", [3, 20, 200, 400])
def test_a_jpeg_whose_end_was_never_copied_is_a_fault(
    file: Callable[[bytes], Path], lost: int
) -> None:
    assert isinstance(look_at(file(encoded()[:-lost] + bytes(lost))), Fault)  # zeros in its place


def test_zeros_behind_a_whole_jpeg_do_no_harm(file: Callable[[bytes], Path]) -> None:
    assert isinstance(look_at(file(encoded() + bytes(50))), PictureFile)


# A texture file that asks for colours Pillow does not implement, as NotImplementedError.
_STRANGE = b"DDS " + struct.pack("<7I44x8I20x", 124, 0, 4, 4, 0, 0, 0, 32, *[0] * 7)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>Sign in</html>", "not a picture in a format that Pillow knows"),
        (_STRANGE, "Unknown pixel format flags 0"),
    ],
)
def test_what_is_no_picture_says_why_without_an_address(
    file: Callable[[bytes], Path], content: bytes, reason: str
) -> None:
    assert look_at(file(content)) == Fault(missing=False, reason=reason)


def test_a_file_that_is_not_there_is_missing_and_a_folder_is_unreadable(tmp_path: Path) -> None:
    assert look_at(tmp_path / "none.jpg") == Fault(missing=True, reason="no such file")
    dangling = tmp_path / "link.jpg"
    dangling.symlink_to(tmp_path / "none.jpg")
    assert look_at(dangling) == Fault(missing=True, reason="no such file")
    assert look_at(tmp_path) == Fault(missing=False, reason="Is a directory")


def test_equal_bytes_have_equal_digests_and_others_do_not(tmp_path: Path) -> None:
    paths = {}
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        paths[name] = tmp_path / f"{name}.jpg"
        paths[name].write_bytes(encoded(seed))
    looks = survey(paths.values())
    digests = {name: looks[path].digest for name, path in paths.items()}  # type: ignore[union-attr]
    assert digests["a"] == digests["b"] != digests["c"]


def test_files_come_sorted_and_once_however_they_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(9)]
    for number, path in enumerate(paths):
        path.write_bytes(encoded(number) if number % 3 else b"")
    expected = {path: look_at(path) for path in paths}
    looked: list[Path] = []

    def look_once(path: Path) -> PictureFile | Fault:
        looked.append(path)
        return look_at(path)

    monkeypatch.setattr(check_files, "look_at", look_once)
    monkeypatch.setattr(decoding, "_AT_ONCE", 2)

    named = random.Random(0).sample([*paths, *paths], 18)
    found = survey(named)
    assert found == expected
    assert list(found) == paths
    assert sorted(looked) == paths


def test_nothing_to_look_at_is_nothing(tmp_path: Path) -> None:
    assert survey([]) == {}
