"""Paths are drawn evenly; the best of those scored in the end, each as itself, is the result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import prod
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.epoch_report import EpochReport
from evaluators.reid_evaluator import ReidEvaluator
from evaluators.reid_module import ReidModule
from experiments.engine import run_one_shot
from reid_data.randomness import generator_of
from strategies.random_one_shot import (
    RandomOneShot,
    RandomOneShotModule,
    RandomOneShotSettings,
    different_paths,
    drawn_path,
)

EPOCHS = 3


def run(planted: Any, searching: RandomOneShot, data: Any = None, **settings: Any) -> Any:
    evaluator = ReidEvaluator(data or planted.data, epochs=EPOCHS, accelerator="cpu", **settings)
    run_one_shot(planted.pairs(), evaluator, searching)
    return searching


def one_shot(samples: int, seed: int = 0) -> RandomOneShot:
    return RandomOneShot(settings=RandomOneShotSettings(samples, calibration_batches=2), seed=seed)


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    count=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_drawn_paths_differ_and_are_as_many_as_there_can_be(
    sizes: list[int], count: int, seed: int
) -> None:
    choices = {f"s{i}": tuple("abc"[:size]) for i, size in enumerate(sizes)}
    paths = different_paths(choices, count, generator_of(seed))
    assert len(set(paths)) == len(paths) == min(count, prod(sizes))
    assert all(0 <= c < size for path in paths for c, size in zip(path, sizes, strict=True))
    assert paths == different_paths(choices, count, generator_of(seed))


def test_every_candidate_is_drawn_equally_often() -> None:
    choices, generator = {"a": ("x", "y"), "b": ("x", "y", "z")}, generator_of(0)
    paths = [drawn_path(choices, generator) for _ in range(6000)]
    for path in [(i, j) for i in range(2) for j in range(3)]:
        assert paths.count(path) / 6000 == pytest.approx(1 / 6, abs=0.02)


def standing(model: Any) -> tuple[str, ...]:
    return tuple(slot._sampled for slot in model.slots)


def test_the_best_of_the_scored_paths_is_kept(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is worth its letters: 'swap' counts 1, 'mix' 4 in the first slot and 2 in the second.

    All nine are scored; mix, mix is best. The best quarter are three of nine: 6, 5 and 4 points,
    which are (mix, mix), (mix, swap) and (mix, keep): the first slot is mix in 3 of 3, the second
    each candidate in 1 of 3.
    """
    worth = ({"keep": 0, "swap": 1, "mix": 4}, {"keep": 0, "swap": 1, "mix": 2})
    scored: list[tuple[str, ...]] = []

    def score(self: Any) -> Any:
        scored.append(standing(self.model))
        points = sum(values[name] for values, name in zip(worth, scored[-1], strict=True))
        return SimpleNamespace(mAP=points / 10, rank1=0.0)

    monkeypatch.setattr(ReidModule, "score", score)
    reports: list[EpochReport] = []
    searching = run(planted, one_shot(samples=20), on_epoch=reports.append)
    begun = EPOCHS  # a check at the start, and the epochs before the last
    paths, last = scored[begun:-1], scored[-1]
    assert len(paths) == len(set(paths)) == 9
    assert last == standing(searching.supernet) == ("mix", "mix")
    assert searching.genotype() == {"z_first": "mix", "a_second": "mix"}
    assert reports[-1].mAP == 0.6
    found = searching.probabilities()
    assert found["z_first"] == {"keep": 0.0, "swap": 0.0, "mix": 1.0}
    assert list(found["a_second"].values()) == pytest.approx([1 / 3] * 3)


def test_of_equal_paths_the_first_drawn_is_kept(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReidModule, "score", lambda self: SimpleNamespace(mAP=0.5, rank1=0.5))
    searching = run(planted, one_shot(samples=4, seed=2))
    choices = {"a_second": ("keep", "swap", "mix"), "z_first": ("keep", "swap", "mix")}
    first = different_paths(choices, 4, generator_of(2, 2, EPOCHS - 1))[0]
    assert list(searching.genotype().values()) == [
        choices[label][i] for label, i in zip(sorted(choices), first, strict=True)
    ]


