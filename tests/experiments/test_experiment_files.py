"""Every experiment file is one that NNI runs to its end, and every trial of it can be built.

NNI's own classes read the files and give out their points; nothing here needs a data set.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import nni
import pytest
from nni.experiment.config import ExperimentConfig
from nni.nas.nn.pytorch import LayerChoice
from nni.nas.strategy.base import Strategy
from nni.tools.package_utils import create_builtin_class_instance

from experiments.config import digest, override
from experiments.preflight.rehearsal import findings
from experiments.recipe import Recipe, StrategyName
from experiments.recipes import RECIPES, resolve
from experiments.search import given_genotype, strategy_of, supernet_of
from experiments.train import network_of
from nas_space.alignment import AlignmentMode
from nas_space.genotype import CANDIDATES
from nas_space.networks import MSINET
from nas_space.peers import PEERS
from reid_data.catalog import is_name
from reid_data.twin_split import TwinShares

FOLDER = Path(__file__).parents[2] / "experiments"
FILES = {file.name: file for file in sorted(FOLDER.glob("*.yml"))}
PAPER_SIZE = ("market1501", "msmt17", "veri776", "vehicleid")
OTHERS = ("pretraining", "peers")  # in which nothing is searched
COMPARED = [n for n in RECIPES if not n.endswith("_cross_domain") and n not in OTHERS]
COMPARISONS = [f"{name}.yml" for name in COMPARED]
ELSEWHERE = "cross_domain.yml"
"""The file of all other recipes: one trial command is on, the others are comments."""

each_file = pytest.mark.parametrize("name", FILES)


def loaded(file: Path) -> Any:
    """NNI's configuration; NNI refuses what it could not start."""
    return ExperimentConfig.load(file).canonical_copy()


@cache
def points_of(name: str) -> list[dict[str, Any]]:
    """Every point NNI's tuner gives out before it says that there are no more."""
    config = loaded(FILES[name])
    tuner = create_builtin_class_instance(config.tuner.name, None, "tuners")
    tuner.update_search_space(config.search_space)

    def until_exhausted() -> Iterator[dict[str, Any]]:
        for number in range(10 * config.max_trial_number):
            try:
                yield tuner.generate_parameters(number)
            except nni.NoMoreTrialError:
                return
        raise AssertionError(f"{name} has no end of points.")

    return list(until_exhausted())


def recipe_of(name: str) -> str:
    """The recipe a file's trial command names."""
    command = loaded(FILES[name]).trial_command.split()
    assert command[:4] == ["python", "-m", "experiments.trial", "--recipe"]
    return str(command[4])


def recipes_of(name: str) -> list[Recipe]:
    return [resolve(recipe_of(name), point) for point in points_of(name)]


@each_file
def test_nni_accepts_the_file_as_it_stands(name: str) -> None:
    config = loaded(FILES[name])
    assert config.training_service.platform == "local"
    assert config.training_service.trial_code_directory == str(FOLDER.parent)
    assert config.trial_concurrency == 1


@each_file
def test_the_trial_number_is_that_of_the_points(name: str) -> None:
    """With more, NNI never calls the experiment done; with fewer, a strategy would be left out."""
    assert len(points_of(name)) == loaded(FILES[name]).max_trial_number


@each_file
def test_no_two_points_are_the_same_run(name: str) -> None:
    digests = [digest(recipe) for recipe in recipes_of(name)]
    assert len(set(digests)) == len(digests)


@each_file
def test_the_preflight_has_nothing_against_any_point(name: str) -> None:
    found = findings(recipe_of(name), loaded(FILES[name]).search_space, elsewhere=True)
    assert (found.problems, found.points) == ([], len(points_of(name)))


