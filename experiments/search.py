"""Search: a recipe and the searched pictures in, a genotype out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from evaluators.epoch_report import EpochReport, Probabilities
from evaluators.losses import IdTriplet
from evaluators.reid_evaluator import ReidEvaluator
from experiments.device import device_of
from experiments.engine import run_one_shot
from experiments.held_out import seen_twice
from experiments.recipe import Recipe
from nas_space.genotype import FIXED, MSI_SLOTS, Genotype
from nas_space.msinet_space import MSINetSpace
from nas_space.speed import channels_last
from reid_data.datamodule import SearchData, SplitKind
from reid_data.randomness import generator_of
from reid_data.records import Sighting
from strategies.darts import DARTS
from strategies.enas import ENAS
from strategies.gumbel_darts import GumbelDARTS
from strategies.proxyless import Proxyless
from strategies.random_one_shot import RandomOneShot
from strategies.tcm import TCM

Strategy = TCM | DARTS | GumbelDARTS | Proxyless | ENAS | RandomOneShot


@dataclass(frozen=True)
class Found:
    """What a search ends with.

    Attributes:
        genotype: of the epoch the recipe names.
        epoch: it was taken from, counted from 1; 0 where nothing was searched.
        probabilities: slot -> candidate -> probability after that epoch; empty where nothing was
            searched.
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
    on_batch: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
    earlier: Sequence[EpochReport] = (),
) -> Found:
    """Run the recipe's strategy.

    Args:
        recipe: what to search, and how.
        searched: pictures the search may learn from.
        held_out: pictures of other training identities, which score it.
        camera_rule: of the held-out score.
        on_epoch: told of every finished epoch; never called where nothing is searched.
        on_batch: told of the batches of an epoch that are done, and their number.
        checkpoint: file that keeps the search's state; where it exists, the search goes on there.
        earlier: reports of the epochs behind that checkpoint.

    Raises:
        ValueError: if a picture cannot be read, or there are too few identities.
    """
    if not recipe.searches:
        return Found(given_genotype(recipe), epoch=0, probabilities={})
    reports = list(earlier)
    if len(reports) < recipe.search.epochs:

        def heard(report: EpochReport) -> None:
            reports.append(report)
            on_epoch(report)

        data = _data(recipe, searched, held_out, camera_rule=camera_rule)
        space = supernet_of(recipe)
        evaluator = _evaluator(recipe, data, space, heard, on_batch, checkpoint)
        with _seeded(recipe.seed):
            run_one_shot(space, evaluator, strategy_of(recipe))
    return chosen(reports, recipe)


def chosen(reports: Sequence[EpochReport], recipe: Recipe) -> Found:
    """The genotype the recipe asks for, from the reports of all epochs."""
    report = reports[-1]
    if recipe.search.genotype == "second_last":
        report = reports[-2]
    elif recipe.search.genotype == "best":  # the first of equals
        report = max(reports, key=lambda r: -1.0 if r.mAP is None else r.mAP)
    return Found(Genotype("msi", report.genotype), report.epoch, report.probabilities)


def given_genotype(recipe: Recipe) -> Genotype:
    """The genotype of a strategy that searches nothing: fixed, or every slot drawn evenly."""
    if recipe.strategy in FIXED:
        return FIXED[recipe.strategy]
    names = recipe.space.candidates
    drawn = torch.randint(len(names), (len(MSI_SLOTS),), generator=generator_of(recipe.seed))
    return Genotype("msi", dict(zip(MSI_SLOTS, (names[i] for i in drawn.tolist()), strict=True)))


def supernet_of(recipe: Recipe) -> MSINetSpace:
    """The space with its first weights, which depend on the recipe's seed alone."""
    with _seeded(recipe.seed):
        space = MSINetSpace(
            width=recipe.space.width,
            depths=recipe.space.depths,
            cell_width=recipe.space.cell_width,
            candidates=recipe.space.candidates,
            residual_start=recipe.space.residual_start,
            subtract=recipe.space.subtract,
        )
    return channels_last(space)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's own generator starts from the seed inside, and is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _data(
    recipe: Recipe,
    searched: Sequence[Sighting],
    held_out: Sequence[Sighting],
    *,
    camera_rule: bool,
) -> SearchData:
    if camera_rule and held_out and not seen_twice(held_out):
        print(
            "No held-out identity was seen by two cameras: the search is scored without the camera"
            " rule.",
            flush=True,
        )
        camera_rule = False
    return SearchData(
        searched=tuple(searched),
        held_out=tuple(held_out),
        height=recipe.data.height,
        width=recipe.data.width,
        identities=recipe.data.identities,
        images=recipe.data.images,
        augmentation=recipe.search.augmentation,
        seed=recipe.seed,
        camera_rule=camera_rule,
        cached=recipe.data.cached,
        progress=True,
    )


def strategy_of(recipe: Recipe) -> Strategy:
    """The NNI strategy of a recipe that searches.

    Raises:
        ValueError: if the recipe searches nothing.
    """
    settings = recipe.search
    split, shares, seed = _split(recipe), recipe.twin, recipe.seed
    match recipe.strategy:
        case "tcm":
            return TCM(
                arch=settings.arch,
                memory=recipe.memory,
                iteration=recipe.iteration,
                criterion="evaluator" if settings.loss == "id_triplet" else "contrastive",
                split=split,
                shares=shares,
                seed=seed,
            )
        case "darts":
            return DARTS(arch=settings.arch, split=split, shares=shares, seed=seed)
        case "gumbel_darts":
            return GumbelDARTS(
                arch=settings.arch,
                temperature=settings.gumbel,
                split=split,
                shares=shares,
                seed=seed,
            )
        case "proxyless":
            return Proxyless(arch=settings.arch, split=split, shares=shares, seed=seed)
        case "enas":
            return ENAS(controller=settings.controller, split=split, shares=shares, seed=seed)
        case "random_one_shot":
            return RandomOneShot(settings=settings.one_shot, split=split, shares=shares, seed=seed)
    raise ValueError(f"Strategy {recipe.strategy!r} searches nothing: its genotype is given.")


def _split(recipe: Recipe) -> SplitKind:
    if recipe.search.split != "own":
        return recipe.search.split
    return "twin" if recipe.strategy == "tcm" else "closed_set"


def _evaluator(
    recipe: Recipe,
    data: SearchData,
    space: MSINetSpace,
    on_epoch: Callable[[EpochReport], None],
    on_batch: Callable[[int, int], None] | None,
    checkpoint: Path | None,
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
        on_batch=on_batch,
        checkpoint=checkpoint,
        accelerator="gpu" if device_of(recipe).type == "cuda" else "cpu",
        seed=recipe.seed,
    )
