"""One NNI manager: started guarded, asked over its REST interface, and ended in order."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import psutil

from experiments.guard import guarded_environment, own_command
from experiments.nnictl import NNICTL
from experiments.processes import Family, alive, wait_gone
from experiments.trials import Trial

FIRST_PORT = 8080
LAST_PORT = 65535
LOOPBACK = "127.0.0.1"

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ManagerFailedError(RuntimeError):
    """The manager did not start, ended with an error, or is gone."""


@dataclass(frozen=True)
class Manager:
    """A running manager.

    Attributes:
        process: its Node process.
        port: of its REST interface and web UI, on 127.0.0.1.
        experiment: NNI's id.
        folder: NNI's folder of the experiment.
        family: all processes it started, and itself.
    """

    process: psutil.Process
    port: int
    experiment: str
    folder: Path
    family: Family

    @property
    def url(self) -> str:
        """The web UI's address."""
        return f"http://{LOOPBACK}:{self.port}"

    def trials(self) -> list[Trial]:
        """The trials so far, in NNI's order."""
        return sorted(
            Trial(
                number=job.get("sequenceId", -1),
                id=job["trialJobId"],
                status=job["status"],
                folder=Path(job.get("logPath", self.folder / "trials" / job["trialJobId"])),
            )
            for job in self._ask("trial-jobs")
        )

    def follow(self, *, every: float = 2.0) -> Iterator[list[Trial]]:
        """The trials, again and again until the experiment is done.

        Args:
            every: seconds between two looks.

        Raises:
            ManagerFailedError: if the experiment ended with an error, or the manager is gone.
        """
        idle = 0
        while True:
            found = self._ask("check-status")
            trials = self.trials()
            yield trials
            if found["status"] == "ERROR":
                raise _failure(found.get("errors", []), self.folder)
            # NNI never calls an experiment done whose tuner ran out of points before the YAML's
            # trial number; a second look makes sure that no trial was about to start.
            exhausted = found["status"] == "TUNER_NO_MORE_TRIAL"
            idle = idle + 1 if exhausted and all(trial.ended for trial in trials) else 0
            if found["status"] in ("DONE", "STOPPING", "STOPPED") or idle > 1:
                return
            time.sleep(every)

    def stop(self, *, patience: float = 45.0) -> None:
        """Ask the manager to end, end its trials, and wait for it to be gone.

        NNI would end one trial after the other, and of each only the process it started itself.
        Whatever is still there afterwards is the family's to end.

        Args:
            patience: seconds to wait.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGTERM)
        self.family.end(having="NNI_TRIAL_JOB_ID")
        wait_gone([self.process], patience)

    def _ask(self, what: str, *, patience: float = 60.0) -> Any:
        deadline = time.monotonic() + patience
        while True:
            try:
                with _OPENER.open(f"{self.url}/api/v1/nni/{what}", timeout=20) as answer:
                    return json.load(answer)
            except (OSError, HTTPException, ValueError) as error:
                if not alive(self.process) or time.monotonic() > deadline:
                    raise ManagerFailedError(
                        f"NNI's manager of experiment {self.experiment} no longer answers at"
                        f" {self.url} ({error}): it was stopped, or broke; its logs are in"
                        f" {self.folder / 'log'}."
                    ) from error
                time.sleep(1.0)


def start(config: Path, port: int, family: Family) -> Manager:
    """Create the experiment of an NNI YAML file, as ``nnictl create`` does.

    Args:
        config: the YAML file.
        port: for the web UI.
        family: whom every process started belongs to.

    Raises:
        ManagerFailedError: if NNI refuses, with the end of what it said.
    """
    environment = guarded_environment(os.environ) | family.environment
    command = [*NNICTL, "create", "--config", str(config), "--port", str(port)]
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # A session of its own: Ctrl-C in the terminal reaches us, and we end it in order.
        creation = subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=said, stderr=said, start_new_session=True
        )
        status = creation.wait()
        said.seek(0)
        words = "\n".join(said.read().rstrip().splitlines()[-15:])
    node = next((p for p in family.members() if _argument(p, "--experiment-id")), None)
    if status != 0 or node is None:
        raise ManagerFailedError(
            f"{words}\nNNI did not start the experiment of {config} on port {port}; what it said"
            " is above."
        )
    experiment = _argument(node, "--experiment-id")
    return Manager(
        process=node,
        port=port,
        experiment=experiment,
        folder=Path(_argument(node, "--experiments-directory"), experiment),
        family=family,
    )


def free_port(wanted: int | None = None) -> int:
    """A port for the web UI: the one wanted, or the first from 8080 on that nobody listens on.

    Raises:
        ValueError: if that one is none, or it, or all of the next hundred, are taken.
    """
    if wanted is not None and not 1 <= wanted <= LAST_PORT:
        raise ValueError(
            f"--port {wanted} is no port: NNI's web UI needs one from 1 to {LAST_PORT}; leave it"
            f" out for the first free one from {FIRST_PORT}."
        )
    candidates = range(FIRST_PORT, FIRST_PORT + 100) if wanted is None else [wanted]
    for port in candidates:
        if _is_free(port):
            return port
    taken = f"{candidates[0]} to {candidates[-1]}" if wanted is None else f"{wanted}"
    raise ValueError(
        f"Port {taken} is taken, and NNI's web UI needs a free one: stop what listens there"
        f" (an experiment: {own_command()} nnictl stop ID), or name another by --port."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:  # NNI asks this way, and gives up if anyone answers
        if probe.connect_ex(("localhost", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _argument(process: psutil.Process, name: str) -> str:
    """What follows ``name`` on the command line of ``process``; empty if nothing does."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    return dict(pairwise(words)).get(name, "")


def _failure(errors: list[str], folder: Path) -> ManagerFailedError:
    return ManagerFailedError(
        f"NNI ended the experiment with an error ({'; '.join(errors) or 'no reason given'}): its"
        f" logs are in {folder / 'log'}."
    )
