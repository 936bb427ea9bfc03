"""Every process of one run, found by a mark in its environment.

NNI's manager leads a process group of its own, and ending a trial ends only the shell around it;
what a trial left behind would go on computing. The environment is what all of them inherit.
"""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

MARK = "REID_NAS_RUN"


@dataclass(frozen=True)
class Family:
    """All processes started with this run's mark, and their descendants.

    Attributes:
        name: the mark's value, unique to the run.
    """

    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to belong to the family."""
        return {MARK: self.name}

    def members(self, having: str | None = None) -> list[psutil.Process]:
        """The family's living processes, by id; never the calling process.

        Args:
            having: name of a variable, to find only those with it in their environment as well,
                and their descendants.
        """
        parents = {process: _parent(process) for process in psutil.process_iter()}
        found: set[int] = set()
        new = {process.pid for process in parents if self._is_member(process, having)}
        while new:
            found |= new
            new = {p.pid for p, parent in parents.items() if parent in new} - found
        found.discard(os.getpid())
        return [p for p in sorted(parents, key=_pid) if p.pid in found and alive(p)]

    def end(self, *, having: str | None = None, patience: float = 3.0) -> None:
        """Ask the members to end, and kill those still there after ``patience`` seconds."""
        members = self.members(having)
        _send(signal.SIGTERM, members)
        wait_gone(members, patience)
        while members := self.members(having):  # one may have started another meanwhile
            _send(signal.SIGKILL, members)
            wait_gone(members, 1.0)

    def _is_member(self, process: psutil.Process, having: str | None) -> bool:
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            return False  # another user's, or gone
        return environment.get(MARK) == self.name and (having is None or having in environment)


def alive(process: psutil.Process) -> bool:
    """Whether the process still runs; one that ended unnoticed by its parent does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_gone(processes: Sequence[psutil.Process], patience: float) -> None:
    """Wait until none of them is alive, or ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while any(alive(p) for p in processes) and time.monotonic() < deadline:
        time.sleep(0.1)


# Not psutil's own children() and kill(): they compare start times, which move with the clock.
def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _pid(process: psutil.Process) -> int:
    return process.pid


def _send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)
