"""A search uses the strategy, the split and the loss the recipe names, and depends on its seed."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from evaluators.reid_evaluator import EpochReport
from experiments.config import override
from experiments.recipes import Recipe
from experiments.search import Found, _Best, _strategy, random_genotype, search
from nas_space.genotype import CANDIDATES
from reid_data.catalog import load_dataset
from reid_data.twin_split import hold_out


def searched(recipe: Recipe, **changes: Any) -> tuple[Found, list[EpochReport]]:
    recipe = override(recipe, {name.replace("__", "."): v for name, v in changes.items()})
    dataset = load_dataset(recipe.data.name)
    pictures, held_out = hold_out(dataset.train, recipe.data.held_out, seed=recipe.seed)
    reports: list[EpochReport] = []
    return search(recipe, pictures, held_out, on_epoch=reports.append), reports


@pytest.mark.parametrize("strategy", ["tcm", "darts", "enas"])
def test_the_same_seed_gives_the_same_search_to_the_last_digit(tiny: Recipe, strategy: str) -> None:
    first, first_reports = searched(tiny, strategy=strategy)
    again, again_reports = searched(tiny, strategy=strategy)
    assert first == again
    assert [(r.loss, r.mAP, r.entropy) for r in first_reports] == [
        (r.loss, r.mAP, r.entropy) for r in again_reports
    ]
    other, _ = searched(tiny, strategy=strategy, seed=1)
    assert other.probabilities != first.probabilities


@pytest.mark.parametrize("split", ["own", "twin", "closed_set"])
@pytest.mark.parametrize(
    ("strategy", "loss"),
    [("tcm", "contrastive"), ("tcm", "id_triplet"), ("darts", "id_triplet"), ("enas", "own")],
)
def test_split_and_loss_can_be_chosen_apart(
    tiny: Recipe, strategy: str, loss: str, split: str
) -> None:
    found, reports = searched(
        tiny, strategy=strategy, search__loss=loss, search__split=split, search__epochs=1
    )
    assert len(found.probabilities) == 12
    assert [report.epoch for report in reports] == [1]


def test_the_memories_are_refused_to_other_strategies(tiny: Recipe) -> None:
    with pytest.raises(ValueError, match="belong to TCM"):
        searched(tiny, strategy="darts", search__loss="contrastive")


def test_the_architecture_moves_in_a_search_and_stays_where_it_was_drawn_without_a_rate(
    tiny: Recipe,
) -> None:
    moved, _ = searched(tiny, search__arch__learning_rate=0.5)
    still, _ = searched(tiny, search__arch__learning_rate=0.0)
    largest = [max(slot.values()) for slot in still.probabilities.values()]
    # alpha of at most about 4 * 0.001 beside 0: exp(.004) / (exp(.004) + 3) = .25075
    assert all(0.25 <= p < 0.2515 for p in largest)
    assert max(max(slot.values()) for slot in moved.probabilities.values()) > 0.3


def test_the_best_epoch_is_taken_where_the_recipe_asks_for_it(tiny: Recipe) -> None:
    found, reports = searched(
        tiny, search__genotype="best", search__epochs=3, search__arch__learning_rate=0.5
    )
    scores = [report.mAP or 0.0 for report in reports]
    assert found.epoch == scores.index(max(scores)) + 1


def test_the_best_epochs_genotype_is_the_one_that_was_current_then(
    tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores of 0.1, 0.5 and 0.3 are put in place of those of the three epochs."""
    scores, current = (0.1, 0.5, 0.3), list[dict[str, str]]()
    original = _Best.__call__

    def scored(self: _Best, report: EpochReport) -> None:
        current.append(dict(self._strategy.genotype()))
        original(self, replace(report, mAP=scores[report.epoch - 1]))

    monkeypatch.setattr(_Best, "__call__", scored)
    settings = {"search__epochs": 3, "search__arch__learning_rate": 0.5}
    best, _ = searched(tiny, search__genotype="best", **settings)
    last, _ = searched(tiny, search__genotype="last", **settings)
    assert current[:3] == current[3:]  # two searches of one seed
    assert current[0] != current[1] != current[2]
    assert (best.epoch, best.genotype.slots) == (2, current[1])
    assert (last.epoch, last.genotype.slots) == (3, current[2])


@pytest.mark.parametrize(
    ("strategy", "own"), [("tcm", "twin"), ("darts", "closed_set"), ("enas", "closed_set")]
)
def test_each_strategy_has_its_own_split_unless_told_otherwise(
    tiny: Recipe, strategy: str, own: str
) -> None:
    recipe = override(tiny, {"strategy": strategy, "twin.shared": 0.3, "seed": 4})
    assert _strategy(recipe).split == own
    for split in ("twin", "closed_set"):
        assert _strategy(override(recipe, {"search.split": split})).split == split
    assert (_strategy(recipe).shares, _strategy(recipe).seed) == (recipe.twin, 4)


def test_the_settings_of_a_search_reach_its_strategy(tiny: Recipe) -> None:
    """TCM and DARTS move alpha alike, so that a comparison differs in the strategy."""
    changes = {"search.arch.learning_rate": 0.123, "search.controller.hidden": 17}
    recipe = override(tiny, changes | {"memory.momentum": 0.45})
    strategies: dict[str, Any] = {
        name: _strategy(override(recipe, {"strategy": name})) for name in ("tcm", "darts", "enas")
    }
    assert strategies["tcm"].arch == strategies["darts"].arch == recipe.search.arch
    assert strategies["tcm"].arch.learning_rate == 0.123
    assert strategies["tcm"].memory.momentum == 0.45
    assert strategies["enas"].controller == recipe.search.controller
    assert strategies["enas"].controller.hidden == 17


def test_random_genotypes_are_even_and_follow_their_seed(tiny: Recipe) -> None:
    assert searched(tiny, strategy="random")[0].genotype == random_genotype(tiny.seed)
    assert random_genotype(3) == random_genotype(3)
    drawn = Counter(name for seed in range(250) for name in random_genotype(seed).slots.values())
    # 3,000 draws of 4: 750 each, standard deviation sqrt(3000 * 1/4 * 3/4) = 23.7
    assert set(drawn) == set(CANDIDATES["msi"])
    assert all(abs(count - 750) < 5 * 23.7 for count in drawn.values())


def test_too_few_identities_for_a_batch_are_counted(tiny: Recipe) -> None:
    with pytest.raises(ValueError, match="identities"):
        searched(tiny, data__identities=16)
