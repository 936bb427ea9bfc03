"""A network is tested on each target as on that one alone, by the target's own rules.

The network here describes a picture by its mean colour, so that what is near what can be said
beforehand.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nni
import pytest
import torch
from jaxtyping import Float
from nni.nas.evaluator import Evaluator
from PIL import Image
from torch import Tensor, nn

from evaluators import cross_domain
from evaluators.cross_domain import (
    CrossDomainEvaluator,
    UntestedError,
    final_metrics,
    mean_metrics,
    score_on,
    score_on_all,
)
from evaluators.embedding import embed_sightings
from evaluators.gallery_file import Galleries
from evaluators.retrieval import Features, Retrieval
from nas_space.heads import Description, EmbeddingNetwork, HeadOutput
from reid_data.records import Protocol, ReidDataset, Sighting

SIZE: Any = {"height": 4, "width": 4, "cached": False}
COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}


class MeanColour(EmbeddingNetwork):
    """Its one weight is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    @property
    def channels(self) -> int:
        return 3

    @property
    def dimensions(self) -> int:
        return 3

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        v = self.weight * images.mean(dim=(2, 3))
        return Description((HeadOutput(v, v),), images)


def picture(folder: Path, name: str, colour: str) -> Path:
    file = folder / f"{name}.png"
    Image.new("RGB", (4, 4), COLOURS[colour]).save(file)
    return file


@pytest.fixture
def easy(tmp_path: Path) -> ReidDataset:
    """Each of two identities looks like itself, from two cameras."""
    seen = [
        Sighting(identity, camera, picture(tmp_path, f"easy{identity}{camera}", colour))
        for identity, colour in ((1, "red"), (2, "green"))
        for camera in (1, 2)
    ]
    return ReidDataset("easy", (), query=tuple(seen[::2]), gallery=tuple(seen[1::2]))


@pytest.fixture
def hard(tmp_path: Path) -> ReidDataset:
    """One query of identity 1, red.

    Its own red picture is of the query's camera, its own blue one is of the other camera, and a red
    stranger is of the other camera as well.
    """
    query = (Sighting(1, 1, picture(tmp_path, "hard_query", "red")),)
    gallery = (
        Sighting(1, 1, picture(tmp_path, "hard_own_camera", "red")),
        Sighting(1, 2, picture(tmp_path, "hard_other_camera", "blue")),
        Sighting(2, 2, picture(tmp_path, "hard_stranger", "red")),
    )
    return ReidDataset("hard", (), query=query, gallery=gallery)


@pytest.fixture
def hopeless(hard: ReidDataset) -> ReidDataset:
    """Nobody in the gallery is anybody of the query."""
    return replace(hard, name="hopeless", gallery=hard.gallery[2:])


@pytest.fixture
def drawn(easy: ReidDataset) -> ReidDataset:
    protocol = Protocol(camera_rule=False, repeats=3, seed=5)
    pooled = (*easy.query, *easy.gallery)
    return replace(easy, name="drawn", query=pooled, gallery=(), protocol=protocol)


def test_a_score_worked_out_by_hand(easy: ReidDataset, hard: ReidDataset) -> None:
    """Easy: each query's own picture comes first, AP 1.

    Hard: the camera rule takes away the red picture of camera 1. Left are the red stranger, at
    cosine 1, and the own blue one behind it: AP = 1 / 2, no match at rank 1. Together: mAP
    (1 + 1/2) / 2 = 3/4, rank-1 (1 + 0) / 2 = 1/2.
    """
    tests = score_on_all(MeanColour(), [easy, hard], **SIZE)
    means = {name: tested.means for name, tested in tests.items()}
    assert (means["easy"]["mAP"], means["hard"]["mAP"]) == (1.0, 0.5)
    assert (means["easy"]["rank1"], means["hard"]["rank1"]) == (1.0, 0.0)
    assert mean_metrics(means)["mAP"] == 0.75
    told = final_metrics(means)
    assert (told["default"], told["mAP"], told["rank1"]) == (0.75, 0.75, 0.5)
    assert (told["easy/mAP"], told["hard/mAP"], told["hard/rank1"]) == (1.0, 0.5, 0.0)


def test_of_one_target_nothing_is_told_twice(hard: ReidDataset) -> None:
    means = score_on(MeanColour(), hard, **SIZE).means
    assert mean_metrics({"hard": means}) == means
    assert final_metrics({"hard": means}) == {"default": means["mAP"], **means}


def test_a_small_target_counts_as_much_as_a_large_one() -> None:
    """Plain means: (0.2 + 0.4 + 0.9) / 3 = 0.5."""
    scores = {name: {"mAP": mAP} for name, mAP in zip("abc", (0.2, 0.4, 0.9), strict=True)}
    assert mean_metrics(scores)["mAP"] == pytest.approx(0.5)


