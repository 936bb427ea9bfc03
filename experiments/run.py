"""A run: data, search, retraining, test, in this order and in one folder.

Query and gallery are checked to be readable at the start and otherwise not touched before the
test: everything before it is guided by held-out *training* identities.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from evaluators.embedding import embed_sightings
from evaluators.reid_evaluator import EpochReport
from evaluators.retrieval import Retrieval, retrieve
from experiments.config import to_dict
from experiments.device import ask_for_repeatable_kernels, device_of, use_threads
from experiments.progress import Ledger, Progress, Stage, report_progress
from experiments.provenance import provenance
from experiments.recipes import Recipe
from experiments.search import Found, search
from experiments.table import Result
from experiments.train import TrainingEpoch, network_of, train
from nas_space.cost import measure_cost
from nas_space.heads import EmbeddingNetwork
from reid_data.catalog import load_dataset
from reid_data.pictures import check_readable
from reid_data.records import ReidDataset
from reid_data.twin_split import hold_out

Metrics = Mapping[str, float]


def _ignore(metrics: Metrics) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Reporter:
    """Who is told of metrics: NNI in a trial, nobody otherwise.

    Attributes:
        intermediate: per epoch of the search; ``default`` is the held-out mAP, or minus the loss
            where no identities are held out.
        final: of the test; ``default`` is the mAP.
    """

    intermediate: Callable[[Metrics], None] = _ignore
    final: Callable[[Metrics], None] = _ignore


def run(recipe: Recipe, folder: Path, reporter: Reporter) -> Result:
    """Search, retrain and test.

    Args:
        recipe: everything that decides what happens.
        folder: gets ``recipe.json``, ``progress.json``, ``epochs.jsonl``, ``genotype.json``,
            ``network.pt``, ``metrics.json`` and ``test.json``; made here.
        reporter: told of metrics.

    Returns:
        What the retrained network reached on query and gallery.

    Raises:
        ValueError: if the data or the recipe is not as needed, or the folder holds a run already.
    """
    began = time.monotonic()
    if (folder / "recipe.json").exists():
        raise ValueError(
            f"The folder {folder.name!r} holds a run already: name another one, or delete it first."
        )
    use_threads(recipe)
    ask_for_repeatable_kernels(device_of(recipe))
    diary = _Diary(folder, recipe, reporter)
    try:
        dataset = load_dataset(recipe.data.name)
        searched, held_out = hold_out(dataset.train, recipe.data.held_out, seed=recipe.seed)
        check_readable((*dataset.query, *dataset.gallery), progress="checking the test pictures")
        found = search(
            recipe,
            searched,
            held_out,
            camera_rule=dataset.protocol.camera_rule,
            on_epoch=diary.searched,
        )
        diary.found(found)
        network = network_of(found.genotype, recipe)
        train(network, dataset.train, recipe, on_epoch=diary.retrained)
        weights = {name: value.cpu() for name, value in network.state_dict().items()}
        torch.save(weights, folder / "network.pt")
        diary.enter("test")
        tested = test(network, dataset, recipe)
    except BaseException:
        diary.enter("failed")
        raise
    result = _result(recipe, found, network, tested, minutes=(time.monotonic() - began) / 60)
    result.write(folder)
    diary.tested(dataset, tested)
    diary.enter("done")
    reporter.final(
        {"default": result.mAP}
        | {k: v for k, v in asdict(result).items() if isinstance(v, int | float)}
    )
    return result


def test(network: EmbeddingNetwork, dataset: ReidDataset, recipe: Recipe) -> Retrieval:
    """Score a network on query and gallery, under the data set's own protocol."""
    query, gallery = (
        embed_sightings(
            network,
            sightings,
            height=recipe.data.height,
            width=recipe.data.width,
            device=device_of(recipe),
            progress=called,
        )
        for sightings, called in ((dataset.query, "query"), (dataset.gallery, "gallery"))
    )
    return retrieve(query, gallery, dataset.protocol)


def _result(
    recipe: Recipe, found: Found, network: EmbeddingNetwork, tested: Retrieval, *, minutes: float
) -> Result:
    cost = measure_cost(network, height=recipe.data.height, width=recipe.data.width)
    return Result(
        strategy=recipe.strategy,
        seed=recipe.seed,
        mAP=tested.mAP,
        rank1=tested.rank1,
        rank5=tested.rank5,
        rank10=tested.rank10,
        mINP=tested.mINP,
        parameters=cost.parameters,
        macs=cost.macs,
        minutes=minutes,
        genotype=str(found.genotype),
    )


@dataclass
class _Diary:
    """Writes down what happens, in the run folder and to the reporter."""

    folder: Path
    recipe: Recipe
    reporter: Reporter
    _retrieval: float | None = None
    _ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        searches = 0 if self.recipe.strategy == "random" else self.recipe.search.epochs
        self._ledger = Ledger(
            planned={"search": searches, "retrain": self.recipe.retrain.epochs},
        )
        self._save("recipe.json", {"recipe": to_dict(self.recipe), **provenance()})
        self.enter("data")

    def enter(self, stage: Stage) -> Progress:
        return report_progress(
            self.folder,
            self._ledger,
            strategy=self.recipe.strategy,
            seed=self.recipe.seed,
            stage=stage,
            retrieval=self._retrieval,
        )

    def searched(self, report: EpochReport) -> None:
        self._ledger = self._ledger.after("search", report.seconds)
        self._retrieval = report.mAP
        self._line({"stage": "search", **asdict(report)})
        self._say(self.enter("search"), f"loss {report.loss:.3f}, held-out mAP {report.mAP}")
        metrics = {
            "default": -report.loss,
            "entropy": report.entropy,
            "none_share": report.none_share,
            "loss": report.loss,
        }
        if report.mAP is not None and report.rank1 is not None:
            metrics |= {"default": report.mAP, "rank1": report.rank1}
        self.reporter.intermediate(metrics)

    def found(self, found: Found) -> None:
        (self.folder / "genotype.json").write_text(found.genotype.to_json(), encoding="utf-8")
        self._save("search.json", {"epoch": found.epoch, "probabilities": found.probabilities})
        print(f"Found {found.genotype}", flush=True)
        self.enter("retrain")

    def retrained(self, epoch: TrainingEpoch) -> None:
        self._ledger = self._ledger.after("retrain", epoch.seconds)
        self._line({"stage": "retrain", **asdict(epoch)})
        self._say(self.enter("retrain"), f"loss {epoch.loss:.3f}")

    def tested(self, dataset: ReidDataset, tested: Retrieval) -> None:
        self._save(
            "test.json",
            {
                "dataset": dataset.name,
                "train": len(dataset.train),
                "query": len(dataset.query),
                "gallery": len(dataset.gallery),
                "camera_rule": dataset.protocol.camera_rule,
                "feature": self.recipe.retrain.feature,
                "mAP": tested.mAP,
                "mAP_trapezoid": tested.mAP_trapezoid,
                "queries": len(dataset.query) - tested.queries_skipped,
                "queries_skipped": tested.queries_skipped,
            },
        )

    def _line(self, content: Mapping[str, Any]) -> None:
        with (self.folder / "epochs.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")

    def _save(self, name: str, content: Mapping[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _say(self, progress: Progress, words: str) -> None:
        left = progress.seconds_left
        eta = "" if left is None else f", {left / 60:.1f} minutes left"
        print(f"{progress.stage} {progress.epoch}/{progress.epochs}: {words}{eta}", flush=True)
