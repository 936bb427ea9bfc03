"""What would stop an experiment is said before it starts, all of it at once, a sentence each."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from experiments.manager import free_port
from experiments.preflight import examination as preflight
from experiments.preflight.examination import Report, examine, passes
from experiments.preflight.rehearsal import Findings

GOOD: dict[str, Any] = {
    "trialCommand": "python trial.py",
    "trialCodeDirectory": ".",
    "trialConcurrency": 2,
    "maxTrialNumber": 3,
    "searchSpace": {"x": {"_type": "choice", "_value": [1, 2, 3, 4]}},
    "tuner": {"name": "GridSearch"},
    "trainingService": {"platform": "local"},
}


OURS = "python -m experiments.trial --recipe quickstart"


class Usage(NamedTuple):
    free: int


@pytest.fixture(autouse=True)
def _port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another process does: all ports are free, of which 8080 is the first."""
    monkeypatch.setattr(preflight, "free_port", lambda wanted=None: wanted or 8080)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes an experiment that keeps its files in the test's folder, with changes to ``GOOD``."""

    def write(**changes: Any) -> Path:
        file = tmp_path / "x.yml"
        here = {"experimentWorkingDirectory": "nni"}
        file.write_text(yaml.safe_dump({**GOOD, **here, **changes}))
        return file

    return write


