"""A file is replaced whole or not at all, by however many writers, and a signal waits for it."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from nas_space.replacing import replaced


def fails(draft: Path) -> None:
    draft.write_text("half")
    raise OSError("no space left")


def test_a_write_that_breaks_off_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(OSError, match="no space"):
        replaced(file, fails)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_until_it_is_written_a_reader_has_the_old_content(tmp_path: Path) -> None:
    file, read = tmp_path / "file", []
    file.write_text("old")

    def write(draft: Path) -> None:
        draft.write_text("new")
        read.append(file.read_text())

    replaced(file, write)
    assert (read, file.read_text()) == (["old"], "new")


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """Both have begun before either is done: the content is the one's or the other's."""
    file, both = tmp_path / "file", Barrier(2, timeout=30)

    def write(letter: str) -> None:
        def draw(draft: Path) -> None:
            with draft.open("w") as out:
                out.write(letter)
                out.flush()
                both.wait()
                out.write(letter)

        replaced(file, draw)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write, letter) for letter in "ab"]:
            done.result()
    assert file.read_text() in {"aa", "bb"}
    assert list(tmp_path.iterdir()) == [file]


def test_a_signal_during_a_write_is_answered_after_it(tmp_path: Path) -> None:
    class AskedToEndError(BaseException):
        pass

    def end(number: int, frame: object) -> None:
        raise AskedToEndError

    def write(draft: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        draft.write_text("whole")

    file, before = tmp_path / "file", signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(AskedToEndError):
            replaced(file, write)
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert file.read_text() == "whole"


def test_no_other_file_is_touched_and_the_new_one_has_the_usual_mode(tmp_path: Path) -> None:
    file, other, new = tmp_path / "file", tmp_path / ".file", tmp_path / "new"
    other.write_text("someone's")
    new.touch()

    def write(draft: Path) -> None:
        draft.write_text("whole")

    replaced(file, write)
    assert file.stat().st_mode == new.stat().st_mode
    assert sorted(tmp_path.iterdir()) == [other, file, new]
    assert other.read_text() == "someone's"
