"""A cache never shows other pixels than the files have, whatever happened to it before."""

import logging
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

import reid_data.image_cache
from reid_data import image_files, image_store
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
        "index with a wrong slot": lambda: _last_slot(index, 3),
        "index with no slot": lambda: _last_slot(index, -1),
        "index with strange words": lambda: _strange_words(index),
    }
    changes[what]()


def _other_tables(index: Path) -> None:
    index.unlink()
    other = sqlite3.connect(index)
    other.execute("CREATE TABLE store (something TEXT)")
    other.close()


def _last_slot(index: Path, slot: int) -> None:
    """The last picture's, which may be another's already."""
    other = sqlite3.connect(index)
    with other:
        other.execute("DELETE FROM pictures WHERE slot = ?", (slot,))
        other.execute("UPDATE pictures SET slot = ? WHERE slot = 39", (slot,))
    other.close()


def _strange_words(index: Path) -> None:
    """SQLite's complaint of a table is no text then."""
    records = index.read_bytes()
    assert records.count(b"TABLE store") == 1
    index.write_bytes(records.replace(b"TABLE store", b"\xff\xfeBLE store"))


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
    "index with a wrong slot",
    "index with no slot",
    "index with strange words",
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


@pytest.mark.parametrize("remade", [False, True])
def test_a_folder_deleted_while_it_grows_stops_nobody(
    paths: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch, *, remade: bool
) -> None:
    monkeypatch.setattr(reid_data.image_cache, "_BATCH", 1)  # 16 pictures at a time
    met: list[Path] = []

    def deleting(path: Path, **size: int) -> ndarray:
        met.append(path)
        if path == paths[20]:
            shutil.rmtree(folder)
            if remade:
                cache_in(folder).open(paths[:20])
        return decoded(path, **size)

    monkeypatch.setattr(reid_data.image_cache, "decoded", deleting)
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert np.array_equal(shown(cache_in(folder).open(paths[:20])), in_files(paths[:20]))
    assert len(met) == 60


@pytest.mark.parametrize("removed", ["*.lock", "*.u8", "*.sqlite", "*"])
def test_no_picture_has_anothers_pixels_whatever_is_removed_while_two_runs_fill(
    paths: list[Path],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    removed: str,
) -> None:
    monkeypatch.setattr(reid_data.image_cache, "_BATCH", 1)  # 16 pictures at a time
    others = noise(tmp_path / "others", 40, seed=1)
    theirs: list[Cached] = []
    other_run = threading.Thread(target=lambda: theirs.append(cache_in(folder).open(others)))

    def removing(path: Path, **size: int) -> ndarray:
        if path == paths[20]:
            for file in folder.glob(removed):
                file.unlink()
            other_run.start()
            other_run.join(timeout=0.5)  # it ends, unless it has to wait for us
        return decoded(path, **size)

    monkeypatch.setattr(reid_data.image_cache, "decoded", removing)
    with caplog.at_level(logging.INFO):
        ours = cache_in(folder).open(paths)
    other_run.join()
    monkeypatch.undo()
    assert np.array_equal(shown(ours), in_files(paths))
    assert np.array_equal(shown(theirs[0]), in_files(others))
    everything = [*paths, *others]
    assert np.array_equal(shown(cache_in(folder).open(everything)), in_files(everything))
    assert caplog.text.count("was deleted while it grew") == (removed != "*.lock")


def test_who_waited_for_a_store_that_was_replaced_meanwhile_takes_the_new_one(
    paths: list[Path], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache_in(folder).open(paths[:3])
    waiting = threading.Thread(target=lambda: cache_in(folder).open(paths))
    with caplog.at_level(logging.INFO), image_files.alone(file_of(folder, "u8")):
        waiting.start()
        while "Another run fills" not in caplog.text:
            time.sleep(0.01)
        shutil.rmtree(folder)
        cache_in(folder).open(paths)
        new = file_of(folder, "u8").stat()
    waiting.join()
    assert os.path.samestat(file_of(folder, "u8").stat(), new)


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


def test_pixels_that_somebody_may_see_are_never_written_again(
    paths: list[Path], folder: Path
) -> None:
    reader = cache_in(folder).open(paths)
    damage(folder, "index with a wrong slot")
    cache_in(folder).open(noise(paths[0].parent, 43)[40:])
    assert np.array_equal(shown(reader), in_files(paths))


def test_a_folder_that_cannot_be_made_is_told_and_named_once(
    paths: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot be written \(Not a directory\): set") as error:
        cache_in(tmp_path / "file" / "cache").open(paths)
    assert str(error.value).count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (sqlite3.SQLITE_BUSY, "end the program that holds its index, set XDG_CACHE_HOME"),
        (sqlite3.SQLITE_FULL, "free some space, set XDG_CACHE_HOME"),
        (sqlite3.SQLITE_READONLY, "allow this user to write there, set XDG_CACHE_HOME"),
        (sqlite3.SQLITE_IOERR, "set XDG_CACHE_HOME"),
        (sqlite3.SQLITE_IOERR_READ, "set XDG_CACHE_HOME"),
        (sqlite3.SQLITE_CANTOPEN, "set XDG_CACHE_HOME"),
    ],
)
def test_what_may_pass_is_told_and_costs_no_picture(
    paths: list[Path],
    folder: Path,
    decodings: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    remedy: str,
) -> None:
    cache_in(folder).open(paths[:30])
    decodings.clear()

    def fails(*_: object) -> bytes:
        error = sqlite3.OperationalError("in SQLite's words")
        error.sqlite_errorcode = code
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(image_files, "_header", fails)
        with pytest.raises(ValueError, match=rf"\(in SQLite's words\): {remedy}"):
            cache_in(folder).open(paths)
    assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
    assert decodings == paths[30:]


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """As many files can be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 32, limits[1]))
    try:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(count):
            os.close(held.pop())
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("left", [0, 1])
def test_too_many_open_files_are_told_and_cost_no_picture(
    paths: list[Path], folder: Path, decodings: list[Path], left: int
) -> None:
    cache_in(folder).open(paths[:30])
    decodings.clear()
    with (
        descriptors_left(left),
        pytest.raises(ValueError, match=r"\(Too many open files\): raise the limit.*ulimit -n"),
    ):
        cache_in(folder).open(paths)
    cache_in(folder).open(paths)
    assert decodings == paths[30:]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads waits for nobody, who writes a second."""
    monkeypatch.setattr(image_store, "_READER_WAITS", 0.01)
    monkeypatch.setattr(image_store, "_WRITER_WAITS", 1.0)


