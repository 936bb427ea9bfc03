"""A whole experiment under the preload: what it shows of a trial is what the trial was and made.

One experiment, whose tuner takes twelve seconds to start and whose trials ask for their parameters
in another order than they were created in, is stopped with three trials unfinished, viewed, and
resumed to its end.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0

# The tuner's process, and no other, starts late: once.
SITECUSTOMIZE = """
import os, pathlib, time
mark = pathlib.Path(__file__).with_name("late")
if os.environ.get("SDK_PROCESS") == "dispatcher" and mark.exists():
    mark.unlink()
    time.sleep(12)
"""

TRIAL = """
import json, os, time
from pathlib import Path
number, out = int(os.environ["NNI_TRIAL_SEQ_ID"]), Path(os.environ["NNI_OUTPUT_DIR"])
print(number, flush=True)
time.sleep([1.5, 0.7, 0.0][number % 3])
import nni
point = nni.get_next_parameter()
with (out / "points").open("a") as file:
    file.write(json.dumps(point) + chr(10))
while number >= 3 and not Path("go").exists():
    time.sleep(0.1)
if number == 0:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    board = EventFileWriter(str(out / "tensorboard"))
    curve = Summary(value=[Summary.Value(tag="held-out mAP", simple_value=0.25)])
    board.add_event(Event(step=1, wall_time=time.time(), summary=curve))
    board.close()
nni.report_final_result(point["x"] / 10)
"""

EXPERIMENT = """
searchSpace: {x: {_type: choice, _value: [0, 1, 2, 3, 4, 5, 6]}}
trialCommand: python trial.py
trialCodeDirectory: .
trialConcurrency: 3
maxTrialNumber: 7
tuner: {name: GridSearch}
trainingService: {platform: local}
"""


@dataclass(frozen=True)
class Experiment:
    """An experiment of a home folder, and its manager's port while it has one."""

    folder: Path
    port: int
    name: str = ""

    @property
    def trials(self) -> Path:
        """Where the trials' folders are."""
        return self.folder / "nni-experiments" / self.name / "environments/local-env/trials"

    def nnictl(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "experiments.__main__", "nnictl", *words],
            cwd=self.folder,
            env=os.environ
            | {"HOME": str(self.folder), "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"},
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, what: str) -> bytes:
        return fetch(self.port, f"api/v1/nni/{what}")

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.get("trial-jobs"))
        return sorted(found, key=lambda job: int(job["sequenceId"]))

    def statuses(self) -> list[str]:
        return [job["status"] for job in self.jobs()]

    def shown(self) -> dict[str, Any]:
        """Of each trial, the parameters that the web page shows."""
        return {
            job["trialJobId"]: json.loads(job["hyperParameters"][0])["parameters"]
            for job in self.jobs()
        }

    def ran(self) -> dict[str, Any]:
        """Of each trial, the parameters that each of its runs was given."""
        return {
            file.parent.name: [json.loads(line) for line in file.read_text().splitlines()]
            for file in self.trials.glob("*/points")
        }


def fetch(port: int, path: str, body: dict[str, Any] | None = None) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        found: bytes = answer.read()
        return found


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.2)
    return False


