"""A comparison loses no finished trial, hides no failure, and its last word is a sentence."""

import csv
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from experiments import compare
from experiments.live import describe_all
from experiments.manager import Manager, ManagerFailedError, free_port
from experiments.processes import Family
from experiments.progress import Progress
from experiments.summary import Finished, write_summary
from experiments.table import Result
from experiments.trials import Trial


class Answers(BaseHTTPRequestHandler):
    """NNI's REST interface, with answers from a script; the last one is repeated."""

    script: list[tuple[dict[str, object], list[dict[str, object]]]]

    def do_GET(self) -> None:
        status, trials = self.script[0]
        if self.path == "/api/v1/nni/check-status":
            self.reply(status)
        elif self.path == "/api/v1/nni/trial-jobs":
            self.reply(trials)
            self.script[:] = self.script[1:] or self.script
        else:
            self.send_error(404)

    def reply(self, answer: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        yield Manager(psutil.Process(), server.server_port, "exp", tmp_path, Family())
        server.shutdown()


def job(number: int, status: str) -> dict[str, object]:
    return {
        "trialJobId": f"t{number}",
        "sequenceId": number,
        "status": status,
        "logPath": f"/x/{number}",
    }


def state(status: str, *errors: str) -> dict[str, object]:
    return {"status": status, "errors": list(errors)}


def test_trials_are_followed_until_the_experiment_is_done(manager: Manager) -> None:
    Answers.script = [
        (state("INITIALIZED"), []),
        (state("RUNNING"), [job(1, "WAITING"), job(0, "RUNNING")]),
        (state("DONE"), [job(0, "SUCCEEDED"), job(1, "FAILED")]),
    ]
    seen = [[(t.number, t.status) for t in trials] for trials in manager.follow(every=0)]
    assert seen == [
        [],
        [(0, "RUNNING"), (1, "WAITING")],
        [(0, "SUCCEEDED"), (1, "FAILED")],
    ]


def test_an_experiment_ends_too_when_its_tuner_has_no_more_points(manager: Manager) -> None:
    Answers.script = [
        (state("TUNER_NO_MORE_TRIAL"), [job(0, "RUNNING")]),
        (state("TUNER_NO_MORE_TRIAL"), [job(0, "SUCCEEDED")]),
    ]
    assert len(list(manager.follow(every=0))) == 3


def test_an_experiment_that_ended_with_an_error_is_one_sentence(manager: Manager) -> None:
    Answers.script = [(state("ERROR", "Dispatcher stream error"), [])]
    with pytest.raises(ManagerFailedError, match=r"an error \(Dispatcher stream error\): its logs"):
        list(manager.follow(every=0))


def test_a_manager_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = psutil.Popen(["true"])
    gone.wait()
    manager = Manager(gone, free_port(), "exp", tmp_path, Family())
    with pytest.raises(ManagerFailedError, match="of experiment exp no longer answers at"):
        list(manager.follow())


@pytest.mark.parametrize("wanted", [-1, 0, 65536, 99999])
def test_a_number_that_is_no_port_is_one_sentence(
    wanted: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yml").touch()
    for checked in ([], ["--no-preflight"]):
        argv = ["--config", f"{tmp_path}/x.yml", "--port", str(wanted), *checked]
        assert compare.main(argv) == 1
        said = capsys.readouterr().err
        sentence = f"--port {wanted} is no port: NNI's web UI needs one from 1 to 65535;"
        assert said.count(sentence) == 1
        assert said.startswith(sentence)


def test_a_port_is_the_wanted_one_or_the_next_that_is_free() -> None:
    first = free_port()
    with socket.create_server(("0.0.0.0", first)):
        assert free_port() > first
        with pytest.raises(ValueError, match=f"Port {first} is taken, and NNI's web UI needs"):
            free_port(first)
    assert free_port(first) == first


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    """One that finished, one that failed."""
    done, failed = tmp_path / "t0", tmp_path / "t1"
    (done / "run").mkdir(parents=True)
    Result("tcm", 0, 0.5, 0.25, 0.5, 1.0, 0.125, 10, 100, 2.0, "abc").write(done / "run")
    failed.mkdir()
    (failed / "trial.stderr").write_text("Traceback\nNo data set at /nowhere.\n")
    return [Trial(0, "t0", "SUCCEEDED", done), Trial(1, "t1", "FAILED", failed)]


@pytest.fixture
def stopped(tmp_path: Path) -> Manager:
    return Manager(psutil.Process(), 8080, "exp", tmp_path, Family())


def test_what_finished_is_shown_and_saved_and_what_failed_is_said(
    stopped: Manager,
    trials: list[Trial],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/reid-nas", "compare"])
    assert compare.report(stopped, trials) == 1
    said = capsys.readouterr()
    assert "tcm          0  50.00   25.00   50.00   100.00  12.50" in said.out
    assert f"Failed:\n  trial 1: {trials[1].folder}\nTraceback" in said.out
    assert "No data set at /nowhere.\n" in said.out
    assert "Show it again: .venv/bin/reid-nas nnictl view exp --port 8080  (" in said.out
    assert "(end that: .venv/bin/reid-nas nnictl stop exp)\n" in said.out
    assert said.err == "1 of 2 trials failed; see above.\n"
    beside = "summary.csv, and beside it summary.txt."
    assert f"The same in {stopped.folder}/{beside}\n" in said.out
    rows = (stopped.folder / "summary.csv").read_text().splitlines()
    assert rows[1:] == ["tcm,0,,,0.5,0.25,0.5,1.0,0.125,10,100,2.0,abc,,,,,,,"]


def test_a_sweep_ends_in_two_tables_and_keeps_where_each_trial_ran(
    stopped: Manager, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # of mode none 40 and 60: mean 50, deviation sqrt((100 + 100) / 1) = 14.14
    points = [("none", 0, 0.4), ("pos_neg", 0, 0.5), ("none", 1, 0.6)]
    trials = []
    for number, (mode, seed, x) in enumerate(points):
        run = tmp_path / f"t{number}" / "run"
        run.mkdir(parents=True)
        settings = {"retrain.alignment.mode": mode}
        result = Result("tcm", seed, x, 0.5, 1, 1, 1, 9, 9, 1.0, "g", settings=settings)
        result.write(run)
        (run / "recipe.json").write_text(
            json.dumps({"commit": f"c{number}", "date": "today", "threads": 1, "home": "secret"})
        )
        trials.append(Trial(number, f"t{number}", "SUCCEEDED", run.parent))
    assert compare.report(stopped, trials[::-1]) == 0
    said = capsys.readouterr().out
    first, caption, second, where, _ = said.strip().split("\n\n")
    assert [row.split()[:4] for row in first.splitlines()] == [
        ["strategy", "seed", "mode", "mAP"],
        ["tcm", "0", "none", "40.00"],
        ["tcm", "0", "pos_neg", "50.00"],
        ["tcm", "1", "none", "60.00"],
    ]
    assert caption.startswith("Over the seeds, mean +- sample standard deviation")
    assert [row.split()[:6] for row in second.splitlines()[1:]] == [
        ["tcm", "none", "2", "50.00", "+-", "14.14"],
        ["tcm", "pos_neg", "1", "50.00", "50.00", "100.00"],
    ]
    assert where == (
        f"The same in {stopped.folder}/summary.csv, and beside it summary_seeds.csv and"
        " summary.txt."
    )
    text = (stopped.folder / "summary.txt").read_text()
    assert text == "\n\n".join([first, caption, second]) + "\n"
    with (stopped.folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [
        (row["retrain.alignment.mode"], row["mAP"], row["commit"], row["date"], row["threads"])
        for row in rows
    ] == [
        ("none", "0.4", "c0", "today", "1"),
        ("pos_neg", "0.5", "c1", "today", "1"),
        ("none", "0.6", "c2", "today", "1"),
    ]
    for saved in stopped.folder.glob("summary*"):
        assert "secret" not in saved.read_text()
        assert str(tmp_path) not in saved.read_text()


def test_trials_that_failed_for_one_reason_are_said_together(
    stopped: Manager, trials: list[Trial], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "t2"
    other.mkdir()
    (other / "trial.stderr").write_text("Traceback\nNo data set at /nowhere.\n")
    compare.report(stopped, [*trials, Trial(2, "t2", "FAILED", other)])
    said = capsys.readouterr().out
    assert f"  trial 1: {trials[1].folder}\n  trial 2: {other}\n" in said
    assert said.count("No data set at /nowhere.") == 1


def test_only_a_comparison_without_failures_and_with_trials_is_a_success(
    stopped: Manager, trials: list[Trial], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.report(stopped, trials[:1]) == 0
    assert compare.report(stopped, []) == 1
    assert compare.report(stopped, trials, status=130, failure="Stopped by SIGINT.") == 130
    assert capsys.readouterr().err.endswith("\nStopped by SIGINT.\n")


def test_a_table_that_cannot_be_saved_is_shown_and_the_reason_said(
    stopped: Manager, trials: list[Trial], capsys: pytest.CaptureFixture[str]
) -> None:
    (stopped.folder / "summary.csv").mkdir()
    assert compare.report(stopped, trials[:1]) == 1
    said = capsys.readouterr()
    assert "tcm          0  50.00" in said.out
    assert said.err.startswith(f"The table could not be saved in {stopped.folder} (Is a directory)")
    assert said.err.count("\n") == 1


@dataclass(frozen=True)
class Impatience(Manager):
    """Every step of it is met by a Ctrl-C; a patient user gives the first while it stops."""

    seen: list[Trial]
    patient: bool

    def follow(self, *, every: float = 0.0) -> Iterator[list[Trial]]:
        yield self.seen
        if not self.patient:
            signal.raise_signal(signal.SIGINT)

    def stop(self, *, patience: float = 0.0) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("patient", [True, False])
def test_what_finished_is_shown_and_saved_however_often_ctrl_c_is_pressed(
    *,
    patient: bool,
    trials: list[Trial],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manager = Impatience(
        psutil.Process(), 8080, "exp", tmp_path, Family(), seen=trials[:1], patient=patient
    )

    def pressed_while_saved(finished: list[Finished], folder: Path) -> list[Path]:
        signal.raise_signal(signal.SIGINT)
        return write_summary(finished, folder)

    monkeypatch.setattr(compare, "write_summary", pressed_while_saved)
    monkeypatch.setattr(compare, "start", lambda *_: manager)
    config = tmp_path / "x.yml"
    config.touch()
    assert compare.main(["--config", str(config), "--no-preflight"]) == 130
    said = capsys.readouterr()
    assert "tcm          0  50.00" in said.out
    assert len((tmp_path / "summary.csv").read_text().splitlines()) == 2
    assert said.err == "Stopped by SIGINT.\n"
    assert " nnictl resume exp --port 8080\n" in said.out


def test_trials_side_by_side_each_have_a_line_of_their_own(
    manager: Manager, tmp_path: Path
) -> None:
    """Trial 1 is listed first, starts first and ends last; NNI shows the other's parameters."""
    folders = [tmp_path / "t0", tmp_path / "t1"]

    def jobs(*statuses: str) -> list[dict[str, object]]:
        listed = [
            job(number, status)
            | {"logPath": str(folders[number]), "hyperParameters": [folders[1 - number].name]}
            for number, status in enumerate(statuses)
        ]
        return listed[::-1]

    runs = [folder / "run" for folder in folders]
    for run in runs:
        run.mkdir(parents=True)
    Answers.script = [
        (state("RUNNING"), jobs("WAITING", "RUNNING")),
        (state("RUNNING"), jobs("RUNNING", "RUNNING")),
        (state("RUNNING"), jobs("SUCCEEDED", "RUNNING")),
        (state("DONE"), jobs("SUCCEEDED", "SUCCEEDED")),
    ]
    writes: list[Callable[[], object]] = [
        lambda: Progress("darts", 1, "search", 1, 4, 0.5, 30.0, updated=100.0).write(runs[1]),
        lambda: Progress("tcm", 0, "search", 2, 4, 0.25, 60.0, updated=100.0).write(runs[0]),
        lambda: Result("tcm", 0, 0.5, 0.25, 0.5, 1.0, 0.1, 1, 1, 2.0, "g").write(runs[0]),
        lambda: Result("darts", 1, 1.0, 0.75, 1.0, 1.0, 0.1, 1, 1, 3.0, "g").write(runs[1]),
    ]
    shown = []
    writes[0]()
    for trials in manager.follow(every=0):
        shown.append([str(line) for line in describe_all(trials, now=100.0)])
        if len(shown) < len(writes):
            writes[len(shown)]()
    assert shown == [
        [
            "trial 0  waiting",
            "trial 1  darts  seed 1  search 1/4  held-out mAP 50.00 %, 30 s left",
        ],
        [
            "trial 0  tcm    seed 0  search 2/4  held-out mAP 25.00 %, 1 min 00 s left",
            "trial 1  darts  seed 1  search 1/4  held-out mAP 50.00 %, 30 s left",
        ],
        [
            "trial 0  tcm    seed 0  done  mAP 50.00 %  rank-1 25.00 %  in 2.0 min",
            "trial 1  darts  seed 1  search 1/4  held-out mAP 50.00 %, 30 s left",
        ],
        [
            "trial 0  tcm    seed 0  done  mAP 50.00 %  rank-1 25.00 %  in 2.0 min",
            "trial 1  darts  seed 1  done  mAP 100.00 %  rank-1 75.00 %  in 3.0 min",
        ],
    ]


def test_nothing_is_started_where_something_stands_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "start", lambda *_: pytest.fail("NNI was started"))
    config = tmp_path / "x.yml"
    config.touch()
    assert compare.main(["--config", str(config)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"{config} holds nothing where the fields of an NNI experiment were needed: begin with a"
        " copy of experiments/quickstart.yml.",
        "Nothing was started; --no-preflight starts without these checks.",
    ]


def test_a_missing_yaml_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["--config", "nowhere.yml"]) == 2
    assert capsys.readouterr().err == (
        "There is no file nowhere.yml: --config needs an NNI experiment (YAML).\n"
    )
