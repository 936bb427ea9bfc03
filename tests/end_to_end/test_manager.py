"""A real experiment stays on this machine, ends in a table, and leaves no process, however it ends.

Every test starts NNI's own manager with trials that need neither data nor torch, in a home folder
of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from experiments.nnictl import NNICTL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0

TRIAL = """
import os, signal, subprocess, sys, time
from pathlib import Path
from experiments.guard import warn_if_unguarded
from experiments.progress import Progress
from experiments.table import Result

mode, number = sys.argv[1], int(os.environ["NNI_TRIAL_SEQ_ID"])
warn_if_unguarded()
if mode == "break" and number == 1:
    raise RuntimeError("broken on purpose")
run = Path(os.environ["NNI_OUTPUT_DIR"]) / "run"
run.mkdir()
name = ["tcm", "darts"][number]
Progress(name, number, "search", 1, 2, 0.25, 30.0).write(run)
(run / "guard").write_text(os.environ.get("REID_NNI_GUARD", "") + " " + sys.executable)
if mode == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
while mode == "wait" and not Path("go").exists():
    time.sleep(0.1)
Result(name, number, 0.5, 0.25, 0.75, 1.0, 0.125, 10, 100, 2.0, "abc").write(run)
"""

EXPERIMENT = """
searchSpace: {{strategy: {{_type: choice, _value: [tcm, darts]}}}}
trialCommand: python trial.py {mode}
trialCodeDirectory: .
trialConcurrency: 2
maxTrialNumber: 2
tuner: {{name: GridSearch}}
trainingService: {{platform: local}}
"""


class Laptop:
    """A home folder, and the processes that call it home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        (folder / "trial.py").write_text(TRIAL)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {
            "HOME": str(self.home), "PYTHONPATH": str(ROOT), "PATH": path
        }  # fmt: skip

    @contextmanager
    def command(self, name: str, *words: str) -> Iterator[subprocess.Popen[str]]:
        """``reid-nas name words...``, from the experiment's folder."""
        script = f"import sys; from experiments.{name} import main; sys.exit(main(sys.argv[1:]))"
        with self.start([sys.executable, "-c", script, *words]) as process:
            yield process

    @contextmanager
    def start(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        """A command whose output grows in ``said`` and ``complained``."""
        out, err = self.folder / "out", self.folder / "err"
        with (
            out.open("w") as stdout,
            err.open("w") as stderr,
            subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=stdout, stderr=stderr,
                text=True,
            ) as process,
        ):  # fmt: skip
            try:
                yield process
            finally:
                process.kill()  # a test that failed inside must not wait for it

    @contextmanager
    def comparison(self, mode: str) -> Iterator[subprocess.Popen[str]]:
        """``reid-nas compare`` of two trials."""
        with self.command("compare", "--config", self.experiment(mode)) as process:
            yield process

    def experiment(self, mode: str) -> str:
        file = self.folder / "experiment.yml"
        file.write_text(EXPERIMENT.format(mode=mode))
        return str(file)

    @property
    def said(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def complained(self) -> str:
        return (self.folder / "err").read_text()

    def files(self, name: str) -> list[Path]:
        """The files ``name`` of all trials; NNI's link to the latest experiment not followed."""
        return sorted(self.home.glob(f"nni-experiments/[!_]*/environments/*/trials/*/{name}"))

    def processes(self) -> list[psutil.Process]:
        return [p for p in psutil.process_iter() if self._lives_here(p)]

    def _lives_here(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("HOME") == str(self.home)
        except (psutil.Error, OSError):
            return False

    def listening(self) -> dict[int, str]:
        """Port and address of every listening socket of these processes."""
        pids = {process.pid for process in self.processes()}
        return {
            socket.laddr.port: socket.laddr.ip
            for socket in psutil.net_connections("tcp")
            if socket.status == psutil.CONN_LISTEN and socket.laddr and socket.pid in pids
        }


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    found = Laptop(tmp_path)
    yield found
    for process in found.processes():
        process.kill()


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def ask(port: int, what: str, body: object = None) -> object:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/nni/{what}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        found: object = json.load(answer)
        return found


def test_an_experiment_listens_on_loopback_alone_and_ends_in_a_table_that_can_be_shown_again(
    laptop: Laptop,
) -> None:
    with laptop.comparison("wait") as comparison:
        assert eventually(lambda: len(laptop.files("run/guard")) == 2), laptop.said
        port = int(laptop.said.split("web UI: http://127.0.0.1:")[1].split()[0])
        trial = laptop.files("run")[0].parent.name
        ask(port, "tensorboard", {"trials": trial})
        assert eventually(lambda: len(laptop.listening()) == 2)  # the manager and TensorBoard
        assert set(laptop.listening().values()) == {"127.0.0.1"}
        assert port in laptop.listening()
        (laptop.folder / "go").touch()
        assert comparison.wait(PATIENCE) == 0, laptop.complained
    assert laptop.processes() == []
    rows = laptop.said.split("strategy")[1].splitlines()
    assert [row.split()[:3] for row in rows[1:3]] == [
        ["darts", "1", "50.00"],
        ["tcm", "0", "50.00"],
    ]
    (summary,) = laptop.home.glob("nni-experiments/[!_]*/summary.csv")
    assert len(summary.read_text().splitlines()) == 3
    for file in laptop.files("run/guard"):
        assert file.read_text() == f"1 {sys.executable}"
    assert [file.read_text() for file in laptop.files("trial.stderr")] == ["", ""]

    again = laptop.said.split(" nnictl ")[1].split("  (")[0].split()
    assert again == ["view", summary.parent.name, "--port", str(port)]
    with laptop.command("nnictl", *again) as view:
        assert view.wait(PATIENCE) == 0, laptop.complained
    assert laptop.listening() == {port: "127.0.0.1"}
    assert ask(port, "check-status") == {"status": "VIEWED", "errors": []}
    with laptop.command("nnictl", "stop", again[1]) as stop:
        assert stop.wait(PATIENCE) == 0
    assert laptop.processes() == []


def test_a_trial_that_breaks_is_told_and_the_other_is_kept(laptop: Laptop) -> None:
    with laptop.comparison("break") as comparison:
        assert comparison.wait(PATIENCE) == 1
    assert "\ntcm          0  50.00" in laptop.said
    assert "\nRuntimeError: broken on purpose\n" in laptop.said
    assert laptop.complained == "1 of 2 trials failed; see above.\n"
    assert laptop.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_even_of_trials_that_ignore_it(
    laptop: Laptop, number: signal.Signals
) -> None:
    with laptop.comparison("deaf") as comparison:
        assert eventually(lambda: sum("600" in str(p.cmdline()) for p in laptop.processes()) == 2)
        comparison.send_signal(number)
        assert comparison.wait(PATIENCE) == 128 + number
    assert laptop.processes() == []
    assert laptop.complained == f"Stopped by {number.name}.\n"


def test_a_signal_while_the_experiment_is_being_created_leaves_no_process(laptop: Laptop) -> None:
    with laptop.comparison("wait") as comparison:
        assert eventually(lambda: any("main.js" in str(p.cmdline()) for p in laptop.processes()))
        comparison.send_signal(signal.SIGINT)
        assert comparison.wait(PATIENCE) == 128 + signal.SIGINT
    assert laptop.processes() == []


def test_what_nni_refuses_ends_in_a_sentence(laptop: Laptop) -> None:
    file = laptop.folder / "wrong.yml"
    file.write_text("trialCommand: 3\n")
    with laptop.command("compare", "--config", str(file), "--no-preflight") as comparison:
        assert comparison.wait(PATIENCE) == 1
    assert laptop.complained.splitlines()[-1].startswith("NNI did not start the experiment of ")
    with laptop.command("nnictl", "no-such-command") as refused:
        assert refused.wait(PATIENCE) == 2  # NNI's own exit status
    assert "invalid choice: 'no-such-command'" in laptop.complained


def test_a_trial_of_a_plain_nnictl_says_that_its_manager_is_open(laptop: Laptop) -> None:
    config = laptop.experiment("wait")
    with laptop.start([*NNICTL, "create", "--config", config, "--port", "8975"]) as create:
        assert create.wait(PATIENCE) == 0
    assert eventually(lambda: len(laptop.files("run/guard")) == 2)
    assert set(laptop.listening().values()) != {"127.0.0.1"}  # so the tests above can fail
    for file in laptop.files("trial.stderr"):
        assert file.read_text().count("open to the network and asks for no password") == 1
    with laptop.command("nnictl", "stop", "--all") as stop:
        assert stop.wait(PATIENCE) == 0