@contextmanager
def looking_into(index: Path, how: str = "BEGIN") -> Iterator[sqlite3.Connection]:
    """Somebody else, who reads the index and keeps it from being written, or has it alone."""
    other = sqlite3.connect(index, check_same_thread=False)
    try:
        other.execute(how)
        other.execute("SELECT count(*) FROM pictures").fetchall()
        yield other
    finally:
        other.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["BEGIN", "BEGIN EXCLUSIVE"])
def test_a_writer_waits_longer_than_a_reader_for_who_holds_the_index(
    paths: list[Path], folder: Path, decodings: list[Path], how: str
) -> None:
    cache_in(folder).open(paths[:30])
    with looking_into(file_of(folder, "sqlite"), how) as other:
        release = threading.Timer(0.3, other.rollback)
        release.start()
        assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))
        release.join()
    cache_in(folder).open(paths)
    assert sorted(decodings) == sorted(paths)


@pytest.mark.usefixtures("impatient")
def test_who_holds_the_index_for_good_is_told_of(paths: list[Path], folder: Path) -> None:
    cache_in(folder).open(paths[:30])
    with (
        looking_into(file_of(folder, "sqlite")),
        pytest.raises(ValueError, match=r"\(database is locked\): end the program that holds its"),
    ):
        cache_in(folder).open(paths)


@contextmanager
def as_a_stranger(folder: Path) -> Iterator[None]:
    """A user who may read all that is in a folder, and write nothing."""
    for file in [folder, *folder.rglob("*")]:
        file.chmod(0o555 if file.is_dir() else 0o444)
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except PermissionError:
        pytest.skip("root may write anywhere, and may become nobody else here")
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_cache_that_cannot_be_written_serves_what_it_has() -> None:
    # Strangers may not enter pytest's own folders.
    with tempfile.TemporaryDirectory() as name:
        top, folder = Path(name), Path(name, "cache")
        top.chmod(0o755)
        paths = noise(top / "pictures", 40)
        for path in paths:
            path.chmod(0o644)
        cache_in(folder).open(paths[:30])
        with as_a_stranger(folder):
            assert np.array_equal(shown(cache_in(folder).open(paths[:30])), in_files(paths[:30]))
            with pytest.raises(ValueError, match="allow this user to write there, set") as error:
                cache_in(folder).open(paths)
        folder.chmod(0o755)
    words = str(error.value)
    assert words.startswith(f"The picture cache in {folder} cannot be written (Permission denied):")
    assert words.count(str(folder)) == 1


@pytest.fixture
def checksums(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by every checksum that is taken."""
    met: list[int] = []

    def watched(pixels: memoryview) -> int:
        met.append(zlib.crc32(pixels))
        return met[-1]

    monkeypatch.setattr(image_store, "zlib", SimpleNamespace(crc32=watched))
    return met


def test_a_process_reads_a_picture_once_to_see_whether_it_is_whole(
    paths: list[Path], folder: Path, checksums: list[int]
) -> None:
    cache_in(folder).open(paths)
    checksums.clear()
    for part, read in [(paths[:10], 10), (paths[:10], 0), (paths[5:], 30), (paths, 0)]:
        cache_in(folder).open(part)
        assert len(checksums) == read
        checksums.clear()


def test_damage_to_pixels_that_were_whole_before_is_noticed(
    paths: list[Path], folder: Path
) -> None:
    for what in ("one pixel wrong", "pixels cut short"):
        cache_in(folder).open(paths)
        cache_in(folder).open(paths)
        time.sleep(0.02)  # longer than a tick of the file system's clock
        damage(folder, what)
        assert np.array_equal(shown(cache_in(folder).open(paths)), in_files(paths))


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
