"""In real runs each side moves only by its own gradient, and a seed fixes everything.

Runs go through NNI's strategies, Lightning's loop and the engine.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from math import isfinite
from typing import Any

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.optimizer import register_optimizer_step_pre_hook

from evaluators.epoch_report import EpochReport
from evaluators.losses import IdTriplet
from evaluators.optimisation import WeightOptimiser
from evaluators.reid_evaluator import ReidEvaluator
from evaluators.reid_module import ReidModule
from experiments.engine import run_one_shot
from reid_data.batch import Batch, Twin
from reid_data.randomness import generator_of
from strategies.bilevel import Iteration
from strategies.contrastive_memory import ContrastiveMemory
from strategies.darts import DARTS
from strategies.differentiable import ALPHA_SCALE, ArchOptimiser
from strategies.enas import ENAS, ControllerSettings, EnasModule
from strategies.gumbel_darts import GumbelDARTS
from strategies.proxyless import Proxyless
from strategies.random_one_shot import RandomOneShot, RandomOneShotSettings
from strategies.tcm import TCM, MemorySettings

STEP = ArchOptimiser(learning_rate=0.01, weight_decay=0.0, milestones=())
CONSTANT = WeightOptimiser(
    learning_rate=0.1, momentum=0.0, weight_decay=0.0, warmup_epochs=0, milestones=()
)


class LineSpace(ModelSpace):  # type: ignore[misc]
    """One weight, and one slot whose candidates both give back the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))
        self.slot = LayerChoice({"a": nn.Identity(), "b": nn.Identity()}, label="slot")

    def forward(self, images: Tensor) -> Tensor:
        seen: Tensor = self.slot(images.flatten(1))
        return seen * self.w


class NormSpace(ModelSpace):  # type: ignore[misc]
    """A slot whose candidates give the picture once or three times as bright, then a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.slot = LayerChoice({"once": nn.Identity(), "thrice": Bright(3)}, label="slot")
        self.norm = nn.BatchNorm1d(3 * 2 * 8)

    def forward(self, images: Tensor) -> Tensor:
        normalised: Tensor = self.norm(self.slot(images.flatten(1)))
        return normalised


class Bright(nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * images


class LineModule(ReidModule):
    """Train: 5 w - 100 (alpha_a - alpha_b). Val: 3 (alpha_a - alpha_b) - 100 w.

    Each 100 would reverse the other side. Single paths have no alpha.
    """

    def loss(self, batch: Batch) -> Tensor:
        w = self.model.w
        a, b = getattr(self.model.slot, "_arch_alpha", torch.zeros(2))
        loss: Tensor = 5 * w - 100 * (a - b) if batch.twin == Twin.TRAIN else 3 * (a - b) - 100 * w
        return loss


def evaluator(planted: Any, optimiser: WeightOptimiser = CONSTANT, **settings: Any) -> Any:
    return ReidEvaluator(planted.data, epochs=2, optimiser=optimiser, accelerator="cpu", **settings)


MAKERS: dict[str, Callable[[], Any]] = {
    "tcm": lambda: TCM(seed=3),
    "darts": lambda: DARTS(seed=3),
    "gumbel_darts": lambda: GumbelDARTS(seed=3),
    "proxyless": lambda: Proxyless(seed=3, calibration_batches=1),
    "enas": lambda: ENAS(controller=ControllerSettings(calibration_batches=1), seed=3),
    "random_one_shot": lambda: RandomOneShot(settings=RandomOneShotSettings(3, 1), seed=3),
}


def on_lines(planted: Any, searching: Any) -> Any:
    lines = evaluator(planted)
    lines.module = LineModule(
        planted.data,
        optimiser=CONSTANT,
        criterion=lambda d, i: IdTriplet(d, i, generator=torch.Generator()),
        on_epoch=None,
        on_batch=None,
    )
    run_one_shot(LineSpace(), lines, searching)
    return searching


@pytest.mark.parametrize(
    "searching",
    [
        TCM(arch=STEP, criterion="evaluator"),
        DARTS(arch=STEP),
        GumbelDARTS(arch=STEP),
        Proxyless(arch=STEP),
    ],
    ids=["tcm", "darts", "gumbel_darts", "proxyless"],
)
def test_each_side_moves_only_by_its_own_gradient(planted: Any, searching: Any) -> None:
    """N steps: w = 1 - n 0.1 * 5; Adam moves alpha against a constant gradient by its rate.

    That is by -0.01 and +0.01; Proxyless then shifts both alike, to keep the sum of their odds.
    """
    on_lines(planted, searching)
    n = 2 * len(searching.oneshot_module.loader)
    alpha = searching.supernet.slot._arch_alpha.detach()
    begun = ALPHA_SCALE * torch.randn(2, generator=generator_of(0))
    torch.testing.assert_close(searching.supernet.w.item(), 1.0 - n * 0.1 * 5)
    moved = alpha - begun
    torch.testing.assert_close(moved[1] - moved[0], torch.tensor(n * 0.02), rtol=1e-4, atol=1e-6)
    if not isinstance(searching, Proxyless):
        torch.testing.assert_close(moved.sum(), torch.tensor(0.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["enas", "random_one_shot"])
def test_single_paths_train_weights_on_the_train_side_and_the_policy_on_the_val_side(
    planted: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N steps: w = 1 - n 0.1 * 5, and every controller step, of ENAS, sees a val batch."""
    rewarded: list[Twin] = []
    original = EnasModule._controller_step

    def spy(self: Any, batch: Batch) -> None:
        w = self.model.w.detach().clone()
        original(self, batch)
        assert torch.equal(self.model.w, w)
        rewarded.append(batch.twin)

    monkeypatch.setattr(EnasModule, "_controller_step", spy)
    searching = on_lines(planted, MAKERS[name]())
    n = 2 * len(searching.oneshot_module.loader)
    torch.testing.assert_close(searching.supernet.w.item(), 1.0 - n * 0.1 * 5)
    assert rewarded == ([Twin.VAL] * n if name == "enas" else [])


