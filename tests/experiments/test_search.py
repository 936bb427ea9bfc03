"""A search uses the strategy, the split and the loss the recipe names, and depends on its seed."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from evaluators.epoch_report import EpochReport
from experiments.config import override
from experiments.recipe import Recipe
from experiments.search import Found, chosen, given_genotype, search, strategy_of, supernet_of
from nas_space.genotype import CANDIDATES, FIXED, MSI_SLOTS, PUBLISHED, Genotype
from nas_space.interactions import CrossAttention
from reid_data.catalog import load_dataset
from reid_data.twin_split import hold_out


def searched(recipe: Recipe, **changes: Any) -> tuple[Found, list[EpochReport]]:
    recipe = override(recipe, {name.replace("__", "."): v for name, v in changes.items()})
    dataset = load_dataset(recipe.data.name)
    pictures, held_out = hold_out(dataset.train, recipe.data.held_out, seed=recipe.seed)
    reports: list[EpochReport] = []
    return search(recipe, pictures, held_out, on_epoch=reports.append), reports


SEARCHES = ["tcm", "darts", "gumbel_darts", "proxyless", "enas", "random_one_shot"]


def blank_report(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        epochs=4,
        loss=1.0,
        val_loss=None,
        mAP=None,
        rank1=None,
        entropy=0.0,
        none_share=0.0,
        learning_rate=0.1,
        arch_learning_rate=None,
        probabilities={},
        genotype={},
        seconds=1.0,
    )


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("strategy", SEARCHES)
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
    [
        ("tcm", "contrastive"),
        ("tcm", "id_triplet"),
        ("darts", "id_triplet"),
        *((strategy, "own") for strategy in SEARCHES[2:]),
    ],
)
def test_split_and_loss_can_be_chosen_apart(
    tiny: Recipe, strategy: str, loss: str, split: str
) -> None:
    found, reports = searched(
        tiny, strategy=strategy, search__loss=loss, search__split=split, search__epochs=1
    )
    assert len(found.probabilities) == 12
    assert [report.epoch for report in reports] == [1]


def test_the_architecture_moves_in_a_search_and_stays_where_it_was_drawn_without_a_rate(
    tiny: Recipe,
) -> None:
    moved, _ = searched(tiny, search__arch__learning_rate=0.5)
    still, _ = searched(tiny, search__arch__learning_rate=0.0)
    largest = [max(slot.values()) for slot in still.probabilities.values()]
    # alpha of at most about 4 * 0.001 beside 0: exp(.004) / (exp(.004) + 3) = .25075
    assert all(0.25 <= p < 0.2515 for p in largest)
    assert max(max(slot.values()) for slot in moved.probabilities.values()) > 0.3


def test_a_search_ends_with_the_epoch_the_recipe_asks_for(tiny: Recipe) -> None:
    settings = {"search__epochs": 3, "search__arch__learning_rate": 0.5}
    for asked in ("best", "last", "second_last"):
        found, reports = searched(tiny, search__genotype=asked, **settings)
        scores = [report.mAP or 0.0 for report in reports]
        epoch = {"best": scores.index(max(scores)) + 1, "last": 3, "second_last": 2}[asked]
        assert found.epoch == epoch
        assert found.genotype.slots == reports[epoch - 1].genotype
        assert found.probabilities == reports[epoch - 1].probabilities


def test_of_equally_good_epochs_the_first_is_the_best(tiny: Recipe) -> None:
    """Scores of 0.1, 0.5, 0.5 and 0.3; a genotype that tells the epoch by one slot."""
    names = CANDIDATES["msi"]
    reports = [
        replace(blank_report(epoch), mAP=mAP, genotype=dict.fromkeys(MSI_SLOTS, names[epoch - 1]))
        for epoch, mAP in enumerate((0.1, 0.5, 0.5, 0.3), start=1)
    ]
    for asked, epoch in (("best", 2), ("last", 4), ("second_last", 3)):
        found = chosen(reports, override(tiny, {"search.genotype": asked, "search.epochs": 4}))
        assert (found.epoch, set(found.genotype.slots.values())) == (epoch, {names[epoch - 1]})


def test_a_given_genotype_has_no_strategy(tiny: Recipe) -> None:
    for name in ("random", *FIXED):
        with pytest.raises(ValueError, match="searches nothing"):
            strategy_of(override(tiny, {"strategy": name}))


def test_fixed_genotypes_are_not_searched(tiny: Recipe) -> None:
    for name in FIXED:
        found, reports = searched(tiny, strategy=name)
        assert (found.genotype, found.epoch, reports) == (FIXED[name], 0, [])
    assert FIXED["msinet_msmt17"] == PUBLISHED["msinet_msmt17"]
    assert set(FIXED["uniform_exchange"].slots.values()) == {"exchange"}


def test_a_search_chooses_among_the_candidates_of_the_recipe_only(tiny: Recipe) -> None:
    two = ("none", "channel_gate")
    for strategy in ("tcm", "random"):
        found, reports = searched(tiny, strategy=strategy, space__candidates=two)
        assert set(found.genotype.slots.values()) <= set(two)
        assert all(set(p) == set(two) for r in reports for p in r.probabilities.values())


def test_the_settings_of_the_space_reach_the_supernet(tiny: Recipe) -> None:
    shallow = override(tiny, {"space.depths": (1, 1)})
    plain = supernet_of(tiny)
    assert parameters(supernet_of(shallow)) < parameters(plain)
    assert parameters(supernet_of(override(tiny, {"space.cell_width": "in"}))) < parameters(plain)
    for subtract in (True, False):
        space = supernet_of(override(tiny, {"space.subtract": subtract}))
        attentions = [m for m in space.modules() if isinstance(m, CrossAttention)]
        assert [m.subtract for m in attentions] == [subtract] * 12


@pytest.mark.parametrize(
    ("strategy", "own"), [("tcm", "twin"), *((name, "closed_set") for name in SEARCHES[1:])]
)
def test_each_strategy_has_its_own_split_unless_told_otherwise(
    tiny: Recipe, strategy: str, own: str
) -> None:
    recipe = override(tiny, {"strategy": strategy, "twin.shared": 0.3, "seed": 4})
    assert strategy_of(recipe).split == own
    for split in ("twin", "closed_set"):
        assert strategy_of(override(recipe, {"search.split": split})).split == split
    assert (strategy_of(recipe).shares, strategy_of(recipe).seed) == (recipe.twin, 4)


def test_the_settings_of_a_search_reach_its_strategy(tiny: Recipe) -> None:
    """All move alpha alike, so that a comparison differs in the strategy."""
    changes = {
        "search.arch.learning_rate": 0.123,
        "search.controller.hidden": 17,
        "search.gumbel.last": 0.2,
        "search.one_shot.samples": 3,
        "memory.momentum": 0.45,
        "iteration.leak": True,
    }
    recipe = override(tiny, changes)
    strategies: dict[str, Any] = {
        name: strategy_of(override(recipe, {"strategy": name})) for name in SEARCHES
    }
    for name in ("tcm", "darts", "gumbel_darts", "proxyless"):
        assert strategies[name].arch == recipe.search.arch
    assert recipe.search.arch.learning_rate == 0.123
    assert strategies["tcm"].memory.momentum == 0.45
    assert strategies["tcm"].iteration.leak
    assert strategies["gumbel_darts"].temperature.last == 0.2
    assert strategies["random_one_shot"].settings.samples == 3
    assert strategies["enas"].controller == recipe.search.controller
    assert strategies["enas"].controller.hidden == 17


def test_random_genotypes_are_even_and_follow_their_seed(tiny: Recipe) -> None:
    def random_genotype(seed: int) -> Genotype:
        return given_genotype(replace(tiny, strategy="random", seed=seed))

    assert searched(tiny, strategy="random")[0].genotype == random_genotype(tiny.seed)
    assert random_genotype(3) == random_genotype(3)
    drawn = Counter(name for seed in range(250) for name in random_genotype(seed).slots.values())
    # 3,000 draws of 4: 750 each, standard deviation sqrt(3000 * 1/4 * 3/4) = 23.7
    assert set(drawn) == set(CANDIDATES["msi"])
    assert all(abs(count - 750) < 5 * 23.7 for count in drawn.values())


def test_too_few_identities_for_a_batch_are_counted(tiny: Recipe) -> None:
    with pytest.raises(ValueError, match="identities"):
        searched(tiny, data__identities=16)
