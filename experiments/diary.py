"""The run folder: what a run writes down, shows and reports as it goes."""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evaluators.cross_domain import Tests
from evaluators.cross_domain import final_metrics as metrics_of_tests
from evaluators.epoch_report import EpochReport, TrainingEpoch
from experiments.bar import Bar
from experiments.board import Board
from experiments.data import RunData
from experiments.drawing.alpha import draw_alpha
from experiments.drawing.network import network_svg
from experiments.earlier import RETRAIN_STATE, Earlier
from experiments.first_weights import WEIGHTS_FILE, FirstWeights
from experiments.plan import Plan
from experiments.progress import (
    ENDS,
    EPOCHS_FILE,
    RECIPE_FILE,
    Ledger,
    Progress,
    Stage,
    report_progress,
)
from experiments.provenance import provenance
from experiments.search import Found
from experiments.table import RESULT_FILE, Result
from experiments.trials import ERROR_FILE
from nas_space.genotype import Genotype
from reid_data.records import ReidDataset

Metrics = Mapping[str, float]


def _ignore(told: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Reporter:
    """Who is told of metrics: NNI in a trial, nobody otherwise.

    Attributes:
        intermediate: per epoch of the search; ``default`` is the held-out mAP, or minus the loss
            where no identities are held out.
        final: of the test; ``default`` is the mAP.
        told: of how many epochs are behind the checkpoint of a run that goes on; these are not told
            again, but the one after them may be.
    """

    intermediate: Callable[[Metrics], None] = _ignore
    final: Callable[[Metrics], None] = _ignore
    told: Callable[[int], None] = _ignore


@dataclass
class Diary:
    """Writes down what happens, in the run folder and to the reporter.

    Attributes:
        folder: made where it is not there.
        plan: of the run.
        reporter: told of metrics.
        board: folder of TensorBoard's files.
        earlier: of a broken-off run in the same folder.
    """

    folder: Path
    plan: Plan
    reporter: Reporter
    board: Path
    earlier: Earlier = Earlier()
    _stage: Stage = "data"
    _reports: list[EpochReport] = field(default_factory=list)
    _retrieval: float | None = None
    _ledger: Ledger = field(init=False)
    _board: Board = field(init=False)
    _bar: Bar = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        epochs = self.plan.recipe.retrain.epochs
        self._ledger = Ledger({"search": self.plan.search_epochs, "retrain": epochs})
        called: Mapping[Stage, str] = {} if self.plan.search_epochs else {"retrain": "train"}
        self._board, self._bar = Board(self.board), Bar(sys.stdout, called=called)
        (self.folder / ERROR_FILE).unlink(missing_ok=True)  # of an earlier attempt
        self._describe()
        self._take_over()

    def enter(self, stage: Stage) -> Progress:
        """The run is at this stage now; one that ends it closes all files."""
        if stage in ENDS:
            self._bar.close()
            self._board.close()
        self._stage = stage
        return report_progress(
            self.folder,
            self._ledger,
            strategy=self.plan.label,
            seed=self.plan.recipe.seed,
            stage=stage,
            retrieval=self._retrieval,
        )

    def batch(self, done: int, batches: int) -> None:
        """So many batches of the current epoch are done."""
        stage = self._stage
        epoch, epochs = self._ledger.done(stage) + 1, self._ledger.planned[stage]
        self._bar.batch(stage, epoch, epochs, done, batches)

    def searched(self, report: EpochReport) -> None:
        """One epoch of the search is finished."""
        self._line("search", report)
        self._hear_search(report)
        self.reporter.intermediate(_metrics(report))
        self._bar.epoch(self.enter("search"), _words(report))

    def found(self, found: Found) -> None:
        """The search is finished."""
        self._save("search.json", {"epoch": found.epoch, "probabilities": found.probabilities})
        alpha = self.folder / "alpha.png"
        if draw_alpha(self._reports, alpha, chosen=found.genotype.slots):
            self._board.image("alpha", alpha)
        self._bar.say(f"Found {found.genotype}")
        self.given(found.genotype)

    def given(self, genotype: Genotype | None) -> None:
        """The genotype of the network is known, or the network has none: it is trained now."""
        if genotype is not None:
            self._draw(genotype)
            self._write("genotype.json", genotype.to_json())
        self.enter("retrain")

    def began_with(self, weights: FirstWeights) -> None:
        """The network does not begin from scratch."""
        self._bar.say(str(weights))
        self._save(WEIGHTS_FILE, weights.to_dict())

    def retrained(self, epoch: TrainingEpoch) -> None:
        """One epoch of the retraining is finished."""
        self._line("retrain", epoch)
        self._hear_retraining(epoch)
        self._bar.epoch(self.enter("retrain"), epoch.words)

    def scored(self, data: RunData, tests: Tests, *, network: str) -> None:
        """The test is over, on all targets or on those that could be tested on.

        Args:
            data: that was trained and tested on.
            tests: what the test found.
            network: the epoch that was tested, "best" or "last".
        """
        source, targets = data
        tested = []
        for number, target in enumerate(targets, start=1):
            if target.name not in tests:
                continue
            splits = _splits_file(target, number, of=len(targets))
            tests[target.name].save_splits(self.folder / splits)
            drawn = {"splits": splits} if tests[target.name].galleries is not None else {}
            tested.append(_described(target) | drawn | tests[target.name].described())
        self._save(
            "test.json",
            {
                "trained_on": source.name,
                "trained_on_layout": source.layout,
                "train": len(source.train),
                "feature": self.plan.recipe.retrain.feature,
                "network": network,
                "targets": tested,
            },
        )

    def tested(self, result: Result) -> None:
        """The run is finished."""
        self._board.tested(result)
        result.write(self.folder)
        self._end(final_metrics(result))

    def classified(self, result: Mapping[str, Any]) -> None:
        """A pre-training is finished; where the result lies, it is whole."""
        self._save(RESULT_FILE, result)
        self._end({name: x for name, x in result.items() if isinstance(x, int | float)})

    def _end(self, metrics: Metrics) -> None:
        (self.folder / RETRAIN_STATE).unlink(missing_ok=True)
        self.enter("done")
        self.reporter.final(metrics)

    def _describe(self) -> None:
        """The recipe with where it runs; a run that goes on adds where it goes on."""
        file = self.folder / RECIPE_FILE
        content: dict[str, Any] = {**self.plan.settings, **provenance()}
        if file.exists():
            content = json.loads(file.read_text(encoding="utf-8"))
            content.setdefault("resumed", []).append(provenance())
        self._save(RECIPE_FILE, content)

    def _take_over(self) -> None:
        kept = [
            *(_json_line("search", report) for report in self.earlier.search),
            *(_json_line("retrain", epoch) for epoch in self.earlier.retrain),
        ]
        self._write(EPOCHS_FILE, "".join(kept))
        for report in self.earlier.search:
            self._hear_search(report)
        self.reporter.told(len(self.earlier.search))
        for epoch in self.earlier.retrain:
            self._hear_retraining(epoch)
        self.enter("data")

    def _draw(self, genotype: Genotype) -> None:
        recipe = self.plan.recipe
        drawing = network_svg(
            genotype,
            title=f"{recipe.name}, {self.plan.label}, seed {recipe.seed}",
            width=recipe.space.width,
            depths=recipe.space.depths,
            local_branch=recipe.space.local_branch,
            feature=recipe.retrain.feature,
            image=(recipe.data.height, recipe.data.width),
        )
        self._write("network.svg", drawing)

    def _hear_retraining(self, epoch: TrainingEpoch) -> None:
        self._ledger = self._ledger.after("retrain", epoch.seconds)
        self._retrieval = epoch.scores.get("mAP", self._retrieval)
        self._board.retrained(epoch)

    def _hear_search(self, report: EpochReport) -> None:
        self._ledger = self._ledger.after("search", report.seconds)
        self._reports.append(report)
        self._retrieval = report.mAP
        self._board.searched(report)

    def _line(self, stage: Stage, epoch: EpochReport | TrainingEpoch) -> None:
        with (self.folder / EPOCHS_FILE).open("a", encoding="utf-8") as file:
            file.write(_json_line(stage, epoch))
            file.flush()
            os.fsync(file.fileno())  # before the checkpoint, which counts on it

    def _save(self, name: str, content: Mapping[str, Any]) -> None:
        self._write(name, json.dumps(content, indent=2) + "\n")

    def _write(self, name: str, text: str) -> None:
        """Replace a file at once."""
        draft = self.folder / f".{name}"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.folder / name)


