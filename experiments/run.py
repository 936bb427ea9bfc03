"""A run: data, search, retraining, test, in this order and in one folder.

Query and gallery are decoded at the start, with all other pictures, and not looked at before the
test: everything before it is guided by held-out *training* identities.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evaluators.state import save_state
from experiments.data import data_of
from experiments.device import ask_for_repeatable_kernels, device_of, use_threads
from experiments.diary import Diary, Reporter, final_metrics
from experiments.earlier import (
    RETRAIN_STATE,
    SEARCH_STATE,
    Earlier,
    alone_in,
    finished,
    read_earlier,
    refuse_other_recipe,
)
from experiments.interrupts import Interrupted
from experiments.progress import PROGRESS_FILE, RECIPE_FILE, Progress, begun
from experiments.recipe import Data, Recipe
from experiments.search import Found, search
from experiments.table import RESULT_FILE, Result
from experiments.testing import Tested, test
from experiments.train import network_of, train
from nas_space.cost import measure_cost
from nas_space.heads import EmbeddingNetwork
from reid_data.pictures import Pictures, check_readable
from reid_data.records import Sighting
from reid_data.twin_split import hold_out


def run(
    recipe: Recipe,
    folder: Path,
    reporter: Reporter,
    *,
    board: Path | None = None,
    resume: bool = False,
) -> Result:
    """Search, retrain and test.

    On a CPU, a run that was killed and goes on ends with the numbers of one that was not.

    Args:
        recipe: everything that decides what happens.
        folder: gets all files, as the README lists them; made here.
        reporter: told of metrics.
        board: gets TensorBoard's files; by default ``tensorboard`` in the run folder.
        resume: go on with what the folder holds, if anything; a finished run is not run again.

    Returns:
        What the retrained network reached on query and gallery.

    Raises:
        ValueError: if the data or the recipe is not as needed, or the folder holds a run already
            and is not to be resumed, a run of another recipe, or one that is running.
    """
    if not resume and begun(folder):
        raise ValueError(
            f"The folder {folder.name!r} holds a run already: go on with it by --resume, name"
            " another one, or delete it first."
        )
    with alone_in(folder):
        if resume and finished(folder):
            return _told_again(recipe, folder, reporter)
        if not resume:
            (folder / RECIPE_FILE).unlink(missing_ok=True)  # of a run that never began
        earlier = read_earlier(folder, recipe) if resume else Earlier()
        use_threads(recipe)
        ask_for_repeatable_kernels(device_of(recipe))
        diary = Diary(folder, recipe, reporter, board or folder / "tensorboard", earlier)
        try:
            return _whole_way(recipe, diary)
        except (KeyboardInterrupt, Interrupted):
            diary.enter("stopped")
            raise
        except BaseException:
            diary.enter("failed")
            raise


def _whole_way(recipe: Recipe, diary: Diary) -> Result:
    began, earlier, folder = time.monotonic(), diary.earlier, diary.folder
    data = data_of(recipe.data)
    source, target = data
    parts = hold_out(source.train, recipe.data.held_out, seed=recipe.seed)
    _look_at((*source.train, *target.query, *target.gallery), recipe.data)
    diary.enter("search")
    found = search(
        recipe,
        *parts,
        camera_rule=source.protocol.camera_rule,
        on_epoch=diary.searched,
        on_batch=diary.batch,
        checkpoint=folder / SEARCH_STATE,
        earlier=earlier.search,
    )
    diary.found(found)
    network = network_of(found.genotype, recipe)
    train(
        network,
        source.train,
        recipe,
        on_epoch=diary.retrained,
        on_batch=diary.batch,
        checkpoint=folder / RETRAIN_STATE,
    )
    weights = {name: value.cpu() for name, value in network.state_dict().items()}
    save_state(folder / "network.pt", weights)
    diary.enter("test")
    tested = test(network, target, recipe)
    minutes = (time.monotonic() - began + earlier.seconds) / 60
    result = _result(recipe, found, network, tested, minutes=minutes)
    diary.tested(data, tested, result)
    return result


def _look_at(sightings: Sequence[Sighting], data: Data) -> None:
    """Decode all pictures, into the cache or for nothing, so that a broken one is found now.

    Raises:
        ValueError: if files cannot be read; it names them.
    """
    said = "decoding pictures"
    if data.cached:
        Pictures(sightings, height=data.height, width=data.width, progress=said)
    else:
        check_readable(sightings, progress=said)


def _told_again(recipe: Recipe, folder: Path, reporter: Reporter) -> Result:
    """Of a finished run; what was left undone behind its result is done."""
    refuse_other_recipe(folder, recipe)
    result = Result.read(folder / RESULT_FILE)
    progress = Progress.read(folder / PROGRESS_FILE)
    if progress.stage != "done":
        (folder / RETRAIN_STATE).unlink(missing_ok=True)
        replace(progress, stage="done", seconds_left=0.0).write(folder)
    reporter.final(final_metrics(result))
    return result


def _result(
    recipe: Recipe, found: Found, network: EmbeddingNetwork, tested: Tested, *, minutes: float
) -> Result:
    mean = {name: metric.mean for name, metric in tested.metrics.items()}
    cost = measure_cost(network, height=recipe.data.height, width=recipe.data.width)
    return Result(
        strategy=recipe.strategy,
        seed=recipe.seed,
        mAP=mean["mAP"],
        rank1=mean["rank1"],
        rank5=mean["rank5"],
        rank10=mean["rank10"],
        mINP=mean["mINP"],
        parameters=cost.parameters,
        macs=cost.macs,
        minutes=minutes,
        genotype=str(found.genotype),
    )
