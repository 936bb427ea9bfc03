"""``reid-nas compare``: run an NNI experiment, show it live, and end with a table.

The experiment itself is plain ``nnictl create``; this command watches it from outside.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.guard import own_command
from experiments.interrupts import Interrupted, deferred, raising
from experiments.live import Live, describe_all
from experiments.manager import Manager, ManagerFailedError, free_port, start
from experiments.preflight.examination import NO_PREFLIGHT, passes
from experiments.processes import Family
from experiments.summary import ORIGIN, Finished, tables, write_summary
from experiments.table import Result
from experiments.trials import Trial


def main(argv: Sequence[str]) -> int:
    """Run one comparison.

    Args:
        argv: ``--config FILE`` of an NNI experiment, ``--port P`` for its web UI, and
            ``--no-preflight`` to start it unchecked.

    Returns:
        0 if every trial finished, 1 if one failed, NNI did, or something stood in the way, 2 if
        there is no such YAML, 128 plus the signal's number if interrupted.
    """
    parser = argparse.ArgumentParser(prog="reid-nas compare", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="an NNI experiment (YAML)")
    parser.add_argument(
        "--port", type=int, help="for the web UI; default: the first free from 8080"
    )
    parser.add_argument(
        NO_PREFLIGHT, action="store_true", help="start without checking what would stop it"
    )
    arguments = parser.parse_args(argv)
    config: Path = arguments.config
    try:
        with raising():
            status = 0 if arguments.no_preflight else passes(config, arguments.port)
            if status != 0:
                return status
            return compare(config, arguments.port)
    except (ManagerFailedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except Interrupted as interrupt:
        print(f"Stopped by {interrupt}.", file=sys.stderr)
        return interrupt.exit_status


def compare(config: Path, port: int | None) -> int:
    """Run the experiment of ``config`` to its end and leave no process behind.

    Args:
        config: the NNI YAML file.
        port: for the web UI; None for the first free one.

    Raises:
        ManagerFailedError: if NNI fails before a trial has started.
        Interrupted: if a signal comes before the experiment has started.
    """
    family = Family()
    try:
        manager = start(config, free_port(port), family)
        print(f"Experiment {manager.experiment} runs; web UI: {manager.url}", flush=True)
        return _attend(manager)
    finally:
        with deferred():
            family.end()


def _attend(manager: Manager) -> int:
    trials: list[Trial] = []
    status, failure = 0, None
    live = Live(sys.stdout)
    try:
        for trials in manager.follow():
            live.show(describe_all(trials, time.time()))
    except ManagerFailedError as error:
        status, failure = 1, str(error)
    except Interrupted as interrupt:
        status, failure = interrupt.exit_status, f"Stopped by {interrupt}."
        print("Stopping the trials; once more to kill them at once.", flush=True)
    try:
        manager.stop()
    except Interrupted as interrupt:  # the family ends what is left, after the report
        status, failure = interrupt.exit_status, f"Stopped by {interrupt}."
    with deferred():
        return report(manager, trials, status=status, failure=failure)


def report(
    manager: Manager, trials: Sequence[Trial], *, status: int = 0, failure: str | None = None
) -> int:
    """Show and save what finished, say what failed, and return the exit status.

    Args:
        manager: the experiment's, which has ended.
        trials: all of the experiment.
        status: what to return if no trial failed.
        failure: a sentence on what ended the experiment early.
    """
    finished = [
        Finished(result, trial.origin(ORIGIN))
        for trial in trials
        if (result := _result(trial)) is not None
    ]
    failures = {trial: words for trial in trials if (words := trial.failure()) is not None}
    unsaved = _show(finished, manager.folder) if finished else None
    for words, same in _by_words(failures).items():
        places = "".join(f"\n  trial {trial.number}: {trial.folder}" for trial in same)
        print(f"\nFailed:{places}\n{words}")
    print(
        f"\nShow it again: {own_command()} nnictl view {manager.experiment} --port {manager.port}"
        f"  (end that: {own_command()} nnictl stop {manager.experiment})",
        flush=True,
    )
    if failure is not None:
        resume = f"nnictl resume {manager.experiment} --port {manager.port}"
        print(f"Go on with it: {own_command()} {resume}", flush=True)
    if failures:
        print(f"{len(failures)} of {len(trials)} trials failed; see above.", file=sys.stderr)
    if not trials and status == 0:
        print("The experiment ended without a trial; see its YAML.", file=sys.stderr)
    for sentence in filter(None, (unsaved, failure)):
        print(sentence, file=sys.stderr)
    return status or int(bool(failures or unsaved) or not trials)


def _show(finished: Sequence[Finished], folder: Path) -> str | None:
    """Print the tables and save them in ``folder``; a sentence on why they could not be saved."""
    print(f"\n{tables([one.result for one in finished])}\n")
    try:
        first, *others = write_summary(finished, folder)
        print(f"The same in {first}, and beside it {' and '.join(file.name for file in others)}.")
    except OSError as error:
        return (
            f"The table could not be saved in {folder} ({error.strerror}): copy it from above, or"
            " make that folder writable; the trials' own results are kept in their run folders."
        )
    return None


def _by_words(failures: Mapping[Trial, str]) -> dict[str, list[Trial]]:
    """Trials that failed for the same reason together."""
    together: dict[str, list[Trial]] = {}
    for trial, words in failures.items():
        together.setdefault(words, []).append(trial)
    return together


def _result(trial: Trial) -> Result | None:
    try:
        return trial.result()
    except ValueError:
        return None  # `Trial.failure` says so