def _splits_file(target: ReidDataset, number: int, *, of: int) -> str:
    """Name of the file of drawn galleries; of several targets each has its own."""
    if of == 1:
        return "splits.json"
    return f"splits_{number}_{re.sub(r'[^A-Za-z0-9]+', '_', target.name)}.json"


def _described(target: ReidDataset) -> dict[str, Any]:
    return {
        "dataset": target.name,
        "layout": target.layout,
        "query": len(target.query),
        "gallery": len(target.gallery),
        "camera_rule": target.protocol.camera_rule,
    }


def _metrics(report: EpochReport) -> Metrics:
    metrics = {
        "default": -report.loss,
        "entropy": report.entropy,
        "none_share": report.none_share,
        "loss": report.loss,
    }
    if report.mAP is not None and report.rank1 is not None:
        metrics |= {"default": report.mAP, "rank1": report.rank1}
    return metrics


def final_metrics(result: Result) -> Metrics:
    """What NNI is told at the end."""
    numbers = {k: v for k, v in asdict(result).items() if isinstance(v, int | float)}
    return metrics_of_tests(result.targets or {"": numbers}) | numbers


def _json_line(stage: Stage, epoch: EpochReport | TrainingEpoch) -> str:
    return json.dumps({"stage": stage, **asdict(epoch)}) + "\n"


def _words(report: EpochReport) -> str:
    words = f"loss {report.loss:.3f}"
    if report.val_loss is not None:
        words += f", val loss {report.val_loss:.3f}"
    if report.mAP is not None:
        words += f", held-out mAP {100 * report.mAP:.2f} %"
    return words
