"""Several run folders as one record: their scores, with commit, hardware and date in every row.

``python -m experiments.benchmarks.gather runs/* --out FOLDER`` writes what ``reid-nas compare``
writes of the trials of an experiment.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments.summary import ORIGIN, Finished, tables, write_summary
from experiments.table import RESULT_FILE, Result
from experiments.trials import origin_of


def main(argv: Sequence[str]) -> int:
    """Gather runs; what tells them apart besides their settings is the name of the folder.

    Args:
        argv: run folders, and ``--out FOLDER`` for the files.

    Raises:
        ValueError: if a folder holds no finished run.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.gather")
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    arguments = parser.parse_args(argv)
    finished = [_finished(run) for run in arguments.runs]
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_summary(finished, arguments.out)
    print(tables(one.result for one in finished))
    return 0


def _finished(run: Path) -> Finished:
    file = run / RESULT_FILE
    if not file.is_file():
        raise ValueError(f"{run.name} holds no {RESULT_FILE}: name the folders of finished runs.")
    result = Result.read(file)
    named = replace(result, settings={**result.settings, "run": run.name})
    return Finished(named, origin_of(run, ORIGIN))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
