"""TensorBoard files of a run: every number of every epoch, as soon as it is known.

Each candidate is a run of its own below the folder, so that TensorBoard draws one chart per slot
with one curve per candidate, in the candidate's own colour.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import (
    HParam,
    Metric,
    hparams_config_pb,
    hparams_pb,
)
from tensorboard.summary.writer.record_writer import RecordWriter

from evaluators.epoch_report import EpochReport, TrainingEpoch
from experiments.points import Setting, shown
from experiments.table import Result

EVENTS = "events.out.tfevents"
"""How the name of an event file begins; TensorBoard reads no others."""

_COMPARED = ("mAP", "rank1", "mINP", "parameters", "macs", "minutes")


class Board:
    """Writes what TensorBoard shows; a run that is killed keeps its curves.

    Scalars have the tags ``search/``, ``training/`` and ``test/`` with the name of the field, and
    ``slots/cell0_slot0`` and so on for a candidate's probability; of a data set that was tested on,
    ``test/NAME/mAP`` and so on. TensorBoard opens the first two groups of the alphabet: search and
    slots.

    Args:
        folder: made here; event files of an earlier run in it or below it are emptied, other files
            are left alone. (A TensorBoard that is open would wait for ever for a removed file.)
    """

    def __init__(self, folder: Path) -> None:
        for old in sorted(folder.rglob(f"{EVENTS}.*")):
            old.write_bytes(b"")
        self._folder = folder
        self._files: dict[str, _EventFile] = {}

    def searched(self, report: EpochReport) -> None:
        """An epoch of the search."""
        self._write("", report.epoch, _numbers("search", report))
        curves: dict[str, dict[str, float]] = {}
        for slot, candidates in report.probabilities.items():
            for candidate, probability in candidates.items():
                curves.setdefault(candidate, {})[f"slots/{slot}"] = probability
        for candidate, values in curves.items():
            self._write(candidate, report.epoch, values)

    def retrained(self, epoch: TrainingEpoch) -> None:
        """An epoch of the retraining, with its scores where it has any."""
        scores = {f"training/{name}": value for name, value in epoch.scores.items()}
        self._write("", epoch.epoch, _numbers("training", epoch) | scores)

    def tested(self, result: Result) -> None:
        """The end of the run, also as a row of the table of hyper-parameters."""
        numbers = _numbers("test", result)
        del numbers["test/seed"]
        for target, scores in result.targets.items():
            numbers |= {f"test/{target}/{name}": value for name, value in scores.items()}
        self._write("", 0, numbers)
        file = self._file("")
        for summary in _compared(result):
            file.put(0, summary)
        file.flush()

    def image(self, name: str, file: Path) -> None:
        """A PNG, under a name; TensorBoard shows no SVG.

        Raises:
            OSError: if there is no such file, or it is no picture.
        """
        with Image.open(file) as picture:
            width, height = picture.size
        drawn = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=file.read_bytes()
        )
        self._file("").put(0, Summary(value=[Summary.Value(tag=name, image=drawn)]))
        self._file("").flush()

    def close(self) -> None:
        """Nothing is written after this."""
        for file in self._files.values():
            file.close()

    def _write(self, run: str, step: int, values: Mapping[str, float]) -> None:
        file = self._file(run)
        file.put(
            step,
            Summary(value=[Summary.Value(tag=tag, simple_value=x) for tag, x in values.items()]),
        )
        file.flush()

    def _file(self, run: str) -> "_EventFile":
        if run not in self._files:
            self._files[run] = _EventFile(self._folder / run)
        return self._files[run]


class _EventFile:
    """One event file.

    TensorBoard's own writer puts the host's name into the file's name; this one does not.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{EVENTS}.{time.time_ns()}.reid"
        self._records = RecordWriter(file.open("xb"))
        self._event(Event(wall_time=time.time(), file_version="brain.Event:2"))
        anew = SessionLog(status=SessionLog.START)  # drops what was read of a broken-off run
        self._event(Event(wall_time=time.time(), step=0, session_log=anew))
        self.flush()

    def put(self, step: int, summary: Any) -> None:
        self._event(Event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        self._records.flush()

    def close(self) -> None:
        self._records.close()

    def _event(self, event: Any) -> None:
        self._records.write(event.SerializeToString())


def _numbers(stage: str, record: EpochReport | TrainingEpoch | Result) -> dict[str, float]:
    """Tag -> value of every number the record knows, besides the epoch, which is the step."""
    return {
        f"{stage}/{name}": float(value)
        for name, value in asdict(record).items()
        if isinstance(value, int | float) and name not in ("epoch", "epochs", "best")
    }


def _compared(result: Result) -> tuple[Any, Any]:
    """What the table of hyper-parameters has as columns, and this run's row."""
    metrics = [Metric(f"test/{name}", display_name=name) for name in _COMPARED]
    metrics += [
        Metric(f"test/{target}/mAP", display_name=f"mAP on {target}")
        for target in sorted(result.targets)
        if len(result.targets) > 1
    ]
    point: dict[str, Setting] = {"strategy": result.strategy, "seed": result.seed}
    point |= {name: result.settings[name] for name in sorted(result.settings)}
    columns = hparams_config_pb(
        hparams=[HParam(name) for name in point],
        metrics=metrics,
        time_created_secs=time.time(),
    )
    words = [result.strategy, str(result.seed)]  # runs of one name would be one row
    words += [f"{name}={shown(result.settings[name])}" for name in sorted(result.settings)]
    row = hparams_pb(point, trial_id=" ".join(words), start_time_secs=time.time())
    return columns, row
