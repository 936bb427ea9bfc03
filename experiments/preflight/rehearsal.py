"""What can be known of a trial before there is one, asked in its own Python and folder.

`rehearse` starts ``python -m experiments.preflight.rehearsal`` as NNI would start the trial. That
process makes the recipe of every point, looks for their data sets, and decodes no picture. The
heavy imports stay in it.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from experiments.preflight.points import misfit, points, refusals, values_of
from experiments.preflight.trial_command import TRIAL, TrialCommand, expanded

PYTHONS = ((3, 11), (3, 12))
NNI = "3.0"


@dataclass(frozen=True)
class Findings:
    """What a rehearsal found.

    Attributes:
        problems: each a sentence.
        points: how many points of the search space were tried.
        datasets: names of the data sets that were looked for.
    """

    problems: Sequence[str] = ()
    points: int = 0
    datasets: Sequence[str] = ()


def rehearse(
    command: TrialCommand,
    space: Any,
    *,
    folder: Path,
    environment: Mapping[str, str],
    tuner: str | None = None,
    is_local: bool = True,
) -> Findings:
    """Ask the Python of a trial about the points of ``space``.

    Args:
        command: of a trial of this package.
        space: the search space.
        folder: where trials run.
        environment: in which NNI starts them.
        tuner: that gives out the points, as `misfit` is told it.
        is_local: whether they run on this machine; otherwise, and where only a shell knows what
            they are run by, this Python is asked, and nothing about data sets and devices.
    """
    if command.recipe is None:
        return Findings(
            [f"trialCommand names no recipe: write 'python -m {TRIAL} --recipe quickstart'."]
        )
    environment = command.environment(environment)
    here = is_local and command.is_known(environment)
    folder = command.folder(folder, environment) if here else folder
    python = (command.interpreter(folder, environment) if here else None) or sys.executable
    question = [python, "-m", "experiments.preflight.rehearsal"]
    question += ["--recipe", expanded(command.recipe, environment)]
    question += [] if tuner is None else ["--tuner", tuner]
    try:
        answer = subprocess.run(  # noqa: S603
            question if here else [*question, "--elsewhere"],
            input=json.dumps(space, default=str),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return _unable(python, folder, str(error.strerror))
    try:
        return Findings(**json.loads(answer.stdout.rstrip().rpartition("\n")[2]))
    except (ValueError, TypeError):
        return _unable(python, folder, _reason(answer))


def main(argv: Sequence[str]) -> int:
    """Be the process that `rehearse` starts: a space on standard input, findings on output.

    Args:
        argv: ``--recipe NAME``, ``--tuner NAME`` if it is known, and ``--elsewhere`` if trials run
            on another machine.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.preflight.rehearsal", description=__doc__
    )
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--tuner")
    parser.add_argument("--elsewhere", action="store_true")
    arguments = parser.parse_args(argv)
    found = findings(
        arguments.recipe,
        json.load(sys.stdin),
        tuner=arguments.tuner,
        elsewhere=arguments.elsewhere,
    )
    print(json.dumps(asdict(found)), flush=True)
    return 0


def findings(
    recipe: str, space: Any, *, tuner: str | None = None, elsewhere: bool = False
) -> Findings:
    """Make the recipes of all points of ``space``, and look for what they need.

    Args:
        recipe: name of the recipe they are points of.
        space: the search space; an empty one is no part of what was tried.
        tuner: that gives out the points, as `misfit` is told it.
        elsewhere: whether trials run on another machine, whose data sets and devices are unknown.
    """
    unfit = interpreter_problems()
    if unfit:
        return Findings(unfit)
    from experiments.recipes import recipe_named, require_network_of_search, resolve

    try:
        recipe_named(recipe)
    except ValueError as error:
        return Findings([str(error)])
    said, readable = _readable(space)
    said += [] if said else misfit(readable, tuner)
    tried = points(readable)

    def accept(point: Mapping[str, Any]) -> None:
        require_network_of_search(resolve(recipe, point))

    good, refused = refusals(tried, accept)
    recipes = [resolve(recipe, point) for point in good]
    data = () if elsewhere else {found.data for found in recipes}
    said += refused if elsewhere else [*refused, *_missing(data), *_devices(recipes)]
    datasets = sorted({name for one in data for name in (one.name, *one.targets)})
    return Findings(list(dict.fromkeys(said)), len(tried) if space else 0, datasets)


def interpreter_problems() -> list[str]:
    """What is wrong with this Python, whoever it is: its version, or NNI's, in a sentence each."""
    said = []
    if sys.version_info[:2] not in PYTHONS:
        wanted = " or ".join(".".join(map(str, pair)) for pair in PYTHONS)
        said.append(
            f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}, and {wanted}"
            " is needed: make an environment of that version and install NNI-ReID there."
        )
    try:
        found = version("nni")
    except PackageNotFoundError:
        found = "not there"
    if found != NNI:
        said.append(
            f"NNI is {found} for {sys.executable}, and {NNI} is needed: run"
            f" '{shlex.quote(sys.executable)} -m pip install nni=={NNI}'."
        )
    return said


def _readable(space: Any) -> tuple[list[str], dict[str, Any]]:
    """Sentences on the keys that are no part of a search space, and the other keys."""
    if not isinstance(space, dict):
        return [f"The search space is {space!r}, and a mapping of fields was needed."], {}
    said, readable = [], {}
    for name, spec in space.items():
        try:
            values_of(spec)
        except ValueError as error:
            said.append(f"Key '{name}': {error}")
        else:
            readable[name] = spec
    return said, readable


def _missing(data: Iterable[Any]) -> list[str]:
    """A sentence on each data set that is not there or not as it should be.

    Args:
        data: the ``data`` of recipes.
    """
    from experiments.data import data_of
    from reid_data.synthetic import EMBEDDED

    # That an embedded set has its usual part is known without drawing it.
    looked_for = {
        (one.name, one.part, one.targets): one
        for one in data
        if {one.name, *one.targets} - set(EMBEDDED) or one.part != "trainval"
    }
    said = [_sentence(data_of, looked_for[key]) for key in sorted(looked_for)]
    return [sentence for sentence in said if sentence is not None]


def _devices(recipes: Sequence[Any]) -> list[str]:
    """A sentence on each device or number of threads that cannot be had."""
    from experiments.device import device_of, use_threads

    different = {(recipe.device, recipe.threads): recipe for recipe in recipes}.values()
    said = [_sentence(check, recipe) for recipe in different for check in (device_of, use_threads)]
    return [sentence for sentence in said if sentence is not None]


def _sentence(check: Callable[[Any], object], of: Any) -> str | None:
    try:
        check(of)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"{of} could not be looked at ({error}): check its folder and its rights."
    return None


def _unable(python: str, folder: Path, reason: str) -> Findings:
    return Findings(
        [
            f"{python}, which trialCommand calls in {folder}, cannot run a trial ({reason}):"
            " install NNI-ReID for it, or let 'python' and trialCodeDirectory name those that have"
            " it."
        ]
    )


def _reason(answer: "subprocess.CompletedProcess[str]") -> str:
    """Why a program failed: of a traceback its last line, and the first of anything else."""
    lines = answer.stderr.strip().splitlines() or [f"it ended with {answer.returncode}"]
    return lines[-1 if lines[0].startswith("Traceback") else 0].rstrip(".")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
