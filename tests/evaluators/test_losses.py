"""The losses are their formulas, finite at every feature, and evaluating them changes nothing."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from evaluators.losses import Criterion, IdTriplet, batch_hard_triplet, id_triplet
from reid_data.batch import Twin

numbers = st.floats(-3, 3, width=32)


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of any length, many of them equal, of two identities or more."""
    known = draw(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=6))
    size = draw(st.integers(2, 9))
    rows = draw(st.lists(st.sampled_from(known), min_size=size, max_size=size))
    identity = draw(st.lists(st.integers(-2, 3), min_size=size - 1, max_size=size - 1))
    return torch.tensor(rows), torch.tensor([*identity, 7])


def triplet_by_definition(feature: torch.Tensor, identity: torch.Tensor, margin: float) -> float:
    """Over all anchors, the largest distance to one's own, the smallest to others."""
    unit = [F.normalize(row.double(), dim=0) for row in feature]
    terms = []
    for a, anchor in enumerate(unit):
        distance = [float((anchor - other).norm()) for other in unit]
        own = [d for d, y in zip(distance, identity, strict=True) if y == identity[a]]
        others = [d for d, y in zip(distance, identity, strict=True) if y != identity[a]]
        terms.append(max(0.0, margin + max(own) - min(others)))
    return sum(terms) / len(terms)


@given(batches(), st.floats(0, 2))
def test_the_triplet_loss_is_its_definition(
    batch: tuple[torch.Tensor, torch.Tensor], margin: float
) -> None:
    feature, identity = batch
    got = batch_hard_triplet(feature, identity, margin=margin)
    assert float(got) == pytest.approx(triplet_by_definition(feature, identity, margin), abs=1e-5)


def test_the_triplet_loss_of_four_features_worked_by_hand() -> None:
    # lengths do not count: the unit features are at 0, 90 (identity 0) and 180, 180 (identity 1)
    # degrees; chords: 90 degrees apart sqrt 2, 180 apart 2
    feature = torch.tensor([[2.0, 0.0], [0.0, 0.5], [-1.0, 0.0], [-3.0, 0.0]])
    identity = torch.tensor([0, 0, 1, 1])
    # anchor at 0:   own sqrt 2, other 2;       anchor at 90:  own sqrt 2, other sqrt 2
    # anchors at 180: own 0, other sqrt 2: below zero with margin 1, so nothing
    expected = ((1 + math.sqrt(2) - 2) + 1 + 0 + 0) / 4
    assert float(batch_hard_triplet(feature, identity, margin=1.0)) == pytest.approx(expected)


def test_small_distances_are_not_lost_in_rounding() -> None:
    # pairs 1e-4 apart, where the rounding of 2 - 2 cos alone is some 3e-4; identities 90 degrees
    # apart: each term is 2 + 1e-4 - sqrt 2
    feature = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1e-4], [0.0, 1.0, 0.0], [0.0, 1.0, 1e-4]])
    got = batch_hard_triplet(feature, torch.tensor([0, 0, 1, 1]), margin=2.0)
    assert float(got) == pytest.approx(2 + 1e-4 - math.sqrt(2), abs=1e-6)


@given(batches())
def test_the_gradient_of_the_triplet_loss_is_finite_where_features_coincide(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    feature = batch[0].requires_grad_()
    (gradient,) = torch.autograd.grad(batch_hard_triplet(feature, batch[1]), feature)
    assert gradient.isfinite().all()


def test_the_triplet_loss_pulls_own_pictures_together_and_pushes_others_away() -> None:
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(16, 8, generator=generator).requires_grad_()
    identity = torch.arange(4).repeat_interleave(4)
    before = batch_hard_triplet(feature, identity).item()
    for _ in range(60):
        (gradient,) = torch.autograd.grad(batch_hard_triplet(feature, identity), feature)
        feature = (feature - 4 * gradient).detach().requires_grad_()
    assert before > 0.3
    assert batch_hard_triplet(feature, identity).item() < 0.05


def test_a_batch_of_one_identity_has_no_triplet() -> None:
    with pytest.raises(ValueError, match="All 3 pictures of the batch are of one identity"):
        batch_hard_triplet(torch.ones(3, 2), torch.tensor([5, 5, 5]))


def test_id_and_triplet_worked_by_hand() -> None:
    # smoothing .2 moves .1 to each of two classes; logits (ln 3, 0) are probabilities 3/4, 1/4
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    identity = torch.tensor([0, 1])
    first = -(0.9 * math.log(3 / 4) + 0.1 * math.log(1 / 4))
    second = math.log(2)
    # unit features 180 degrees apart, each alone of its identity: own 0, other 2, margin 2.5
    feature = torch.tensor([[4.0], [-1.0]])
    got = id_triplet(logits, feature, identity, smoothing=0.2, margin=2.5)
    assert float(got) == pytest.approx((first + second) / 2 + 0.5)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    feature = torch.randn(12, 5, generator=torch.Generator().manual_seed(3))
    return feature, torch.arange(4).repeat_interleave(3)


def criterion(seed: int = 0) -> IdTriplet:
    return IdTriplet(5, 6, generator=torch.Generator().manual_seed(seed))


def test_the_criterion_is_the_sum_over_the_normalised_neck(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    feature, identity = batch
    one = criterion()
    spread = feature.var(0, unbiased=False, keepdim=True)
    neck = (feature - feature.mean(0, keepdim=True)) / (spread + 1e-5).sqrt()
    expected = id_triplet(neck @ one.classifier.T, feature, identity)
    torch.testing.assert_close(one.loss(feature, identity, Twin.TRAIN), expected)


def test_the_criterion_gives_the_same_number_twice_and_keeps_no_trace_of_the_features(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    one: Criterion = criterion()
    assert isinstance(one, IdTriplet)
    before = {name: value.clone() for name, value in one.state_dict().items()}
    first = one.loss(*batch, Twin.TRAIN)
    one.loss(batch[0] + 5, batch[1], Twin.VAL)
    assert torch.equal(one.loss(*batch, Twin.TRAIN), first)
    assert torch.equal(one.eval().loss(*batch, Twin.VAL), first)
    assert before.keys() == one.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())


def test_the_criterion_trains_its_classifier_and_scale_but_no_bias(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    one = criterion()
    trained = {name: value for name, value in one.named_parameters() if value.requires_grad}
    assert trained.keys() == {"neck.weight", "classifier"}
    gradients = torch.autograd.grad(one.loss(*batch, Twin.TRAIN), list(trained.values()))
    assert all(gradient.any() for gradient in gradients)
    assert not one.neck.bias.any()


def test_the_criterion_starts_from_its_generator_alone() -> None:
    state = torch.random.get_rng_state()
    assert torch.equal(criterion(1).classifier, criterion(1).classifier)
    assert not torch.equal(criterion(1).classifier, criterion(2).classifier)
    assert torch.equal(torch.random.get_rng_state(), state)
