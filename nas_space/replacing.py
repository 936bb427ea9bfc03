"""A file that is replaced at once: whoever reads it has the old content or the new one."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_ENDING = [  # Windows has no SIGHUP
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def replaced(file: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a new file, and put it in the place of ``file`` when it is on the disk.

    Until then it lies in a folder of its own beside ``file``, which is gone again if ``write``
    fails; several processes may write one file, and the last one stays. A signal that asks the
    process to end is answered afterwards: an exception out of the middle of torch's writer would
    come out of it as another one.
    """
    folder = file.parent
    with _signals_held(), tempfile.TemporaryDirectory(dir=folder, prefix=".draft_") as own:
        draft = Path(own) / file.name
        write(draft)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)


@contextmanager
def _signals_held() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only that one gets any
        yield
        return
    came: list[int] = []
    found = {number: signal.getsignal(number) for number in _ENDING}
    handlers = {number: handler for number, handler in found.items() if handler is not None}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for first in came[:1]:
            os.kill(os.getpid(), first)
