"""Several processes that train together, of which the one that asks for them is number 0.

Only that one keeps files, shows a bar and is told of epochs; the others end with it, whatever ends
it.
"""

import multiprocessing
import os
import pickle
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

import torch
import torch.distributed as dist

Work = Callable[[int], None]
"""Number of a process -> its part of the work; can be pickled."""

_PATIENCE = 30.0
"""Seconds a process may take to end once number 0 has ended its part."""
_ARRIVAL = timedelta(hours=1)
"""What a process may wait for number 0, which may still have pictures to decode."""
_PAUSE = 0.05
"""Seconds between two looks at processes that are still to come."""
_HERE = "here"


class _Other(NamedTuple):
    process: SpawnProcess
    last_words: Connection


@contextmanager
def accompanied(work: Work, processes: int) -> Iterator[Callable[[], None]]:
    """Inside, this is process 0, and ``work(1)``, ``work(2)``, ... run in processes of their own.

    Each gets a copy of what the work refers to, as it is now.

    Args:
        work: of the others.
        processes: with this one.

    Yields:
        What raises once one of the others has broken; to be called now and then, as a device may
        wait for the others without an end.

    Raises:
        ValueError: if one of the others breaks; it says in which way.
    """
    before = dict(os.environ)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "LOCAL_RANK": "0"}
    others = [_begun(work, number) for number in range(1, processes)]

    def look() -> None:
        for number, other in enumerate(others, start=1):
            if other.process.exitcode:
                raise ValueError(_why(number, other))

    try:
        yield look
        for other in others:
            other.process.join(_PATIENCE)
        look()
    except RuntimeError as error:  # as torch calls a connection that another process has closed
        for other in others:
            other.process.join(_PATIENCE)
        look()
        raise error
    finally:
        for other in others:
            other.process.kill()
            other.process.join()
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def joined(
    number: int, processes: int, device: torch.device, look: Callable[[], None]
) -> Iterator[None]:
    """Inside, this process is one of a group that computes together.

    torch waits for half an hour for a process that broke before it came, so that nobody begins to
    wait in it before all are there.

    Args:
        number: of this process.
        processes: of the group.
        device: of this process.
        look: as ``accompanied`` yields it, or nothing.

    Raises:
        ValueError: what ``look`` raises.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
        torch.empty(1, device=device)  # refuses now a device that cannot be used
    port, first = int(os.environ["MASTER_PORT"]), number == 0
    store = dist.TCPStore(  # type: ignore[attr-defined] # as documented
        "127.0.0.1", port, is_master=first, timeout=_ARRIVAL, wait_for_workers=False
    )
    store.add(_HERE, 1)
    while first and store.add(_HERE, 0) < processes:
        look()
        time.sleep(_PAUSE)
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=number,
        world_size=processes,
        device_id=device if on_gpu else None,
    )
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _begun(work: Work, number: int) -> _Other:
    context = multiprocessing.get_context("spawn")
    reading, writing = context.Pipe(duplex=False)
    # pickled here: torch would let processes share the memory of what they are to have copies of
    settings = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    arguments = pickle.dumps(work), number, settings, writing
    process = context.Process(target=_do, args=arguments, daemon=True)
    os.environ["LOCAL_RANK"] = str(number)
    process.start()
    os.environ["LOCAL_RANK"] = "0"
    writing.close()
    return _Other(process, reading)


def _do(work: bytes, number: int, settings: tuple[int, bool], last_words: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 0 answers it, and warns
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threads, repeatable = settings
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(repeatable, warn_only=True)
    try:
        pickle.loads(work)(number)  # noqa: S301 - what process 0 has just written
    except Exception as error:  # noqa: BLE001 - process 0 says what it was
        last_words.send(f"{type(error).__name__}: {' '.join(str(error).split())}")
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _why(number: int, other: _Other) -> str:
    said = other.last_words.recv() if other.last_words.poll() else "it left no words"
    return (
        f"Process {number} of the training ended with status {other.process.exitcode} ({said}):"
        " see to that, or train on one device."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