def test_every_path_is_scored_with_running_statistics_of_its_own(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are means over two train batches of what the path itself hands to the norm."""
    original = ReidModule.score

    def score(self: Any) -> Any:
        loader = self._search.oneshot_module.loader
        if self.trainer.current_epoch == EPOCHS - 1:
            means = []
            for batch in islice(loader.train_batches(epoch=0), 2):
                a, b = (stem(batch.images.flatten(1)) for stem in self.model.stems)
                means.append(self.model.slots[0]((a, b))[0].mean(dim=0))
            expected = torch.stack(means).mean(dim=0).detach()
            torch.testing.assert_close(self.model.norms[0].running_mean, expected)
            seen.add(standing(self.model))
        return original(self)

    seen: set[tuple[str, ...]] = set()
    monkeypatch.setattr(ReidModule, "score", score)
    run(planted, one_shot(samples=6))
    assert len(seen) == 6


def test_before_the_end_every_epoch_is_scored_on_a_fresh_path(planted: Any) -> None:
    reports: list[EpochReport] = []
    searching = run(planted, one_shot(samples=1), on_epoch=reports.append)
    choices = {"a_second": ("keep", "swap", "mix"), "z_first": ("keep", "swap", "mix")}
    for epoch, report in enumerate(reports):
        path = drawn_path(choices, generator_of(0, 2, epoch))
        assert list(report.genotype.values()) == [("keep", "swap", "mix")[i] for i in path]
        assert report.mAP is not None
    for p in [*reports[0].probabilities.values(), *reports[1].probabilities.values()]:
        assert list(p.values()) == pytest.approx([1 / 3] * 3)
    assert searching.genotype() == reports[-1].genotype


def test_an_evaluator_that_reports_nothing_is_searched_all_the_same(planted: Any) -> None:
    told = run(planted, one_shot(samples=5), on_epoch=lambda report: None)
    silent = run(planted, one_shot(samples=5))
    assert silent.genotype() == told.genotype()
    assert silent.probabilities() == told.probabilities()


def test_without_held_out_identities_it_does_not_begin(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    monkeypatch.setattr(RandomOneShotModule, "training_step", lambda *_: trained.append(1))
    with pytest.raises(ValueError, match=r"set data\.held_out above 0"):
        run(planted, one_shot(samples=2), data=replace(planted.data, held_out=()))
    assert not trained


def test_a_module_that_cannot_score_is_told_so(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReidModule, "score", None)
    with pytest.raises(TypeError, match=r"has no score\(\)"):
        run(planted, one_shot(samples=2))


def test_the_scoring_shows_its_progress(planted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []

    def watched(paths: Sequence[Any], **words: Any) -> Iterator[Any]:
        shown.append((words["desc"], words["total"]))
        return iter(paths)

    monkeypatch.setattr("strategies.random_one_shot.bar", watched)
    run(planted, one_shot(samples=3))
    assert shown == [("scoring paths of the supernet", 3)]


def test_the_chosen_path_is_part_of_the_state(planted: Any) -> None:
    searching = run(planted, one_shot(samples=3))
    state = searching.oneshot_module.state_dict()
    names = sorted(slot.label for slot in searching.supernet.slots)
    chosen = [("keep", "swap", "mix")[i] for i in state["chosen"].tolist()]
    assert dict(zip(names, chosen, strict=True)) == searching.genotype()


@pytest.mark.parametrize(("samples", "batches"), [(0, 8), (-1, 8), (1, -1)])
def test_settings_that_mean_nothing_are_refused(samples: int, batches: int) -> None:
    with pytest.raises(ValueError, match="at least 1 and at least 0"):
        RandomOneShotSettings(samples, batches)
