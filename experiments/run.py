"""A run: data, search, retraining, test, in this order and in one folder.

Query and gallery are decoded at the start, with all other pictures, and not looked at before the
test: everything before it is guided by held-out *training* identities.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evaluators.cross_domain import Tests, UntestedError, mean_metrics, score_on_all
from evaluators.epoch_report import TrainingEpoch
from experiments.data import RunData, data_of
from experiments.diary import Diary, Reporter, final_metrics
from experiments.earlier import RETRAIN_STATE, SEARCH_STATE
from experiments.kept import Kept, Which, info_of
from experiments.plan import Plan
from experiments.points import Point
from experiments.recipe import Data, Recipe
from experiments.recipes import require_network_of_search
from experiments.run_folder import carry_out
from experiments.search import search
from experiments.table import RESULT_FILE, SCORES, Result
from experiments.train import Training, blueprint_of, network_of, train
from nas_space.cost import measure_cost
from nas_space.genotype import Genotype
from nas_space.heads import EmbeddingNetwork
from nas_space.networks import MSINET
from reid_data.pictures import Pictures, check_readable
from reid_data.records import ReidDataset, Sighting
from reid_data.twin_split import hold_out


def run(
    recipe: Recipe,
    folder: Path,
    reporter: Reporter,
    *,
    point: Point = MappingProxyType({}),
    board: Path | None = None,
    resume: bool = False,
) -> Result:
    """Search, retrain and test; a peer, whose strategy searches nothing, is trained and tested.

    On a CPU, a run that was killed and goes on ends with the numbers of one that was not.

    Args:
        recipe: everything that decides what happens.
        folder: gets all files, as the README lists them; made here.
        reporter: told of metrics.
        point: what the result says of the settings that made the recipe.
        board: gets TensorBoard's files; by default ``tensorboard`` in the run folder.
        resume: go on with what the folder holds, if anything; a finished run is not run again.

    Returns:
        What the retrained network reached on query and gallery.

    Raises:
        ValueError: if the data or the recipe is not as needed, or the folder holds a run already
            and is not to be resumed, a run of another recipe, or one that is running.
    """
    require_network_of_search(recipe)
    label = recipe.strategy if recipe.retrain.network == MSINET else recipe.retrain.network
    plan = Plan(recipe, label, recipe.search.epochs if recipe.searches else 0, point=point)
    return carry_out(
        plan,
        folder,
        reporter,
        way=_whole_way,
        again=partial(told_again, reporter=reporter),
        board=board,
        resume=resume,
    )


def _whole_way(diary: Diary) -> Result:
    began, recipe = time.monotonic(), diary.plan.recipe
    data = looked_at(recipe.data)
    genotype = None
    if recipe.retrain.network == MSINET:
        genotype = _searched(diary, data.source)
    else:
        diary.given(None)
    network = network_of(genotype, recipe)
    return train_and_test(network, genotype, data, diary, began=began, training=train)


def _searched(diary: Diary, source: ReidDataset) -> Genotype:
    recipe = diary.plan.recipe
    parts = hold_out(source.train, recipe.data.held_out, seed=recipe.seed)
    diary.enter("search")
    found = search(
        recipe,
        *parts,
        camera_rule=source.protocol.camera_rule,
        on_epoch=diary.searched,
        on_batch=diary.batch,
        checkpoint=diary.folder / SEARCH_STATE,
        earlier=diary.earlier.search,
    )
    diary.found(found)
    return found.genotype


def looked_at(data: Data) -> RunData:
    """What a recipe names, every picture of it decoded once, so that a broken one is found now.

    Raises:
        ValueError: if a data set is not as it should be, or files cannot be read, which are named.
    """
    found = data_of(data)
    parts = [found.source.train, *(part for t in found.targets for part in (t.query, t.gallery))]
    _look_at([sighting for part in parts for sighting in part], data)
    return found


def _look_at(sightings: Sequence[Sighting], data: Data) -> None:
    """Decode into the cache, or for nothing."""
    said = "decoding pictures"
    if data.cached:
        Pictures(sightings, height=data.height, width=data.width, progress=said)
    else:
        check_readable(sightings, progress=said)


def train_and_test(
    network: EmbeddingNetwork,
    genotype: Genotype | None,
    data: RunData,
    diary: Diary,
    *,
    began: float,
    training: Training,
    info: Mapping[str, Any] = MappingProxyType({}),
) -> Result:
    """The end of every run: the network is trained, tested on the targets, and described.

    Args:
        network: with its first weights.
        genotype: of the network; None for a peer.
        data: to train and to test on.
        diary: of the run, which has told of the genotype.
        began: when the run began, by the monotonic clock.
        training: how it is trained.
        info: what the network's files say besides.

    Raises:
        UntestedError: if it could not be tested on one of several targets; the scores on the others
            are in the folder.
        ValueError: as ``training`` and ``score_on``.
    """
    recipe, source = diary.plan.recipe, data.source
    blueprint = blueprint_of(genotype, recipe)
    kept = Kept(diary.folder, network, blueprint, info_of(recipe, source.name) | dict(info))

    def finished(epoch: TrainingEpoch) -> None:
        kept.epoch(epoch)
        diary.retrained(epoch)

    training(
        network,
        source.train,
        recipe,
        camera_rule=source.protocol.camera_rule,
        on_epoch=finished,
        on_batch=diary.batch,
        checkpoint=diary.folder / RETRAIN_STATE,
    )
    which: Which = "best" if recipe.retrain.held_out else "last"
    kept.choose(which)
    diary.enter("test")

    def scored(tests: Tests) -> None:
        kept.tested(which, {name: tested.means for name, tested in tests.items()})
        diary.scored(data, tests, network=which)

    try:
        tests = score_on_all(
            network,
            data.targets,
            height=recipe.data.height,
            width=recipe.data.width,
            cached=recipe.data.cached,
        )
    except UntestedError as error:
        if error.tests:
            scored(error.tests)
        raise
    scored(tests)
    minutes = (time.monotonic() - began + diary.earlier.seconds) / 60
    result = _result(diary.plan, genotype, network, tests, minutes=minutes)
    diary.tested(result)
    return result


def told_again(folder: Path, *, reporter: Reporter) -> Result:
    """The result of a finished run."""
    result = Result.read(folder / RESULT_FILE)
    reporter.final(final_metrics(result))
    return result


def _result(
    plan: Plan,
    genotype: Genotype | None,
    network: EmbeddingNetwork,
    tests: Tests,
    *,
    minutes: float,
) -> Result:
    scores = {}
    for name, tested in tests.items():
        means = tested.means
        scores[name] = {score: means[score] for score in SCORES}
    mean, data = mean_metrics(scores), plan.recipe.data
    cost = measure_cost(network, height=data.height, width=data.width)
    return Result(
        strategy=plan.label,
        seed=plan.recipe.seed,
        mAP=mean["mAP"],
        rank1=mean["rank1"],
        rank5=mean["rank5"],
        rank10=mean["rank10"],
        mINP=mean["mINP"],
        parameters=cost.parameters,
        macs=cost.macs,
        minutes=minutes,
        genotype="" if genotype is None else str(genotype),
        feature=plan.recipe.retrain.feature,
        settings=plan.point,
        targets=scores,
    )
