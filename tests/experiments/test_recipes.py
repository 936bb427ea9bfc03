"""Every recipe is named as it is listed, follows the paper, and can be set field by field."""

from typing import Any

import pytest

from experiments.config import field_names, override, to_dict
from experiments.presets import PRESETS
from experiments.recipes import RECIPES, point_of, recipe_named, require_network_of_search, resolve


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_name_it_is_listed_under(name: str) -> None:
    assert recipe_named(name).name == name


@pytest.mark.parametrize("name", RECIPES)
def test_every_field_of_a_recipe_can_be_set_from_a_search_space(name: str) -> None:
    recipe = recipe_named(name)
    plain: Any = to_dict(recipe)
    for field in field_names(recipe):
        value = plain
        for part in field.split("."):
            value = value[part]
        assert override(recipe, {field: value}) == recipe


def test_an_unknown_recipe_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"No recipe 'quikstart'.*quickstart"):
        recipe_named("quikstart")


def test_the_papers_budgets_are_the_papers() -> None:
    for name in ("market1501", "msmt17", "veri776", "vehicleid"):
        recipe = recipe_named(name)
        assert (recipe.search.epochs, recipe.retrain.epochs) == (350, 350)
        vehicles = name in ("veri776", "vehicleid")
        assert (recipe.data.height, recipe.data.width) == (256, 256 if vehicles else 128)
        assert (recipe.data.identities, recipe.data.images) == (16, 4)
        assert (recipe.search.weights.learning_rate, recipe.retrain.weights.learning_rate) == (
            0.025,
            0.065,
        )
        assert (recipe.search.arch.learning_rate, recipe.search.arch.betas) == (0.002, (0.5, 0.999))
        assert (recipe.memory.temperature, recipe.memory.momentum) == (0.05, 0.2)


def test_recipes_follow_the_paper_by_themselves_but_for_the_identities_held_out() -> None:
    for name in RECIPES:
        recipe = recipe_named(name)
        paper = resolve(name, {"preset": "paper"})
        assert paper == override(recipe, {"data.held_out": 0.0})
        assert recipe.data.held_out > 0


def test_the_authors_code_differs_from_the_paper_in_what_is_known_of_it() -> None:
    """Leak, order, rest, zero memories, narrow cells, genotype of the second-last epoch."""
    recipe = resolve("msmt17", {"preset": "authors_code"})
    iteration = recipe.iteration
    assert (iteration.first, iteration.leak, iteration.skip_first) == ("architecture", True, True)
    assert recipe.memory.initialisation == "zeros"
    assert recipe.space.cell_width == "in"
    assert recipe.search.genotype == "second_last"
    assert PRESETS["paper"].keys() == PRESETS["authors_code"].keys()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("market1501", "msmt17"),
        ("msmt17", "market1501"),
        ("veri776", "vehicleid"),
        ("vehicleid", "veri776"),
    ],
)
def test_a_cross_domain_recipe_is_the_papers_for_another_target(name: str, target: str) -> None:
    """Jitter (0.4, 0.4, 0.3) instead of erasing, 250 epochs, SAM of all pairs at ratio 2."""
    recipe, base = recipe_named(f"{name}_cross_domain"), recipe_named(name)
    augmentation = {"erasing": 0.0, "brightness": 0.4, "contrast": 0.4, "saturation": 0.3}
    retrain = {
        "epochs": 250,
        **{f"augmentation.{field}": value for field, value in augmentation.items()},
        **{"alignment.mode": "pos_neg", "alignment.ratio": 2.0},
    }
    changes = {f"retrain.{field}": value for field, value in retrain.items()}
    expected = override(base, changes | {"name": recipe.name, "data.targets": [target]})
    assert recipe == expected
    assert (recipe.retrain.alignment.orientation, recipe.retrain.alignment.self_pairs) == (
        "own",
        False,
    )


def test_no_recipe_of_one_domain_aligns() -> None:
    modes = {name: recipe_named(name).retrain.alignment.mode for name in RECIPES}
    assert {mode for name, mode in modes.items() if "cross" not in name} == {"none"}
    assert {mode for name, mode in modes.items() if "cross" in name} == {"pos_neg"}


def test_the_alignment_of_the_authors_code_is_a_preset() -> None:
    for name in ("market1501", "market1501_cross_domain"):
        aligned = resolve(name, {"preset": "sam_authors_code"}).retrain.alignment
        assert (aligned.mode, aligned.orientation, aligned.self_pairs) == ("pos_neg", "other", True)
    positives = {"preset": "sam_authors_code", "retrain.alignment.mode": "pos"}
    assert resolve("msmt17_cross_domain", positives).retrain.alignment.mode == "pos"


def test_a_field_set_beside_a_preset_wins() -> None:
    for settings in ({"preset": "authors_code", "iteration.leak": "false"},):
        recipe = resolve("quickstart", settings)
        assert not recipe.iteration.leak
        assert recipe.iteration.skip_first


@pytest.mark.parametrize("named", ["papre", "paper+papre", "", "paper+", ["paper"], 3])
def test_an_unknown_preset_is_told_the_known_ones(named: Any) -> None:
    with pytest.raises(ValueError, match=r"No preset .*: expected one of paper, authors_code"):
        resolve("quickstart", {"preset": named})


@pytest.mark.parametrize(
    ("preset", "feature"), [("in_domain_features", "pooled"), ("bn_features", "normalised")]
)
def test_either_choice_of_feature_is_a_preset_that_trains_what_it_scores(
    preset: str, feature: str
) -> None:
    for name in RECIPES:
        retrain = resolve(name, {"preset": preset}).retrain
        assert (retrain.triplet_on, retrain.feature) == (feature, feature)