def test_an_experiment_that_may_start_is_one_line(
    written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert passes(written(), 8181) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("Checked 4 things in ")
    assert said.out.endswith(": Python and NNI, port 8181, the YAML, disk; 3 trials planned.\n")
    endless = {"tuner": {"name": "Random"}, "maxTrialNumber": None}
    assert passes(written(**endless), None) == 0
    assert capsys.readouterr().out.endswith("; trials until its time is up planned.\n")


def test_everything_in_the_way_is_said_at_once(
    written: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setattr(preflight, "gpu_count", lambda: 0)
    monkeypatch.setattr(preflight, "free_port", free_port)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        report = examine(
            written(
                trialConcurrency=0,
                trialCommand="python2.0 trial.py",
                trialGpuNumber=1,
                experimentWorkingDirectory="taken/nni",
            ),
            port,
        )
    assert [words[:20] for words in report.problems] == [
        f"Port {port} is taken, and"[:20],
        "trialGpuNumber asks ",
        f"NNI refuses {tmp_path}"[:20],
        "NNI keeps its experiments"[:20],
        "trialGpuNumber is 1,",
        "trialCommand calls '",
    ]
    assert all("\n" not in words and words.endswith(".") for words in report.problems)


def test_what_is_in_the_way_is_printed_with_the_way_past_it(
    written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert passes(written(trialCommand="python2.0 x.py", trialConcurrency=0), None) == 1
    said = capsys.readouterr()
    assert said.out == ""
    refused, called, last = said.err.splitlines()
    assert refused.startswith("NNI refuses ")
    assert called.startswith("trialCommand calls 'python2.0', and there is no such program on PATH")
    assert last == "Nothing was started; --no-preflight starts without these checks."


def test_a_missing_file_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert passes(Path("nowhere.yml"), None) == 2
    assert capsys.readouterr().err == (
        "There is no file nowhere.yml: --config needs an NNI experiment (YAML).\n"
    )


def test_what_is_no_experiment_ends_the_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "free_port", free_port)
    file = tmp_path / "x.yml"
    file.touch()
    report = examine(file, 0)
    assert [words.split(" ")[0] for words in report.problems] == ["--port", str(file)]


def test_a_python_without_pkg_resources_is_one_sentence(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        preflight, "find_spec", lambda name: None if name == "pkg_resources" else object()
    )
    (words,) = examine(written(), None).problems
    assert words == (
        f"nnictl imports pkg_resources, and {sys.executable} has none, for setuptools 81 dropped"
        f" it: run '{sys.executable} -m pip install \"setuptools<81\"'."
    )


def test_a_full_disk_is_one_sentence_with_its_numbers(
    written: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(250_000_000))
    monkeypatch.setattr(preflight, "rehearse", lambda *_, **__: Findings())
    (words,) = examine(written(trialCommand=OURS), None).problems
    # 100 MB for NNI and 100 MB for each of 3 trials
    assert words.startswith(
        f"{tmp_path} has 0.2 GB free, and NNI and 3 trials, each of 100 MB, may need 0.4 GB: make"
    )
    # what another program's trials write is not known
    assert examine(written(maxTrialNumber=100_000), None).problems == ()
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(50_000_000))
    (words,) = examine(written(), None).problems
    assert words.startswith(f"{tmp_path} has 0.1 GB free, and NNI may need 0.1 GB: make room, or")


def test_a_folder_that_cannot_be_written_to_is_one_sentence(
    written: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: path != tmp_path)
    (words,) = examine(written(), None).problems
    assert words.startswith(
        f"NNI keeps its experiments in {tmp_path}/nni, and {tmp_path} cannot be"
    )


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What trials are asked about, without a process."""
    asked: list[dict[str, Any]] = []

    def rehearse(_command: Any, space: Any, **rest: Any) -> Findings:
        asked.append({"space": space, **rest})
        return Findings(["A recipe's sentence."], 4, ["market1501"])

    monkeypatch.setattr(preflight, "rehearse", rehearse)
    return asked


def test_a_trial_of_this_package_is_rehearsed_where_nni_would_start_it(
    written: Callable[..., Path], tmp_path: Path, rehearsed: list[dict[str, Any]]
) -> None:
    report = examine(written(trialCommand=OURS), None)
    assert report.problems == ("A recipe's sentence.",)
    assert report.checked[-2:] == ("4 points of the search space", "data market1501")
    (asked,) = rehearsed
    assert asked["space"] == GOOD["searchSpace"]
    assert (asked["folder"], asked["is_local"]) == (tmp_path, True)
    assert asked["tuner"] == "gridsearch"
    assert asked["environment"]["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert "CUDA_VISIBLE_DEVICES" not in asked["environment"].keys() - os.environ.keys()
    examine(written(trialCommand=OURS, trialGpuNumber=0), None)
    assert rehearsed[1]["environment"]["CUDA_VISIBLE_DEVICES"] == ""


def test_another_trial_is_not_rehearsed(
    written: Callable[..., Path], rehearsed: list[dict[str, Any]]
) -> None:
    assert examine(written(), None) == Report(
        (), ("Python and NNI", "port 8080", "the YAML", "disk"), 3
    )
    examine(written(trialCodeDirectory="nowhere", trialCommand=OURS), None)
    examine(written(trialCommand=f"'{OURS}"), None)
    assert rehearsed == []


def test_the_space_of_a_tuner_of_ones_own_is_not_judged(
    written: Callable[..., Path], tmp_path: Path, rehearsed: list[dict[str, Any]]
) -> None:
    (tmp_path / "mine.py").touch()
    own = {"className": "mine.Tuner", "codeDirectory": "."}
    examine(written(trialCommand=OURS, tuner=own, searchSpace={"lr": [0.1, 0.2]}), None)
    (asked,) = rehearsed
    assert (asked["space"], asked["tuner"]) == ({}, None)


@pytest.mark.parametrize(
    "command",
    [
        "cd sub && ./venv/bin/python trial.py",
        "docker run img /opt/conda/bin/python x.py",
        "source venv/bin/activate; python9 trial.py",
    ],
)
def test_a_python_that_another_command_provides_is_not_looked_for(
    command: str, written: Callable[..., Path]
) -> None:
    assert examine(written(trialCommand=command), None).problems == ()


def test_a_remote_experiment_that_cannot_call_back_is_one_sentence_and_nni_is_silent(
    written: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("REID_NNI_BIND", raising=False)
    machine = {"host": "192.0.2.1", "user": "a", "password": "b"}
    service = {"platform": "remote", "machineList": [machine]}
    (words,) = examine(written(trainingService=service), None).problems
    assert words.startswith("trainingService is remote, and the manager listens on 127.0.0.1 only")
    monkeypatch.setenv("REID_NNI_BIND", "192.0.2.7")
    assert examine(written(trainingService=service), None).problems == ()
    said = capfd.readouterr()
    assert (said.out, said.err, caplog.text) == ("", "", "")
