"""A cache never shows other pixels than the files have, whatever happened to it before."""

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

import reid_data.image_cache
from reid_data.decoding import decoded
from reid_data.image_cache import Cached, ImageCache

HEIGHT, WIDTH = 12, 8
ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return noise(tmp_path / "pictures", 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by every picture that is decoded."""
    met: list[Path] = []

    def watched(path: Path, **size: int) -> ndarray:
        met.append(path)
        return decoded(path, **size)

    monkeypatch.setattr(reid_data.image_cache, "decoded", watched)
    return met


def noise(folder: Path, count: int, seed: int = 0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(path)
    return paths


def cache_in(folder: Path, **size: int) -> ImageCache:
    return ImageCache(**({"height": HEIGHT, "width": WIDTH} | size), folder=folder)


def shown(cached: Cached) -> ndarray:
    return cached.pixels.take(cached.slots, axis=0)


def in_files(paths: Sequence[Path]) -> ndarray:
    return np.stack([decoded(path, height=HEIGHT, width=WIDTH) for path in paths])


def file_of(folder: Path, ending: str) -> Path:
    [file] = folder.glob(f"{HEIGHT}x{WIDTH}-*.{ending}")
    return file


def test_pictures_are_decoded_once_for_any_subset_in_any_order(
    paths: list[Path], folder: Path, decodings: list[Path]
) -> None:
    cache_in(folder).open(paths[:30:2])
    wanted = [*paths[35:5:-3], paths[7], paths[7]]
    assert np.array_equal(shown(cache_in(folder).open(wanted)), in_files(wanted))
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert sorted(decodings) == sorted(paths)


def test_sizes_do_not_meet(paths: list[Path], folder: Path) -> None:
    first = cache_in(folder).open(paths)
    assert shown(cache_in(folder, height=WIDTH, width=HEIGHT).open(paths)).shape[2:] == (8, 12)
    assert np.array_equal(shown(first), in_files(paths))


def test_no_pictures_need_no_folder(folder: Path) -> None:
    assert shown(cache_in(folder).open([])).shape == (0, 3, HEIGHT, WIDTH)
    assert not folder.exists()


def test_mapped_pixels_cannot_be_written(paths: list[Path], folder: Path) -> None:
    pixels = cache_in(folder).open(paths).pixels
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


@pytest.mark.parametrize("keeps", ["size", "time"])
def test_a_changed_file_is_decoded_again_and_no_other(
    paths: list[Path], folder: Path, decodings: list[Path], keeps: str
) -> None:
    cache_in(folder).open(paths)
    decodings.clear()
    before = paths[3].stat()
    Image.new("RGB", (9, 7), "red").save(paths[3])
    if keeps == "size":
        paths[3].write_bytes(paths[3].read_bytes().ljust(before.st_size, b"\0"))
    else:
        os.utime(paths[3], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert decodings == [paths[3]]


def test_another_version_decodes_anew(
    paths: list[Path], folder: Path, decodings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_in(folder).open(paths)
    decodings.clear()
    monkeypatch.setattr(reid_data.image_cache, "VERSION", 99)
    cache_in(folder).open(paths)
    assert sorted(decodings) == sorted(paths)


def damage(folder: Path, what: str) -> None:
    pixels, index = file_of(folder, "u8"), file_of(folder, "sqlite")
    whole, records = pixels.read_bytes(), index.read_bytes()
    changes: dict[str, Callable[[], object]] = {
        "pixels gone": pixels.unlink,
        "pixels empty": lambda: pixels.write_bytes(b""),
        "pixels cut short": lambda: pixels.write_bytes(whole[: len(whole) // 2]),
        "pixels without their end": lambda: pixels.write_bytes(whole[:-1]),
        "one pixel wrong": lambda: pixels.write_bytes(whole[:9000] + b"abc" + whole[9003:]),
        "pixels not ours": lambda: pixels.write_bytes(b"x" * len(whole)),
        "index gone": index.unlink,
        "index empty": lambda: index.write_bytes(b""),
        "index cut short": lambda: index.write_bytes(records[: len(records) // 2]),
        "index not a database": lambda: index.write_bytes(b"x" * len(records)),
        "index of others": lambda: _other_tables(index),
    }
    changes[what]()


def _other_tables(index: Path) -> None:
    index.unlink()
    other = sqlite3.connect(index)
    other.execute("CREATE TABLE store (something TEXT)")
    other.close()


DAMAGES = [
    "pixels gone",
    "pixels empty",
    "pixels cut short",
    "pixels without their end",
    "one pixel wrong",
    "pixels not ours",
    "index gone",
    "index empty",
    "index cut short",
    "index not a database",
    "index of others",
]


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_cache_is_noticed_and_made_whole(
    paths: list[Path], folder: Path, decodings: list[Path], what: str
) -> None:
    cache_in(folder).open(paths)
    damage(folder, what)
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    decodings.clear()
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert decodings == []


def test_files_of_two_stores_never_go_together(tmp_path: Path) -> None:
    # The same number of pictures under the same names, but other pixels.
    one, two = tmp_path / "one", tmp_path / "two"
    here = noise(tmp_path / "pictures", 5)
    cache_in(one).open(here)
    noise(tmp_path / "pictures", 5, seed=1)
    cache_in(two).open(here)
    shutil.copy(file_of(one, "u8"), file_of(two, "u8"))
    assert np.array_equal(shown(cache_in(two).open(here)), in_files(here))


def test_a_reader_is_not_disturbed_by_additions_nor_by_deletion(
    paths: list[Path], folder: Path
) -> None:
    reader = cache_in(folder).open(paths[:10])
    cache_in(folder).open(paths)
    assert np.array_equal(shown(reader), in_files(paths[:10]))
    shutil.rmtree(folder)
    assert np.array_equal(shown(reader), in_files(paths[:10]))
    cache_in(folder).open(paths[20:])
    assert np.array_equal(shown(reader), in_files(paths[:10]))


def test_a_damaged_cache_is_replaced_and_not_rewritten_under_its_readers(
    paths: list[Path], folder: Path
) -> None:
    reader = cache_in(folder).open(paths)
    before = file_of(folder, "u8").stat().st_ino
    damage(folder, "index gone")
    cache_in(folder).open(paths[::-1])
    assert file_of(folder, "u8").stat().st_ino != before
    assert np.array_equal(shown(reader), in_files(paths))


def test_a_folder_deleted_while_it_grows_stops_nobody(
    paths: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reid_data.image_cache, "_BATCH", 1)  # 16 pictures at a time
    met: list[Path] = []

    def deleting(path: Path, **size: int) -> ndarray:
        met.append(path)
        if path == paths[20]:
            shutil.rmtree(folder)
        return decoded(path, **size)

    monkeypatch.setattr(reid_data.image_cache, "decoded", deleting)
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert np.array_equal(shown(cache_in(folder).open(paths[:20])), in_files(paths[:20]))
    assert len(met) == 60


def test_unreadable_pictures_are_named_and_the_others_kept(
    paths: list[Path], folder: Path, decodings: list[Path]
) -> None:
    paths[2].write_bytes(b"no picture")
    paths[4].unlink()
    with pytest.raises(ValueError, match=r"2 of 40 pictures cannot be read: .*4\.png.*2\.png"):
        cache_in(folder).open(paths)
    decodings.clear()
    good = [path for path in paths if path not in {paths[2], paths[4]}]
    assert np.array_equal(shown(cache_in(folder).open(good)), in_files(good))
    assert decodings == []


def test_a_full_disk_is_told_before_anything_is_decoded(
    paths: list[Path], folder: Path, decodings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20_000))
    with pytest.raises(ValueError, match=r"needs 0 MB for 40 pictures at 12x8.*XDG_CACHE_HOME"):
        cache_in(folder).open(paths)
    assert decodings == []


def test_a_disk_that_fills_up_meanwhile_is_told(
    paths: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(ValueError, match=r"cannot be written .*No space left.*cached=False"):
            cache_in(folder).open(paths)
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))


def test_a_folder_that_cannot_be_made_is_told(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot be written"):
        cache_in(tmp_path / "file" / "cache").open(paths)


def test_the_size_is_announced_beforehand_and_once(
    paths: list[Path], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        cache_in(folder).open(paths)
        # 40 x (3 x 12 x 8 + 512) bytes = 32,000, or 0.03 MB
        assert "40 pictures at 12x8" in caplog.text
        assert "0.0 MB" in caplog.text
        caplog.clear()
        cache_in(folder).open(paths)
    assert caplog.text == ""


FILL = """
import sys, time
from pathlib import Path
import reid_data.image_cache as module
from reid_data.decoding import decoded

folder, log, pause, begin, end = sys.argv[1:6]
module._BATCH = 1
def slow(path, **size):
    with open(log, "a") as out:
        out.write(path.name + "\\n")
    time.sleep(float(pause))
    return decoded(path, **size)
module.decoded = slow
paths = sorted(Path(folder, "pictures").iterdir())[int(begin):int(end)]
module.ImageCache(height=12, width=8, folder=Path(folder, "cache")).open(paths)
"""


def filling(
    folder: Path, log: Path, *, pause: float = 0.02, begin: int = 0, end: int = 40
) -> "subprocess.Popen[bytes]":
    """Another process that fills the cache, so many seconds for each picture."""
    arguments = [str(folder), str(log), str(pause), str(begin), str(end)]
    return subprocess.Popen([sys.executable, "-c", FILL, *arguments], cwd=ROOT)


def wait_for_lines(log: Path, count: int) -> None:
    for _ in range(2000):
        if log.exists() and len(log.read_text().splitlines()) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("the other process decodes nothing")


@pytest.mark.parametrize("pictures", [3, 18, 35])
def test_a_killed_process_leaves_what_it_committed(
    paths: list[Path], folder: Path, tmp_path: Path, decodings: list[Path], pictures: int
) -> None:
    with filling(tmp_path, tmp_path / "log") as process:
        wait_for_lines(tmp_path / "log", pictures)
        process.send_signal(signal.SIGKILL)
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    # Batches of 16 pictures; every one that was finished stays.
    assert len(decodings) in {40, 24, 8}
    assert len(decodings) <= 40 - (pictures - 1) // 16 * 16


def test_processes_that_want_the_same_wait_and_decode_nothing_twice(
    paths: list[Path], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "log"
    with filling(tmp_path, log), filling(tmp_path, log, begin=10, end=30):
        wait_for_lines(log, 1)
        with caplog.at_level(logging.INFO):
            assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert "Another run fills the picture cache" in caplog.text
    names = log.read_text().splitlines()
    assert sorted(names) == sorted(set(names))


def test_who_finds_everything_waits_for_nobody(
    paths: list[Path], folder: Path, tmp_path: Path
) -> None:
    cache_in(folder).open(paths[:3])
    log = tmp_path / "log"
    with filling(tmp_path, log, pause=0.2) as process:
        wait_for_lines(log, 1)
        assert np.array_equal(shown(cache_in(folder).open(paths[:3])), in_files(paths[:3]))
        assert len(log.read_text().splitlines()) < len(paths[3:])
        process.kill()
