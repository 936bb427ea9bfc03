"""What an experiment needs of this machine: disk, GPUs, and a way to its manager."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from experiments.guard import BIND
from experiments.preflight.experiment_file import ExperimentFile
from experiments.preflight.nni_rules import is_platform

MANAGER_BYTES = 100_000_000
"""For NNI's own files of an experiment: its database and its logs."""

TRIAL_BYTES = 100_000_000
"""For a trial's run folder: ten times the 2.0 million parameters of the supernet at full width, of
4 bytes, are 80 MB; two checkpoints with optimisers and memories, and the network, stay below."""

_UNCALLED = ("local", "aml", "dlc")
"""Platforms whose trials do not call the manager: Azure's messages and shared files stand between
them."""


def reach_problems(experiment: ExperimentFile, environment: Mapping[str, str]) -> list[str]:
    """Whether trials on other machines can reach the manager, which is kept on this one.

    Args:
        experiment: whose training service may be another machine's.
        environment: that the manager gets.
    """
    platform = experiment.service.get("platform")
    if platform in _UNCALLED or not is_platform(platform):
        return []
    address = str(experiment.get("nniManagerIp"))
    if environment.get(BIND) or address == "localhost" or address.startswith("127."):
        return []
    return [
        f"trainingService is {platform}, and the manager listens on 127.0.0.1 only: set {BIND} to"
        " an address of this machine, on a network you trust, or nniManagerIp to 127.0.0.1 and"
        " tunnel the port."
    ]


def disk_problems(experiment: ExperimentFile, *, is_ours: bool) -> list[str]:
    """Whether what the experiment will write fits into its folder, and may be written there.

    Trials on other machines write there, and what another program's write is not known. Where only
    time limits them, those that run at a time are counted, and one at least.
    """
    folder = experiment.experiments
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        return [
            f"NNI keeps its experiments in {folder}, and {place} cannot be written to: make it"
            " writable, or set experimentWorkingDirectory to another folder."
        ]
    trials = experiment.trials or experiment.get("trialConcurrency")
    trials = trials if isinstance(trials, int) else 1
    counted = trials if experiment.is_local and is_ours else 0
    needed = MANAGER_BYTES + counted * TRIAL_BYTES
    free = shutil.disk_usage(place).free
    if free >= needed:
        return []
    writers = f"NNI and {counted} trials, each of 100 MB," if counted else "NNI"
    return [
        f"{place} has {_gigabytes(free)} GB free, and {writers} may need {_gigabytes(needed)} GB:"
        " make room, or set experimentWorkingDirectory to a folder on another disk."
    ]


def gpu_count() -> int:
    """How many GPUs NNI's manager would find: it asks the same module the same way."""
    module = "nni.tools.nni_manager_scripts.collect_gpu_info"
    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, "--detail"], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(answer.stdout)
        return int(found["gpuNumber"]) if found["success"] else 0
    except (ValueError, KeyError, TypeError):
        return 0


def gpu_problems(experiment: ExperimentFile, gpus: int) -> list[str]:
    """Whether trials will get the GPUs they ask for.

    Without any, NNI's manager ends with an error after some seconds. And NNI 3.0 starts a trial
    only where there are more GPUs than it asks for, not as many; a share of one is enough more.

    Args:
        experiment: with a ``trialGpuNumber``.
        gpus: how many there are.
    """
    asked = experiment.get("trialGpuNumber")
    absent = [index for index in _indices(experiment.get("gpuIndices")) if index >= gpus > 0]
    said = [
        f"gpuIndices names {index} and this machine has {gpus}, counted from 0: name one of these,"
        " or leave gpuIndices out for all."
        for index in absent
    ]
    shared = experiment.get("maxTrialNumberPerGpu") or 1
    if not all(isinstance(number, int) for number in (asked, shared)) or asked / shared < gpus:
        return said
    if gpus == 0:
        return [
            f"trialGpuNumber is {asked}, and NNI finds no GPU on this machine: leave it out, for a"
            " trial takes a GPU by itself where there is one, or install the driver."
        ]
    return [
        *said,
        f"trialGpuNumber is {asked} and this machine has {gpus}, and NNI 3.0 waits for ever unless"
        " there are more than a trial asks for: leave trialGpuNumber out, for a trial takes a GPU"
        " by itself.",
    ]


def _indices(named: Any) -> list[int]:
    """The numbers of GPUs, in each of the forms NNI takes; none in another, which it refuses."""
    listed = named.split(",") if isinstance(named, str) else named
    try:
        return [int(index) for index in (listed if isinstance(listed, list) else [listed])]
    except (TypeError, ValueError):
        return []


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f}"