def test_each_of_several_is_scored_as_if_it_were_the_only_one_in_any_order(
    easy: ReidDataset, hard: ReidDataset, drawn: ReidDataset
) -> None:
    network, targets = MeanColour(), [easy, drawn, hard]
    alone = {target.name: score_on(network, target, **SIZE).described() for target in targets}
    for order in (targets, targets[::-1]):
        together = score_on_all(network, order, **SIZE)
        assert list(together) == [target.name for target in order]
        assert {name: tested.described() for name, tested in together.items()} == alone


def test_the_rules_are_the_targets_own(hard: ReidDataset, drawn: ReidDataset) -> None:
    """Without the camera rule the own red picture stays, but ties with the stranger.

    A tie is pessimistic: the own pictures stand at ranks 2 and 3, AP = (1/2 + 2/3) / 2 = 7/12.
    """
    free = replace(hard, name="free", protocol=Protocol(camera_rule=False))
    tests = score_on_all(MeanColour(), [hard, free, drawn], **SIZE)
    assert tests["hard"].means["mAP"] == 1 / 2
    assert tests["free"].means["mAP"] == pytest.approx(7 / 12)
    assert [tests[name].galleries is None for name in tests] == [True, True, False]
    described = tests["drawn"].described()
    assert (described["repeats"], described["seed"], described["queries"]) == (3, 5, 3 * 2)


def scored(*precision: float, skipped: int) -> Retrieval:
    value = torch.tensor(precision, dtype=torch.float64)
    rows = torch.arange(len(precision))
    return Retrieval(rows, value, value, value, first=rows + 1, queries_skipped=skipped)