@each_file
def test_every_point_builds_its_trial_without_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path / "nowhere"))
    for recipe in recipes_of(name):
        assert all(is_name(name) for name in (recipe.data.name, *recipe.data.targets))
        tiny = override(recipe, {"space.width": 0.0625})
        if tiny.searches:
            slots = [slot for slot in supernet_of(tiny).modules() if isinstance(slot, LayerChoice)]
            assert [tuple(slot.names) for slot in slots] == [recipe.space.candidates] * 12
            assert isinstance(strategy_of(tiny), Strategy)
            tiny = override(tiny, {"strategy": "random"})
        genotype = given_genotype(tiny) if recipe.retrain.network == MSINET else None
        assert network_of(genotype, tiny).dimensions > 0


def test_no_strategy_runs_as_another() -> None:
    searching = [recipe for recipe in recipes_of("vehicles.yml") if recipe.searches]
    kinds = {type(strategy_of(recipe)) for recipe in searching}
    assert len(kinds) == len(searching) == 6
    given = [recipe for recipe in recipes_of("vehicles.yml") if not recipe.searches]
    assert len({str(given_genotype(recipe)) for recipe in given}) == len(given) == 3


@each_file
def test_gpu_fields_are_off_and_ready_to_be_switched_on(name: str, tmp_path: Path) -> None:
    config = loaded(FILES[name])
    service = config.training_service
    fields = (config.trial_gpu_number, service.trial_gpu_number, service.use_active_gpu)
    assert (*fields, service.gpu_indices) == (None, None, None, None)

    switched = tmp_path / name
    text, found = re.subn(r"(?m)^( *)# (\w+: .*# GPU: )", r"\1\2", FILES[name].read_text())
    assert found == 3
    switched.write_text(text.replace("trialCodeDirectory: ..", "trialCodeDirectory: ."))
    config = loaded(switched)
    assert config.training_service.trial_gpu_number == 1
    assert config.training_service.use_active_gpu is True
    assert config.training_service.gpu_indices == [0, 1]


@pytest.mark.parametrize("name", [*COMPARISONS, ELSEWHERE])
def test_a_comparison_lists_every_strategy_on_or_off(name: str, tmp_path: Path) -> None:
    switched = tmp_path / name
    text = re.sub(r"(?m)^( *)# (- \w+)$", r"\1\2", FILES[name].read_text())
    switched.write_text(text.replace("trialCodeDirectory: ..", "trialCodeDirectory: ."))
    space = loaded(switched).search_space
    assert sorted(space["strategy"]["_value"]) == sorted(get_args(StrategyName))
    on = {recipe.strategy for recipe in recipes_of(name)}
    if name == ELSEWHERE:
        assert on == {"msinet_msmt17"}
        assert space["retrain.alignment.mode"]["_value"] == list(get_args(AlignmentMode))
    else:
        assert "tcm" in on


def test_every_recipe_has_a_file_of_its_name_and_every_file_a_recipe() -> None:
    assert {recipe_of(name) for name in FILES} == {*COMPARED, "peers", "vehicles_cross_domain"}
    for name in COMPARISONS:
        assert f"{recipe_of(name)}.yml" == name
    switched = {recipe for _, recipe in trial_commands(ELSEWHERE)}
    assert switched == {name for name in RECIPES if name.endswith("_cross_domain")}


def trial_commands(name: str) -> list[tuple[str, str]]:
    """Every trial command of a file, on or off, and its recipe."""
    return re.findall(r"(?m)^((?:# )?trialCommand: .*--recipe (\w+))$", FILES[name].read_text())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("market1501", "msmt17"),
        ("msmt17", "market1501"),
        ("veri776", "vehicleid"),
        ("vehicleid", "veri776"),
    ],
)
def test_each_other_trial_command_is_ready_to_be_switched_on(
    source: str, target: str, tmp_path: Path
) -> None:
    """As a user does it: a line of its own loses its mark, and the line that is on gets one."""
    text = FILES[ELSEWHERE].read_text()
    for line, recipe in trial_commands(ELSEWHERE):
        wanted = recipe == f"{source}_cross_domain"
        text = text.replace(f"{line}\n", f"{'' if wanted else '# '}{line.removeprefix('# ')}\n")
    switched = tmp_path / ELSEWHERE
    switched.write_text(text.replace("trialCodeDirectory: ..", "trialCodeDirectory: ."))
    config = loaded(switched)
    assert config.trial_command.endswith(f" {source}_cross_domain")
    points = points_of(ELSEWHERE)
    assert len(points) == config.max_trial_number == 12
    for point in points:
        run = resolve(f"{source}_cross_domain", point)
        assert (run.data.name, run.data.targets) == (source, (target,))
        assert (run.retrain.epochs, run.data.height) == (250, 256)
        tiny = override(run, {"space.width": 0.0625})
        assert network_of(given_genotype(tiny), tiny).dimensions > 0