def test_presets_are_joined_in_any_order() -> None:
    for names in ("sam_authors_code+bn_features", "bn_features+sam_authors_code"):
        retrain = resolve("msmt17_cross_domain", {"preset": names}).retrain
        assert (retrain.alignment.orientation, retrain.feature) == ("other", "normalised")
    agreed = resolve("msmt17", {"preset": "paper+paper"})
    assert agreed == resolve("msmt17", {"preset": "paper"})


def test_presets_that_do_not_agree_are_refused_by_the_field() -> None:
    both = {"preset": "in_domain_features+bn_features"}
    with pytest.raises(ValueError, match=r"'retrain\.triplet_on' to 'pooled' and to 'normalised'"):
        resolve("vehicles", both)
    with pytest.raises(ValueError, match="join presets that agree"):
        resolve("vehicles", both | {"retrain.feature": "pooled"})


def test_the_authors_search_is_refused_for_another_strategy_in_any_company() -> None:
    with pytest.raises(ValueError, match="run TCM"):
        resolve("vehicles", {"strategy": "darts", "preset": "bn_features+authors_code"})


def test_targets_are_a_list_or_its_words() -> None:
    names = ("market_layout:a", "msmt17")
    for value in (list(names), '["market_layout:a", "msmt17"]'):
        assert resolve("market1501", {"data.targets": value}).data.targets == names


def test_a_result_says_what_was_set_besides_strategy_and_seed_as_the_recipe_has_it() -> None:
    """From NNI as numbers, from a command line as words: the same."""
    typed = {
        "retrain.epochs": 7,
        "search.arch.learning_rate": 0.5,
        "data.cached": False,
        "threads": None,
        "data.targets": ["a", "b"],
        "preset": "paper",
    }
    words = {name: str(value) for name, value in typed.items()}
    words |= {"threads": "none", "data.targets": '["a", "b"]'}
    for own in (typed, words):
        settings = {"strategy": "tcm", "seed": 3, **own}
        assert point_of(resolve("quickstart", settings), settings) == typed | {
            "threads": "none",
            "data.targets": "a:b",
        }
    assert point_of(recipe_named("quickstart"), {}) == {}


@pytest.mark.parametrize("mode", ["pos", "pos_neg"])
def test_pictures_of_one_identity_are_aligned_only_where_a_batch_has_two(mode: str) -> None:
    fields = {"retrain.alignment.mode": mode, "data.images": 1}
    with pytest.raises(ValueError, match=r"set data\.images to 2"):
        resolve("quickstart", fields)
    resolve("quickstart", fields | {"retrain.alignment.self_pairs": True})
    resolve("quickstart", fields | {"retrain.alignment.mode": "neg"})


def test_a_pretraining_is_that_of_imagenet_and_no_training_of_identities() -> None:
    """256 pictures a batch: the product of what a batch of identities has."""
    recipe = recipe_named("pretraining")
    assert (recipe.data.height, recipe.data.width, recipe.retrain.epochs) == (224, 224, 100)
    assert recipe.data.identities * recipe.data.images == 256
    weights = recipe.retrain.weights
    rates = [weights.factor(epoch, 100) for epoch in (5, 52, 100)]
    assert rates == pytest.approx([1, 0.5, 0], abs=0.01)


@pytest.mark.parametrize("strategy", ["tcm", "random"])
def test_nothing_is_searched_or_drawn_in_a_peer(strategy: str) -> None:
    peer = {"retrain.network": "resnet50", "strategy": strategy}
    with pytest.raises(ValueError, match=r"'retrain\.network' is 'resnet50'.*--network resnet50"):
        require_network_of_search(resolve("vehicles", peer))
    require_network_of_search(resolve("vehicles", peer | {"strategy": "uniform_none"}))
    require_network_of_search(resolve("vehicles", {"strategy": strategy}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("space.candidates", ("none", "swap")),
        ("space.candidates", ()),
        ("space.candidates", ("none",)),
        ("space.candidates", ("none", "none")),
        ("data.held_out", 1.0),
        ("memory.momentum", 2.0),
        ("memory.temperature", 0.0),
        ("data.held_out", -0.1),
        ("space.depths", (0, 3)),
        ("search.genotype", "second_last"),
        ("retrain.held_out", 1.0),
        *(("retrain.alignment.ratio", -1.0), ("retrain.alignment.ratio", "inf")),
        *(("retrain.smoothing", 5.0), ("retrain.smoothing", -0.5), ("search.smoothing", "nan")),
        *(("retrain.margin", -1.0), ("retrain.triplet", -3.0), ("search.triplet", "inf")),
        ("retrain.accumulate", 0),
        ("retrain.devices", 0),
        ("retrain.score_every", 0),
        ("retrain.network", "resnet"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_the_name_of_its_field(
    field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=field.rpartition(".")[2]):
        resolve("quickstart", {field: value, "search.epochs": 1})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strategy": "darts", "search.loss": "contrastive"}, "belong to TCM"),
        ({"search.genotype": "best", "data.held_out": 0}, r"set data\.held_out above 0"),
        ({"strategy": "random_one_shot", "preset": "paper"}, r"set data\.held_out above 0"),
        ({"strategy": "enas", "preset": "authors_code"}, "run TCM"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_before_anything_runs(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        resolve("quickstart", settings)
    for nothing_searched in ("random", "uniform_none"):
        resolve("quickstart", settings | {"strategy": nothing_searched})
