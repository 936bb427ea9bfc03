"""A training minimises the heads' losses and, once, the alignment of the last map."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evaluators.losses import batch_hard_triplet
from evaluators.objectives import Classification, Classifiers, ReidObjective, Weights
from nas_space.alignment import SpatialAlignment
from nas_space.heads import Description, EmbeddingNetwork, HeadOutput
from reid_data.batch import Batch, Twin

IDENTITY = torch.tensor([0, 0, 1, 1])


class Table(EmbeddingNetwork):
    """Gives the same features and maps whatever it is shown; two heads."""

    channels, dimensions = 8, 4

    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.rows = nn.Parameter(torch.randn(4, 4, 2, generator=g))
        self.last = nn.Parameter(torch.randn(4, 8, 3, 2, generator=g))

    def describe(self, images: Tensor) -> Description:
        v, n, f_v, n_f = self.rows.unbind(1)
        return Description((HeadOutput(v, n), HeadOutput(f_v, n_f)), self.last)


def batch(images: int = 4) -> Batch:
    return Batch(torch.zeros(images, 3, 2, 2), IDENTITY[:images], IDENTITY[:images], Twin.TRAIN)


def objective(network: EmbeddingNetwork, **settings: Any) -> ReidObjective:
    torch.manual_seed(0)
    given = {"weights": Weights()} | settings
    return ReidObjective(network, network.heads(torch.zeros(4, 3, 2, 2)), 2, **given)


def test_the_loss_of_two_heads_by_hand() -> None:
    """Classifiers at 0 say ln 2 each, whatever the smoothing.

    Unit features (1, 0), (1, 0), (0, 1), (0, 1): positives at 0, negatives at the root of 2. Margin
    2 makes 2 - sqrt 2 of every anchor, in either head, times the weight 3.
    """
    network = Table()
    square = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    network.rows.data = square[:, None].expand(4, 4, 2).clone()
    trained = objective(network, weights=Weights(margin=2.0, triplet=3.0))
    for layer in trained.classifiers.linear:
        nn.init.zeros_(layer.get_parameter("weight"))
    expected = 2 * (math.log(2) + 3 * (2 - math.sqrt(2)))
    assert trained.loss(batch()).item() == pytest.approx(expected, rel=1e-6)


def test_the_alignment_is_added_once_times_its_ratio() -> None:
    network, alignment = Table(), SpatialAlignment(8)
    plain = objective(network).loss(batch())
    for ratio in (0.0, 2.0, 5.0):
        aligned = objective(network, weights=Weights(alignment=ratio), alignment=alignment)
        expected = plain + ratio * alignment(network.last, IDENTITY)
        torch.testing.assert_close(aligned.loss(batch()), expected)


def test_the_alignment_is_of_32_bits_whatever_the_forward_pass_was() -> None:
    """A map of 16 bits has coarse numbers, but their products and cosines are exact."""
    network, alignment = Table(), SpatialAlignment(8)
    network.rows.data, network.last.data = network.rows.bfloat16(), network.last.bfloat16()
    coarse = network.last.detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        aligned = objective(network, alignment=alignment).loss(batch())
        plain = objective(network).loss(batch())
    assert aligned.dtype == torch.float32
    expected = plain + 2.0 * alignment(coarse.float(), IDENTITY)
    torch.testing.assert_close(aligned, expected, rtol=1e-6, atol=0)


def test_the_alignment_reaches_the_map_and_its_own_weights() -> None:
    network, alignment = Table(), SpatialAlignment(8)
    objective(network, alignment=alignment).loss(batch()).backward()  # type: ignore[no-untyped-call]
    assert network.last.grad is not None
    assert all(p.grad is not None and p.grad.any() for p in alignment.query.parameters())


@pytest.mark.parametrize(("on", "places"), [("pooled", (0, 2)), ("normalised", (1, 3))])
def test_the_triplet_loss_sees_the_feature_it_is_told_to(on: Any, places: tuple[int, int]) -> None:
    """Less the classifiers' part, which sees ``n`` in either case."""
    network = Table()
    without = objective(network, weights=Weights(triplet=0.0), triplet_on=on).loss(batch())
    found = objective(network, triplet_on=on).loss(batch()) - without
    expected = sum(batch_hard_triplet(network.rows[:, p], IDENTITY) for p in places)
    torch.testing.assert_close(found, torch.as_tensor(expected))


def test_a_network_holds_nothing_of_what_is_trained_beside_it() -> None:
    network = Table()
    trained = objective(network, alignment=SpatialAlignment(8))
    assert {name.partition(".")[0] for name, _ in trained.named_parameters()} == {
        "network",
        "classifiers",
        "alignment",
    }
    assert set(network.state_dict()) == {"rows", "last"}


def test_the_loss_twice_is_the_same_number_twice() -> None:
    trained = objective(Table(), alignment=SpatialAlignment(8))
    assert trained.loss(batch()) == trained.loss(batch())


def test_there_is_one_classifier_without_bias_per_head() -> None:
    network = Table()
    classifiers = Classifiers(network.heads(torch.zeros(4, 3, 2, 2)), 7)
    assert [tuple(p.shape) for p in classifiers.parameters()] == [(7, 2), (7, 2)]


def test_classification_is_the_cross_entropy_of_the_first_neck_by_hand() -> None:
    """Logits (0, ln 3) for class 1: probabilities 1/4 and 3/4.

    Labels 0, 0, 1, 1 cost twice ln 4 and twice ln 4/3, without smoothing.
    """
    network = Table()
    network.rows.data.zero_()
    network.rows.data[:, 1, 0] = 1.0
    trained = Classification(network, network.heads(torch.zeros(4, 3, 2, 2)), 2, smoothing=0.0)
    trained.classifier.weight.data = torch.tensor([[0.0, 9.0], [math.log(3), 9.0]])
    expected = (math.log(4) + math.log(4 / 3)) / 2
    assert trained.loss(batch()).item() == pytest.approx(expected, rel=1e-6)
    assert trained.eval().places(batch()).tolist() == [1, 1, 0, 0]


def test_a_class_that_is_as_likely_as_the_right_one_comes_before_it() -> None:
    network = Table()
    network.rows.data.zero_()
    trained = Classification(network, network.heads(torch.zeros(4, 3, 2, 2)), 6, smoothing=0.0)
    assert trained.eval().places(batch()).tolist() == [5] * 4