def test_what_is_said_of_several_repeats_by_hand() -> None:
    """MAP (0.2 + 0.4) / 2 = 0.3 and 0.9 of one query: the mean 0.6, and 0.3 away from it either.

    Rank-1 1/2 and 1: mean 3/4, deviation 1/4. Queries 2 + 1 = 3, skipped 2 + 5 = 7.
    """
    repeats = scored(0.2, 0.4, skipped=2), scored(0.9, skipped=5)
    drawn = Galleries(torch.tensor([[True, False, False], [False, True, True]]), seed=4)
    said = cross_domain.Tested(repeats, drawn, torch.tensor([1, 1, 2])).described()
    assert (said["mAP"], said["rank1"]) == (pytest.approx(0.6), 0.75)
    assert (said["std"]["mAP"], said["std"]["rank1"]) == (pytest.approx(0.3), 0.25)
    assert (said["repeats"], said["seed"]) == (2, 4)
    assert (said["queries"], said["queries_skipped"]) == (3, 7)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How pictures were embedded, part by part."""
    found: list[dict[str, Any]] = []

    def embed(network: Any, sightings: Sequence[Sighting], **how: Any) -> Features:
        found.append({name: how.get(name) for name in ("height", "width", "cached")})
        return embed_sightings(network, sightings, **how)

    monkeypatch.setattr(cross_domain, "embed_sightings", embed)
    return found


@pytest.mark.parametrize("cached", [True, False])
def test_pictures_are_of_the_size_and_from_where_they_were_asked_for(
    easy: ReidDataset,
    drawn: ReidDataset,
    embedded: list[dict[str, Any]],
    told: list[Any],
    cached: bool,
) -> None:
    """Two parts of the one and one of the other, also where NNI has them tested."""
    how: Any = {"height": 32, "width": 16, "cached": cached}
    score_on(MeanColour(), easy, **how)
    score_on_all(MeanColour(), [easy, drawn], **how)
    targets = [easy, drawn]
    CrossDomainEvaluator(lambda _: MeanColour(), lambda: targets, **how).evaluate("proposed")
    assert embedded == [how] * (2 + 3 + 3)


@pytest.mark.parametrize("place", [0, 1])
def test_a_disk_that_fails_takes_no_other_targets_test_away(
    easy: ReidDataset, hard: ReidDataset, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(network: Any, sightings: Sequence[Sighting], **how: Any) -> Features:
        if sightings[0] in hard.query:
            raise OSError("No space left on device.")
        return embed_sightings(network, sightings, **how)

    monkeypatch.setattr(cross_domain, "embed_sightings", embed)
    targets = [easy]
    targets.insert(place, hard)
    with pytest.raises(UntestedError, match=r"on 'hard' \(No space left on device\)") as failed:
        score_on_all(MeanColour(), targets, **SIZE)
    assert {name: one.means["mAP"] for name, one in failed.value.tests.items()} == {"easy": 1.0}


def test_what_describes_a_picture_is_what_is_scored(easy: ReidDataset) -> None:
    """Behind this neck all pictures are at one point: each own picture is behind the stranger."""

    class Blind(MeanColour):
        def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
            (head,), last = super().describe(images)
            return Description((HeadOutput(head.pooled, torch.ones_like(head.pooled)),), last)

    network = Blind()
    assert score_on(network, easy, **SIZE).means["mAP"] == 1
    network.feature = "normalised"
    assert score_on(network, easy, **SIZE).means["mAP"] == 1 / 2


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_others_are_tested_wherever_one_stands_that_cannot_be(
    easy: ReidDataset, hard: ReidDataset, hopeless: ReidDataset, place: int
) -> None:
    targets = [easy, hard]
    targets.insert(place, hopeless)
    with pytest.raises(UntestedError) as failed:
        score_on_all(MeanColour(), targets, **SIZE)
    kept = {name: tested.means["mAP"] for name, tested in failed.value.tests.items()}
    assert kept == {"easy": 1.0, "hard": 0.5}
    words = str(failed.value)
    assert words.startswith("There is no score on 'hopeless' (None of the")
    assert words.endswith("the others have theirs, 'easy' mAP 100.00 %, 'hard' mAP 50.00 %.")
    assert ". " not in words.replace("mAP 100.00", "")
    assert ".)" not in words


def test_a_single_one_that_cannot_be_tested_is_told_as_ever(hopeless: ReidDataset) -> None:
    with pytest.raises(ValueError, match="None of the") as alone:
        score_on(MeanColour(), hopeless, **SIZE)
    with pytest.raises(ValueError, match="None of the") as among:
        score_on_all(MeanColour(), [hopeless], **SIZE)
    assert str(among.value) == str(alone.value)


def test_where_none_of_several_can_be_tested_each_is_named(hopeless: ReidDataset) -> None:
    with pytest.raises(UntestedError, match=r"on 'hopeless' \(.*\); 'lost' \(.*\): .* again\.$"):
        score_on_all(MeanColour(), [hopeless, replace(hopeless, name="lost")], **SIZE)


def test_results_that_could_not_be_told_apart_are_refused(easy: ReidDataset) -> None:
    with pytest.raises(ValueError, match="'easy' is named twice"):
        score_on_all(MeanColour(), [easy, easy], **SIZE)
    with pytest.raises(ValueError, match=r"^No data set to be tested on"):
        score_on_all(MeanColour(), [], **SIZE)


def test_a_network_is_tested_as_it_is_and_left_so(easy: ReidDataset) -> None:
    network = MeanColour().train()
    score_on_all(network, [easy], **SIZE)
    assert network.training


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    heard: list[Any] = []
    monkeypatch.setattr("nni.report_final_result", heard.append)
    return heard


def evaluator(targets: Sequence[ReidDataset], trained: list[Any]) -> CrossDomainEvaluator:
    def train(model: Any) -> EmbeddingNetwork:
        trained.append(model)
        return MeanColour()

    return CrossDomainEvaluator(train=train, targets=lambda: targets, **SIZE)


def test_nni_gets_the_mean_and_each_target_of_a_model_that_is_trained_once(
    easy: ReidDataset, hard: ReidDataset, told: list[Any]
) -> None:
    trained: list[Any] = []
    one = evaluator([easy, hard], trained)
    assert isinstance(one, Evaluator)
    tests = one.evaluate("proposed")
    assert trained == ["proposed"]
    assert one.tests is tests
    (metrics,) = told
    assert metrics == final_metrics({name: tested.means for name, tested in tests.items()})
    assert (metrics["default"], metrics["hard/mAP"]) == (0.75, 0.5)


def test_what_is_wrong_with_the_targets_is_found_before_any_training(
    easy: ReidDataset, told: list[Any]
) -> None:
    trained: list[Any] = []
    for wrong in ([], [easy, easy]):
        with pytest.raises(ValueError, match="to be tested on"):
            evaluator(wrong, trained).evaluate("proposed")
    assert (trained, told) == ([], [])


def test_nni_gets_no_mean_of_some_of_the_targets_but_their_scores_are_kept(
    easy: ReidDataset, hopeless: ReidDataset, told: list[Any]
) -> None:
    one = evaluator([hopeless, easy], [])
    with pytest.raises(UntestedError, match=r"'easy' mAP 100\.00 %"):
        one.evaluate("proposed")
    assert told == []
    assert list(one.tests) == ["easy"]


def test_a_model_that_is_being_trained_has_none_of_the_last_ones_tests(
    easy: ReidDataset, told: list[Any]
) -> None:
    """Neither during its training nor behind it, where that fails."""
    during: list[list[str]] = []

    def train(model: Any) -> EmbeddingNetwork:
        during.append(list(one.tests))
        if model == "fails":
            raise RuntimeError("The loss is not finite.")
        return MeanColour()

    one = CrossDomainEvaluator(train=train, targets=lambda: [easy], **SIZE)
    one.evaluate("works")
    assert list(one.tests) == ["easy"]
    with pytest.raises(RuntimeError, match="not finite"):
        one.evaluate("fails")
    assert during == [[], []]
    assert list(one.tests) == []
    assert len(told) == 1


def test_nni_can_write_it_down_and_read_it() -> None:
    """As for a trial: the functions it is made from are named, and nothing is pickled."""
    named: tuple[Any, Any] = cross_domain.mean_metrics, cross_domain.require_different
    one = CrossDomainEvaluator(train=named[0], targets=named[1], height=64)
    words = nni.dump(one)
    assert "__nni_obj__" not in words
    assert "bytes:" not in words
    again = nni.load(words)
    assert isinstance(again, CrossDomainEvaluator)
    assert again.trace_kwargs == one.trace_kwargs
