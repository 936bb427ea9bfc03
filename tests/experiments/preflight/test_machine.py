"""A machine that cannot hold, run or be reached by the trials is told so, each in a sentence."""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.preflight.experiment_file import ExperimentFile
from experiments.preflight.machine import (
    MANAGER_BYTES,
    TRIAL_BYTES,
    disk_problems,
    gpu_count,
    gpu_problems,
    reach_problems,
)


class Usage(NamedTuple):
    free: int


@given(
    free=st.integers(0, 10**9),
    most=st.one_of(st.none(), st.integers(1, 9)),
    concurrency=st.integers(1, 3),
    local=st.booleans(),
    ours=st.booleans(),
)
@example(free=250_000_000, most=None, concurrency=2, local=True, ours=False)
@example(free=250_000_000, most=None, concurrency=2, local=True, ours=True)
def test_the_disk_holds_nni_and_as_many_of_our_trials_as_are_planned_or_run_at_a_time(
    free: int, most: int | None, concurrency: int, *, local: bool, ours: bool
) -> None:
    fields = {
        "maxtrialnumber": most,
        "trialconcurrency": concurrency,
        "trainingservice": {"platform": "local" if local else "remote"},
    }
    experiment = ExperimentFile(Path(os.path.abspath("x.yml")), fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: Usage(free))
        said = disk_problems(experiment, is_ours=ours)
    trials = (concurrency if most is None else most) if local and ours else 0
    assert bool(said) == (free < MANAGER_BYTES + trials * TRIAL_BYTES)


@pytest.mark.parametrize(
    ("asked", "shared", "gpus", "sentence"),
    [
        (1, 1, 0, "trialGpuNumber is 1, and NNI finds no GPU on this machine: leave it out"),
        (1, 1, 1, "trialGpuNumber is 1 and this machine has 1, and NNI 3.0 waits for ever unless"),
        (2, 1, 2, "trialGpuNumber is 2 and this machine has 2, and NNI 3.0 waits for ever unless"),
        (1, 2, 1, None),  # half a GPU each
        (1, 1, 2, None),
        ("one", 1, 0, None),  # NNI refuses it in words of its own
    ],
)
def test_a_trial_gets_gpus_only_where_there_are_more_than_it_asks_for(
    asked: Any, shared: int, gpus: int, sentence: str | None
) -> None:
    fields = {"trialgpunumber": asked, "trainingservice": {"maxTrialNumberPerGpu": shared}}
    said = gpu_problems(ExperimentFile(Path("/x.yml"), fields), gpus)
    assert [words[: len(sentence or "")] for words in said] == (
        [] if sentence is None else [sentence]
    )


@pytest.mark.parametrize(
    ("indices", "absent"),
    [
        (None, []),
        (0, []),
        ([0, 1], []),
        (2, [2]),
        ("0,3", [3]),
        ([1, 2, 3], [2, 3]),
        ("all", []),  # NNI refuses it in words of its own
        ([None], []),
    ],
)
def test_every_gpu_that_is_named_and_not_there_is_said(indices: Any, absent: list[int]) -> None:
    service = {"gpuIndices": indices}
    fields = {"trialgpunumber": 1, "trainingservice": service}
    experiment = ExperimentFile(Path("/x.yml"), fields)
    said = gpu_problems(experiment, 2)
    assert [words.split(",")[0] for words in said] == [
        f"gpuIndices names {index} and this machine has 2" for index in absent
    ]
    one = [words.split(" ")[0] for words in gpu_problems(experiment, 1)]
    assert one[-1] == "trialGpuNumber"  # both are said at once
    assert len(gpu_problems(experiment, 0)) == 1


@pytest.mark.parametrize(
    ("answer", "gpus"),
    [
        ('{"gpuNumber": 2, "success": true}', 2),
        ('{"success": false, "failures": ["init"]}', 0),
        ('{"gpuNumber": 2, "success": false}', 0),
        ("", 0),
        ("[]", 0),
    ],
)
def test_gpus_are_those_that_nni_finds(
    answer: str, gpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(
        f"#!/bin/bash\n[[ $* == '-m '*collect_gpu_info' --detail' ]] && echo '{answer}'"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert gpu_count() == gpus


REMOTE = {"platform": "remote"}
SENTENCE = (
    "trainingService is remote, and the manager listens on 127.0.0.1 only: set REID_NNI_BIND to an"
    " address of this machine, on a network you trust, or nniManagerIp to 127.0.0.1 and tunnel the"
    " port."
)


@pytest.mark.parametrize(
    ("service", "address", "environment", "said"),
    [
        (REMOTE, None, {}, [SENTENCE]),
        (REMOTE, None, {"REID_NNI_BIND": ""}, [SENTENCE]),  # as the guard reads it
        (REMOTE, "10.0.0.7", {}, [SENTENCE]),
        (REMOTE, None, {"REID_NNI_BIND": "10.0.0.7"}, []),
        (REMOTE, "127.0.0.1", {}, []),
        (REMOTE, "localhost", {}, []),
        (REMOTE | {"nni_manager_ip": "127.0.0.1"}, "10.0.0.7", {}, []),
        ({"platform": "local"}, None, {}, []),
        ({"platform": "aml"}, None, {}, []),  # by Azure's own messages
        ({"platform": "lokal"}, None, {}, []),  # NNI refuses it
        ({}, None, {}, []),
    ],
)
def test_trials_elsewhere_need_a_way_to_the_manager(
    service: dict[str, str], address: str | None, environment: dict[str, str], said: list[str]
) -> None:
    fields = {"trainingservice": service, "nnimanagerip": address}
    assert reach_problems(ExperimentFile(Path("/x.yml"), fields), environment) == said
