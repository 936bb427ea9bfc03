"""What would stop an experiment, said before anything is started.

NNI finds most of it late: after a trial has failed, after fifteen seconds, or in a traceback.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from experiments.guard import guarded_environment
from experiments.manager import free_port
from experiments.preflight.experiment_file import ExperimentFile
from experiments.preflight.experiment_file import refusals as nni_refusals
from experiments.preflight.rehearsal import Findings, interpreter_problems, rehearse
from experiments.preflight.trial_command import TrialCommand

NO_PREFLIGHT = "--no-preflight"

MANAGER_BYTES = 100_000_000
"""For NNI's own files of an experiment: its database and its logs."""

TRIAL_BYTES = 100_000_000
"""For a trial's run folder: ten times the 2.0 million parameters of the supernet at full width, of
4 bytes, are 80 MB; two checkpoints with optimisers and memories, and the network, stay below."""


@dataclass(frozen=True)
class Report:
    """What the checks came to.

    Attributes:
        problems: what stands in the way, each a sentence with its remedy.
        checked: what was looked at, in words.
        trials: how many are planned; None if only time limits them.
    """

    problems: tuple[str, ...]
    checked: tuple[str, ...]
    trials: int | None


def passes(config: Path, port: int | None) -> int:
    """Check, and say what stands in the way, or in a line that nothing does.

    Args:
        config: the NNI YAML file.
        port: wanted for the web UI; None for any free one.

    Returns:
        0 if the experiment may start, 1 if something stands in its way, 2 if there is no file.
    """
    if not config.is_file():
        print(
            f"There is no file {config}: --config needs an NNI experiment (YAML).", file=sys.stderr
        )
        return 2
    began = time.monotonic()
    report = examine(config, port)
    if report.problems:
        print(*report.problems, sep="\n", file=sys.stderr)
        print(f"Nothing was started; {NO_PREFLIGHT} starts without these checks.", file=sys.stderr)
        return 1
    trials = "trials until its time is up" if report.trials is None else f"{report.trials} trials"
    print(
        f"Checked {len(report.checked)} things in {time.monotonic() - began:.1f} s:"
        f" {', '.join(report.checked)}; {trials} planned.",
        flush=True,
    )
    return 0


def examine(config: Path, port: int | None) -> Report:
    """Look at everything that can be looked at, whatever else is wrong.

    Args:
        config: the NNI YAML file.
        port: wanted for the web UI; None for any free one.
    """
    problems = _this_python()
    checked = ["Python and NNI"]
    try:
        checked.append(f"port {free_port(port)}")
    except ValueError as error:
        problems.append(str(error))
    try:
        experiment = ExperimentFile.read(config)
    except ValueError as error:
        return Report((*problems, str(error)), (*checked, "the YAML"), None)
    nni_is_there = find_spec("nni") is not None
    problems += nni_refusals(experiment) if nni_is_there else []
    problems += disk_problems(experiment)
    if experiment.is_local and experiment.get("trialGpuNumber") and nni_is_there:
        problems += gpu_problems(experiment, gpu_count())
        checked.append("GPUs")
    found = _trial(experiment)
    problems += found.problems
    checked += ["the YAML", "disk"]
    if found.points:
        checked.append(f"{found.points} points of the search space")
    if found.datasets:
        checked.append(f"data {', '.join(found.datasets)}")
    return Report(tuple(dict.fromkeys(problems)), tuple(checked), experiment.trials)


def _this_python() -> list[str]:
    said = interpreter_problems()
    if find_spec("pkg_resources") is None:
        said.append(
            f"nnictl imports pkg_resources, and {sys.executable} has none, for setuptools 81"
            f" dropped it: run '{sys.executable} -m pip install \"setuptools<81\"'."
        )
    return said


def disk_problems(experiment: ExperimentFile) -> list[str]:
    """Whether what the experiment will write fits into its folder, and may be written there.

    Trials on other machines write there. Where only time limits them, those that run at a time are
    counted, and one at least.
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
    needed = MANAGER_BYTES + (trials * TRIAL_BYTES if experiment.is_local else 0)
    free = shutil.disk_usage(place).free
    if free >= needed:
        return []
    return [
        f"{place} has {_gigabytes(free)} GB free, and NNI and {trials} trials may need"
        f" {_gigabytes(needed)} GB (100 MB each): make room, or set experimentWorkingDirectory to"
        " a folder on another disk."
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
    shared = experiment.get("maxTrialNumberPerGpu") or 1
    if not all(isinstance(number, int) for number in (asked, shared)) or asked / shared < gpus:
        return []
    if gpus == 0:
        return [
            f"trialGpuNumber is {asked}, and NNI finds no GPU on this machine: leave it out, for a"
            " trial takes a GPU by itself where there is one, or install the driver."
        ]
    return [
        f"trialGpuNumber is {asked} and this machine has {gpus}, and NNI 3.0 waits for ever unless"
        " there are more than a trial asks for: leave trialGpuNumber out, for a trial takes a GPU"
        " by itself."
    ]


def _trial(experiment: ExperimentFile) -> Findings:
    """Whether trials can run: the program, and of ours the recipe, the data and the device."""
    command = experiment.get("trialCommand")
    if not isinstance(command, str) or not experiment.code.is_dir():
        return Findings()  # said already
    environment = guarded_environment(os.environ)
    if experiment.get("trialGpuNumber") == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # as NNI does
    folder = experiment.code
    try:
        parsed = TrialCommand.parse(command)
        if experiment.is_local:
            parsed.interpreter(folder, environment | dict(parsed.settings))
        if not parsed.is_ours:
            return Findings()
        return rehearse(
            parsed,
            experiment.space,
            folder=folder,
            environment=environment,
            is_local=experiment.is_local,
        )
    except ValueError as error:
        return Findings([str(error)])


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f}"