def test_cross_domain_sweeps_alignment_seed_and_feature_from_one_folder_to_the_other() -> None:
    recipes = recipes_of(ELSEWHERE)
    assert {(r.data.name, r.data.targets) for r in recipes} == {
        ("market_layout:vehicles_a", ("market_layout:vehicles_b",))
    }
    swept = {
        (r.retrain.alignment.mode, r.seed, r.retrain.feature, r.retrain.triplet_on) for r in recipes
    }
    assert swept == {
        (mode, seed, feature, feature)
        for mode in ("none", "pos_neg")
        for seed in range(3)
        for feature in ("pooled", "normalised")
    }


def test_the_peers_are_all_there_are_and_differ_in_the_network_alone() -> None:
    recipes = recipes_of("peers.yml")
    assert sorted(r.retrain.network for r in recipes) == sorted([MSINET, *PEERS])
    base = {"retrain.network": MSINET}
    assert len({digest(override(recipe, base)) for recipe in recipes}) == 1


@each_file
def test_a_file_names_no_machine(name: str) -> None:
    text = FILES[name].read_text()
    assert not re.findall(r"(?<![\w.])[/~]\w+|\w:\\|\w+://|localhost|\d+\.\d+\.\d+\.\d+", text)


@pytest.mark.parametrize("recipe", PAPER_SIZE)
def test_the_large_experiments_have_the_papers_budgets_and_sizes(recipe: str) -> None:
    width = 128 if recipe in ("market1501", "msmt17") else 256
    for run in recipes_of(f"{recipe}.yml"):
        assert (run.search.epochs, run.retrain.epochs) == (350, 350)
        assert (run.data.name, run.data.height, run.data.width) == (recipe, 256, width)


def test_the_overlap_is_swept_through_the_papers_point_and_the_comments_count_right() -> None:
    """What is not shared is 1 : 2 throughout: 0.3333 and 0.6667, 0.3 and 0.6, ... 0 and 0."""
    name = "ablation_overlap.yml"
    shares = [recipe.twin for recipe in recipes_of(name)]
    assert TwinShares() in shares
    for share in shares:
        assert share.train_only == pytest.approx((1 - share.shared) / 3, abs=1e-4)
    comments = re.findall(r"twin\.shared: .*# (\d+), (\d+), (\d+)", FILES[name].read_text())
    assert [tuple(map(int, counts)) for counts in comments] == [s.counts(751) for s in shares]
    assert {recipe.data.held_out for recipe in recipes_of(name)} == {0.0}


def test_every_interaction_is_left_out_once() -> None:
    runs = recipes_of("ablation_interactions.yml")
    everything = CANDIDATES["msi"]
    left_out = [set(everything) - set(recipe.space.candidates) for recipe in runs]
    # Nothing is left out twice: with the subtraction in the cross attention, and without.
    assert sorted(map(sorted, left_out)) == sorted([[], [], *([name] for name in everything)])
    full = [recipe.space for recipe in runs if set(recipe.space.candidates) == set(everything)]
    assert [space.subtract for space in full] == [True, False]
    assert {recipe.space.subtract for recipe in runs if recipe.space not in full} == {True}
