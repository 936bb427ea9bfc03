"""What would stop an experiment, said before anything is started.

NNI finds most of it late: after a trial has failed, after fifteen seconds, or in a traceback.
"""

import os
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from experiments.guard import guarded_environment
from experiments.manager import free_port
from experiments.preflight.experiment_file import ExperimentFile
from experiments.preflight.machine import disk_problems, gpu_count, gpu_problems, reach_problems
from experiments.preflight.nni_rules import refusals as nni_refusals
from experiments.preflight.rehearsal import Findings, interpreter_problems, rehearse
from experiments.preflight.trial_command import TrialCommand

NO_PREFLIGHT = "--no-preflight"


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
    if nni_is_there:
        problems += [*nni_refusals(experiment), *reach_problems(experiment, os.environ)]
    command, unreadable = _command(experiment)
    problems += disk_problems(experiment, is_ours=command is not None and command.is_ours)
    if experiment.is_local and experiment.get("trialGpuNumber") and nni_is_there:
        problems += gpu_problems(experiment, gpu_count())
        checked.append("GPUs")
    found = Findings(unreadable) if command is None else _trial(experiment, command)
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


def _command(experiment: ExperimentFile) -> tuple[TrialCommand | None, list[str]]:
    """The command of a trial, or a sentence why there is none, unless NNI says it."""
    command = experiment.get("trialCommand")
    if not isinstance(command, str):
        return None, []
    try:
        return TrialCommand.parse(command), []
    except ValueError as error:
        return None, [str(error)]


def _trial(experiment: ExperimentFile, command: TrialCommand) -> Findings:
    """Whether trials can run: the program, and of ours the recipe, the data and the device."""
    if not experiment.code.is_dir():
        return Findings()  # said already
    environment = guarded_environment(os.environ)
    if experiment.get("trialGpuNumber") == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # as NNI does
    try:
        if command.is_ours:
            return rehearse(
                command,
                # A tuner of one's own may read a space that is written in a way of its own.
                {} if experiment.tuner is None else experiment.space,
                folder=experiment.code,
                environment=environment,
                tuner=experiment.tuner,
                is_local=experiment.is_local,
            )
        if experiment.is_local:
            command.interpreter(experiment.code, command.environment(environment))
        return Findings()
    except ValueError as error:
        return Findings([str(error)])
