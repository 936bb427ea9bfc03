"""Search: a recipe and the searched pictures in, a genotype out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from evaluators.losses import IdTriplet
from evaluators.reid_evaluator import EpochReport, ReidEvaluator
from experiments.device import device_of
from experiments.engine import run_one_shot
from experiments.recipes import Recipe
from nas_space.genotype import CANDIDATES, MSI_SLOTS, Genotype
from nas_space.msinet_space import MSINetSpace
from reid_data.datamodule import SearchData, SplitKind
from reid_data.randomness import generator_of
from reid_data.records import Sighting
from strategies.darts import DARTS
from strategies.enas import ENAS
from strategies.seams import Probabilities
from strategies.tcm import TCM


@dataclass(frozen=True)
class Found:
    """What a search ends with.

    Attributes:
        genotype: of the last epoch or of the best, as the recipe says.
        epoch: it was taken from, counted from 1; 0 for a random genotype.
        probabilities: slot -> candidate -> probability after the last epoch; empty for a random
            genotype.
    """

    genotype: Genotype
    epoch: int
    probabilities: Probabilities


def search(
    recipe: Recipe,
    searched: Sequence[Sighting],
    held_out: Sequence[Sighting],
    *,
    camera_rule: bool = True,
    on_epoch: Callable[[EpochReport], None],
) -> Found:
    """Run the recipe's strategy.

    Args:
        recipe: what to search, and how.
        searched: pictures the search may learn from.
        held_out: pictures of other training identities, which score it.
        camera_rule: of the held-out score.
        on_epoch: told of every finished epoch; never called for ``random``, which searches nothing.

    Raises:
        ValueError: if a picture cannot be read, there are too few identities, or the settings do
            not go together.
    """
    if recipe.search.genotype == "best" and not held_out:
        raise ValueError(
            "The recipe asks for search.genotype 'best' and holds out no identities to tell it by:"
            " set data.held_out above 0, or search.genotype to 'last'."
        )
    if recipe.strategy == "random":
        return Found(random_genotype(recipe.seed), epoch=0, probabilities={})
    if camera_rule and held_out and not _seen_twice(held_out):
        print(
            "No held-out identity was seen by two cameras: the search is scored without the camera"
            " rule.",
            flush=True,
        )
        camera_rule = False
    data = SearchData(
        searched=tuple(searched),
        held_out=tuple(held_out),
        height=recipe.data.height,
        width=recipe.data.width,
        identities=recipe.data.identities,
        images=recipe.data.images,
        augmentation=recipe.search.augmentation,
        seed=recipe.seed,
        camera_rule=camera_rule,
        progress=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        space = MSINetSpace(
            width=recipe.space.width,
            cell_width=recipe.space.cell_width,
            residual_start=recipe.space.residual_start,
        )
        space.to(memory_format=torch.channels_last)
    strategy = _strategy(recipe)
    best = _Best(strategy, on_epoch)
    run_one_shot(space, _evaluator(recipe, data, space, best), strategy)
    if recipe.search.genotype == "best" and best.epoch:
        genotype, epoch = best.genotype, best.epoch
    else:
        genotype, epoch = strategy.genotype(), recipe.search.epochs
    return Found(Genotype("msi", genotype), epoch, strategy.probabilities())


def _seen_twice(sightings: Sequence[Sighting]) -> bool:
    """Whether any identity was seen by two cameras."""
    pairs = {(sighting.identity, sighting.camera) for sighting in sightings}
    return len(pairs) > len({identity for identity, _ in pairs})


def random_genotype(seed: int) -> Genotype:
    """Every slot's candidate drawn evenly, from a generator of its own."""
    names = CANDIDATES["msi"]
    drawn = torch.randint(len(names), (len(MSI_SLOTS),), generator=generator_of(seed))
    return Genotype("msi", dict(zip(MSI_SLOTS, (names[i] for i in drawn.tolist()), strict=True)))


class _Best:
    """Passes reports on, and keeps the genotype of the epoch that scored best."""

    def __init__(
        self, strategy: TCM | DARTS | ENAS, on_epoch: Callable[[EpochReport], None]
    ) -> None:
        self._strategy, self._on_epoch = strategy, on_epoch
        self.genotype: dict[str, str] = {}
        self.epoch, self._best = 0, -1.0

    def __call__(self, report: EpochReport) -> None:
        if report.mAP is not None and report.mAP > self._best:
            self._best, self.epoch = report.mAP, report.epoch
            self.genotype = self._strategy.genotype()
        self._on_epoch(report)


def _strategy(recipe: Recipe) -> TCM | DARTS | ENAS:
    settings = recipe.search
    own: SplitKind = "twin" if recipe.strategy == "tcm" else "closed_set"
    split: SplitKind = own if settings.split == "own" else settings.split
    if recipe.strategy == "tcm":
        return TCM(
            arch=settings.arch,
            memory=recipe.memory,
            criterion="evaluator" if settings.loss == "id_triplet" else "contrastive",
            split=split,
            shares=recipe.twin,
            seed=recipe.seed,
        )
    if settings.loss == "contrastive":
        raise ValueError(
            f"The recipe asks for search.loss 'contrastive' with strategy {recipe.strategy!r}: the"
            " memories belong to TCM; set search.loss to 'id_triplet' or 'own', or strategy to"
            " 'tcm'."
        )
    if recipe.strategy == "darts":
        return DARTS(arch=settings.arch, split=split, shares=recipe.twin, seed=recipe.seed)
    return ENAS(controller=settings.controller, split=split, shares=recipe.twin, seed=recipe.seed)


def _evaluator(
    recipe: Recipe, data: SearchData, space: MSINetSpace, on_epoch: Callable[[EpochReport], None]
) -> ReidEvaluator:
    def id_triplet(dimensions: int, identities: int) -> IdTriplet:
        return IdTriplet(
            dimensions,
            identities,
            generator=generator_of(recipe.seed),
            smoothing=recipe.search.smoothing,
            margin=recipe.search.margin,
            weight=recipe.search.triplet,
            neck=space.neck,
        )

    return ReidEvaluator(
        data,
        epochs=recipe.search.epochs,
        optimiser=recipe.search.weights,
        criterion=id_triplet,
        on_epoch=on_epoch,
        accelerator="gpu" if device_of(recipe).type == "cuda" else "cpu",
        seed=recipe.seed,
    )