@pytest.mark.parametrize("initialisation", ["centroids", "zeros"])
def test_the_memories_never_see_the_other_twins_images(
    planted: Any, initialisation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights and alphas at rest the features are the pixels, so that they name the image."""
    seen: dict[str, list[Tensor]] = {"the train twin's": [], "the val twin's": []}
    for method in ("loss", "absorb"):
        original = getattr(ContrastiveMemory, method)

        def spy(self: Any, feature: Tensor, identity: Tensor, original: Any = original) -> Any:
            seen[self.owner].append(feature.detach().clone())
            return original(self, feature, identity)

        monkeypatch.setattr(ContrastiveMemory, method, spy)
    filled = ContrastiveMemory.initialise

    def initialise(self: Any, batches: Any) -> None:
        kept = list(batches)
        seen[self.owner] += [feature for feature, _ in kept]
        filled(self, kept)

    monkeypatch.setattr(ContrastiveMemory, "initialise", initialise)
    rest = WeightOptimiser(learning_rate=0.0, warmup_epochs=0, milestones=())
    searching: Any = TCM(
        arch=ArchOptimiser(learning_rate=0.0), memory=MemorySettings(initialisation=initialisation)
    )
    run_one_shot(LineSpace(), evaluator(planted, rest), searching)
    sides = searching.sides
    pixels = {
        "the train twin's": {images(batch) for batch in passes(sides.train.loader)},
        "the val twin's": {images(batch) for batch in passes(sides.val.loader)},
    }
    own = {who: set().union(*found) for who, found in pixels.items()}
    assert own["the train twin's"].isdisjoint(own["the val twin's"])
    for who, features in seen.items():
        assert features
        assert {key for feature in features for key in keys(feature)} <= own[who]


def passes(loader: Any) -> list[Batch]:
    """Every picture of a side: several epochs of it, and those of the run among them."""
    found: list[Batch] = []
    for epoch in range(6):
        loader.set_epoch(epoch)
        found += list(loader)
    return found


def images(batch: Batch) -> frozenset[tuple[float, ...]]:
    return frozenset(keys(batch.images.flatten(1)))


def keys(feature: Tensor) -> list[tuple[float, ...]]:
    return [tuple(round(x, 3) for x in row) for row in feature.tolist()]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_same_seed_gives_the_same_search_whatever_ran_before(planted: Any, name: str) -> None:
    found = []
    for disturbance in (1, 2):
        searching, reports = MAKERS[name](), list[EpochReport]()
        space = planted.space()
        torch.manual_seed(disturbance)
        run_one_shot(space, evaluator(planted, on_epoch=reports.append), searching)
        scores = [(r.loss, r.mAP, r.genotype) for r in reports]
        found.append((searching.probabilities(), searching.genotype(), scores))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_search_runs_in_half_precision(planted: Any, name: str) -> None:
    """Slots of pairs; candidates that compute give what they compute in half precision."""
    searching, reports = MAKERS[name](), list[EpochReport]()
    half = evaluator(planted, precision="bf16-mixed", on_epoch=reports.append)
    run_one_shot(planted.pairs(), half, searching)
    assert set(searching.genotype()) == {"z_first", "a_second"}
    assert all(isfinite(report.loss) for report in reports)
    for slot in searching.probabilities().values():
        assert sum(slot.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_scoring_leaves_no_trace_in_the_search(planted: Any, name: str) -> None:
    """Running statistics aside, which training never reads."""
    found = []
    for on_epoch in (None, lambda report: None):
        searching = MAKERS[name]()
        run_one_shot(planted.pairs(), evaluator(planted, on_epoch=on_epoch), searching)
        found.append(dict(searching.oneshot_module.named_parameters()))
    scored, alone = found
    assert [key for key in scored if not torch.equal(scored[key], alone[key])] == []


@pytest.mark.parametrize("name", ["tcm", "darts", "gumbel_darts", "proxyless"])
def test_alphas_are_ordered_by_label_and_no_weight_is_among_them(planted: Any, name: str) -> None:
    searching = MAKERS[name]()
    run_one_shot(planted.pairs(), evaluator(planted), searching)
    module = searching.oneshot_module
    slots = {slot.label: slot._arch_alpha for slot in searching.supernet.slots}
    weights, arch = (optimizer.param_groups[0]["params"] for optimizer in module.optimizers())
    assert [id(alpha) for alpha in arch] == [id(slots[label]) for label in sorted(slots)]
    assert not {id(p) for p in weights} & {id(alpha) for alpha in arch}


def test_a_checkpoint_would_keep_alphas_memories_and_controller(planted: Any) -> None:
    kept = {}
    for name, make in MAKERS.items():
        searching = make()
        run_one_shot(planted.space(), evaluator(planted), searching)
        kept[name] = " ".join(searching.oneshot_module.state_dict())
    assert "slots.0._arch_alpha" in kept["tcm"]
    assert "memories._memories.of_val.centroid" in kept["tcm"]
    for name in ("darts", "gumbel_darts", "proxyless"):
        assert "slots.0._arch_alpha" in kept[name]
    assert "controller._lstm.weight_ih" in kept["enas"]
    assert "baseline.average" in kept["enas"]
    assert "chosen" in kept["random_one_shot"]


def test_the_architectures_rate_falls_at_its_milestones(planted: Any) -> None:
    """Steps of 0.01 in the first epoch and of 0.001 in the second."""
    arch = ArchOptimiser(learning_rate=0.01, weight_decay=0.0, milestones=(1,))
    searching = TCM(arch=arch, criterion="evaluator")
    run_one_shot(planted.space(), evaluator(planted), searching)
    _, optimizer = searching.oneshot_module.optimizers()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.001)


def rates_of_weights(planted: Any, searching: Any, optimiser: WeightOptimiser) -> list[float]:
    """The rate of every step of the weights' SGD; the architecture's optimisers are Adam."""
    rates: list[float] = []

    def stepping(optimizer: Optimizer, *_: Any) -> None:
        if isinstance(optimizer, SGD):
            rates.append(optimizer.param_groups[0]["lr"])

    handle = register_optimizer_step_pre_hook(stepping)
    try:
        searched = ReidEvaluator(planted.data, epochs=3, optimiser=optimiser, accelerator="cpu")
        run_one_shot(planted.space(), searched, searching)
    finally:
        handle.remove()
    return rates


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_weights_rate_follows_its_schedule_in_a_search(planted: Any, name: str) -> None:
    """Warm-up over one epoch, then the full rate, and a tenth of it: 0.01, 1, 0.1."""
    optimiser = WeightOptimiser(learning_rate=0.02, warmup_epochs=1, milestones=(2,))
    searching = MAKERS[name]()
    rates = rates_of_weights(planted, searching, optimiser)
    steps = len(searching.oneshot_module.loader)
    assert steps > 1
    assert rates == pytest.approx([0.02 * f for f in (0.01, 1, 0.1) for _ in range(steps)])


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_one_cycle_spans_the_whole_search(planted: Any, name: str) -> None:
    searching = MAKERS[name]()
    rates = rates_of_weights(
        planted, searching, WeightOptimiser(learning_rate=0.02, schedule="one_cycle")
    )
    alone = SGD([nn.Parameter(torch.zeros(()))], lr=0.02, momentum=0.9)
    cycle = OneCycleLR(alone, 0.02, total_steps=3 * len(searching.oneshot_module.loader))
    expected = []
    for _ in range(cycle.total_steps):
        expected.append(cycle.get_last_lr()[0])
        alone.step()
        cycle.step()
    assert rates == pytest.approx(expected)
    assert rates[-1] < 1e-3 * max(rates)


def test_the_controller_moves_as_often_as_it_is_told(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[int] = []
    original = EnasModule._controller_step

    def spy(self: Any, batch: Batch) -> None:
        moved.append(self.trainer.current_epoch)
        original(self, batch)

    monkeypatch.setattr(EnasModule, "_controller_step", spy)
    settings = ControllerSettings(steps_per_epoch=5, warmup_epochs=1, calibration_batches=0)
    run_one_shot(planted.space(), evaluator(planted), ENAS(controller=settings))
    assert moved == [1] * 5


@pytest.mark.parametrize(
    "searching",
    [ENAS(controller=ControllerSettings(calibration_batches=2)), Proxyless(calibration_batches=2)],
    ids=["enas", "proxyless"],
)
def test_the_likeliest_path_is_scored_with_running_statistics_of_that_path(
    planted: Any, searching: Any
) -> None:
    """They are plain means over the first train batches: mean of 2 batches, no share of others."""
    run_one_shot(NormSpace(), evaluator(planted, on_epoch=lambda report: None), searching)
    factor = {"once": 1, "thrice": 3}[searching.genotype()["slot"]]
    batches = islice(searching.oneshot_module.loader.train_batches(epoch=0), 2)
    means = [factor * batch.images.flatten(1).mean(dim=0) for batch in batches]
    expected = torch.stack(means).mean(dim=0)
    norm = searching.supernet.norm
    torch.testing.assert_close(norm.running_mean, expected, rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1


@pytest.mark.parametrize(
    "searching",
    [
        TCM(iteration=Iteration(skip_first=True)),
        ENAS(controller=ControllerSettings(warmup_epochs=2)),
    ],
    ids=["the architecture rests in the only iteration", "the policy warms up for ever"],
)
def test_a_search_that_would_move_nothing_does_not_begin(planted: Any, searching: Any) -> None:
    """All 24 identities at once make one batch of an epoch."""
    everybody = replace(planted.data, identities=12, images=8)
    settings: dict[str, Any] = {"epochs": 2, "accelerator": "cpu"}
    with pytest.raises(ValueError, match=r"rest in it|never\s+move"):
        run_one_shot(planted.space(), ReidEvaluator(everybody, **settings), searching)


@pytest.mark.parametrize("wrong", [{"steps_per_epoch": 0}, {"paths_per_step": 0}])
def test_a_controller_that_takes_no_step_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        ControllerSettings(**wrong)


def test_unknown_settings_are_refused(planted: Any) -> None:
    with pytest.raises(ValueError, match="contrastive or evaluator"):
        TCM(criterion="triplet")
    memory = MemorySettings()
    object.__setattr__(memory, "initialisation", "ones")
    with pytest.raises(ValueError, match="centroids or zeros"):
        memory.__post_init__()
    searching: Any = TCM()
    searching.split = "halves"
    with pytest.raises(ValueError, match="twin, closed_set"):
        run_one_shot(planted.space(), evaluator(planted), searching)