def lives_in(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("HOME") == str(home)
    except (psutil.Error, OSError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Experiment]:
    """Three trials have finished, three run, and one waits."""
    folder = tmp_path_factory.mktemp("home")
    files = {"sitecustomize.py": SITECUSTOMIZE, "trial.py": TRIAL, "experiment.yml": EXPERIMENT}
    for name, text in files.items() | {("late", "")}:
        (folder / name).write_text(text)
    nobody = Experiment(folder, free_port())
    try:
        nobody.nnictl("create", "--config", "experiment.yml", "--port", str(nobody.port))
        (found,) = (folder / "nni-experiments").glob("[!_.]*/db")
        experiment = replace(nobody, name=found.parent.name)
        wanted = ["SUCCEEDED"] * 3 + ["RUNNING"] * 3
        assert eventually(lambda: experiment.statuses() == wanted and len(experiment.ran()) == 6)
        yield experiment
    finally:
        for process in [p for p in psutil.process_iter() if lives_in(p, folder)]:
            process.kill()


def test_a_tuner_that_starts_late_ends_no_experiment(running: Experiment) -> None:
    assert not (running.folder / "late").exists()
    assert json.loads(running.get("check-status")) == {"status": "RUNNING", "errors": []}


def test_page_and_export_show_what_each_trial_ran(running: Experiment, tmp_path: Path) -> None:
    assert {trial: [point] for trial, point in running.shown().items()} == running.ran()
    file = tmp_path / "exported.json"
    running.nnictl(
        "experiment", "export", running.name, "--filename", str(file), "--type", "json",
        "--intermediate",
    )  # fmt: skip
    exported = {row["trialJobId"]: row for row in json.loads(file.read_text())}
    assert {row["parameter"]["x"] / 10 for row in exported.values()} == {0.0, 0.1, 0.2}
    for trial, row in exported.items():
        assert [row["parameter"]] == running.ran()[trial]
        assert json.loads(row["value"]) == row["parameter"]["x"] / 10


def test_a_file_of_a_trial_is_served_and_no_other(running: Experiment) -> None:
    (running.folder / "secret").write_text("secret")
    trial = running.jobs()[0]["trialJobId"]
    up = "..%2F"
    assert running.get(f"trial-file/{trial}/stdout") == b"0\n"
    for name in ("points", f"{up}{trial}%2Fpoints"):
        assert json.loads(running.get(f"trial-file/{trial}/{name}")) == running.ran()[trial][0]
    for path in (
        f"{trial}/{up * 6}secret", f"{trial}/{up * 20}etc%2Fpasswd", f"{trial}/%2e%2e%2f%2e%2e%2fx",
        f"{trial}/tensorboard%2F{up * 7}secret", f"{up * 5}/secret", f"{up * 20}etc/passwd",
        f"{trial}/..%252F..%252Fsecret", f"{trial}/..%5C..%5Csecret", f"{trial}/%2Fetc%2Fpasswd",
    ):  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as refusal:
            running.get(f"trial-file/{path}")
        with refusal.value as answer:
            assert answer.code == 404
            assert "has no file" in json.load(answer)["error"]


def test_the_tensorboard_button_shows_a_trials_curves_on_loopback(running: Experiment) -> None:
    trial = running.jobs()[0]["trialJobId"]
    board = json.loads(fetch(running.port, "api/v1/nni/tensorboard", {"trials": trial}))
    assert board["trialLogDirectoryList"] == [str(running.trials / trial / "tensorboard")]

    def curves() -> Any:
        try:
            return json.loads(fetch(int(board["port"]), "data/plugin/scalars/tags"))
        except (OSError, ValueError):
            return {}

    assert eventually(lambda: any("held-out mAP" in tags for tags in curves().values())), curves()
    pids = {process.pid for process in psutil.process_iter() if lives_in(process, running.folder)}
    listening = {
        socket.laddr.port: socket.laddr.ip
        for socket in psutil.net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN and socket.laddr and socket.pid in pids
    }
    assert listening == dict.fromkeys((running.port, int(board["port"])), "127.0.0.1")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        fetch(running.port, "api/v1/nni/tensorboard", {"trials": "../../../elsewhere"})
    refusal.value.close()
    assert not list(running.folder.rglob("elsewhere"))


def test_stopped_it_can_be_viewed_and_resumed_where_unfinished_trials_go_on_as_themselves(
    running: Experiment,
) -> None:
    before = running.jobs()
    running.nnictl("stop", running.name)
    running.nnictl("view", running.name, "--port", str(running.port))
    assert json.loads(running.get("check-status"))["status"] == "VIEWED"
    assert running.jobs() == before
    assert running.get(f"trial-file/{before[0]['trialJobId']}/stdout") == b"0\n"
    running.nnictl("stop", running.name)

    (running.folder / "go").touch()
    running.nnictl("resume", running.name, "--port", str(running.port))
    assert eventually(lambda: running.statuses() == ["SUCCEEDED"] * 7), running.statuses()
    after = running.jobs()
    assert [job["trialJobId"] for job in after[:6]] == [job["trialJobId"] for job in before]
    assert [job["sequenceId"] for job in after] == list(range(7))
    shown = running.shown()
    assert sorted(point["x"] for point in shown.values()) == list(range(7))  # each point once
    for job in after:
        runs = 2 if job["sequenceId"] in (3, 4, 5) else 1  # three were unfinished
        assert running.ran()[job["trialJobId"]] == [shown[job["trialJobId"]]] * runs
    running.nnictl("stop", running.name)
