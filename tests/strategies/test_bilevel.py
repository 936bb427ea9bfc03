"""One iteration moves each side by its own gradient, weights first, and leaves nothing.

The authors' order and leak can be asked for; their numbers are worked out by hand.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from strategies.bilevel import Half, Iteration, bilevel_step, descend

AUTHORS_CODE = Iteration(first="architecture", leak=True, skip_first=True)


def parameters() -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(2.0))


def half(loss: Callable[[], Tensor], *moving: nn.Parameter) -> Half:
    return Half(loss, SGD(moving, lr=0.1))


def test_each_side_moves_only_by_its_own_gradient() -> None:
    w, alpha = parameters()
    bilevel_step(
        half(lambda: 5 * w + 100 * alpha, w),  # the 100 must never reach alpha
        half(lambda: 3 * alpha + 100 * w, alpha),  # the 100 must never reach w
    )
    torch.testing.assert_close(w.item(), 1.0 - 0.1 * 5)
    torch.testing.assert_close(alpha.item(), 2.0 - 0.1 * 3)


@pytest.mark.parametrize("leak", [False, True])
def test_what_was_left_behind_before_is_not_used(leak: bool) -> None:
    w, alpha = parameters()
    w.grad, alpha.grad = torch.tensor(1e6), torch.tensor(1e6)
    iteration = Iteration(leak=leak)
    bilevel_step(half(lambda: 5 * w, w), half(lambda: 3 * alpha, alpha), iteration=iteration)
    torch.testing.assert_close(w.item(), 1.0 - 0.1 * 5)
    torch.testing.assert_close(alpha.item(), 2.0 - 0.1 * 3)


@pytest.mark.parametrize("iteration", [Iteration(), Iteration("architecture"), AUTHORS_CODE])
def test_nothing_is_left_behind(iteration: Iteration) -> None:
    w, alpha = parameters()
    bilevel_step(half(lambda: w * alpha, w), half(lambda: w * alpha, alpha), iteration=iteration)
    assert w.grad is None
    assert alpha.grad is None


def test_the_architecture_sees_the_updated_weights() -> None:
    """L = w alpha: w <- 1 - 0.1 * 2 = 0.8, then alpha <- 2 - 0.1 * 0.8 = 1.92 (1.9 with old w)."""
    w, alpha = parameters()
    train, val = bilevel_step(half(lambda: w * alpha, w), half(lambda: w * alpha, alpha))
    torch.testing.assert_close(w.item(), 0.8)
    torch.testing.assert_close(alpha.item(), 1.92)
    torch.testing.assert_close(train.item(), 1.0 * 2.0)
    torch.testing.assert_close(val.item(), 0.8 * 2.0)


def test_the_weights_see_the_updated_architecture_where_it_moves_first() -> None:
    """L = w alpha: alpha <- 2 - 0.1 * 1 = 1.9, then w <- 1 - 0.1 * 1.9 = 0.81."""
    w, alpha = parameters()
    train, val = bilevel_step(
        half(lambda: w * alpha, w),
        half(lambda: w * alpha, alpha),
        iteration=Iteration(first="architecture"),
    )
    torch.testing.assert_close(alpha.item(), 1.9)
    torch.testing.assert_close(w.item(), 0.81)
    torch.testing.assert_close(val.item(), 1.0 * 2.0)
    torch.testing.assert_close(train.item(), 1.0 * 1.9)


@pytest.mark.parametrize(("leak", "expected"), [(True, -0.55), (False, 0.15)])
def test_the_leak_trains_the_weights_on_the_validation_loss(leak: bool, expected: float) -> None:
    """Train loss 5 w alpha, val loss 3 alpha + 7 w, rate 0.1, from w = 1 and alpha = 2.

    The architecture first: alpha <- 2 - 0.1 * 3 = 1.7, and 7 is left behind on w.
    The weights then move by 5 * 1.7 + 7 = 15.5: w <- 1 - 1.55 = -0.55.
    Cleared, it would have been 1 - 0.1 * 8.5 = 0.15.
    """
    w, alpha = parameters()
    bilevel_step(
        half(lambda: 5 * w * alpha, w),
        half(lambda: 3 * alpha + 7 * w, alpha),
        iteration=Iteration(first="architecture", leak=leak),
    )
    torch.testing.assert_close(alpha.item(), 1.7)
    torch.testing.assert_close(w.item(), expected)


def test_the_leak_trains_the_architecture_on_the_train_loss_where_the_weights_move_first() -> None:
    """Weights: 1 - 0.1 * 5 = 0.5, and 11 is left on alpha: 2 - 0.1 * (11 + 3) = 0.6."""
    w, alpha = parameters()
    bilevel_step(
        half(lambda: 5 * w + 11 * alpha, w),
        half(lambda: 3 * alpha, alpha),
        iteration=Iteration(leak=True),
    )
    torch.testing.assert_close(w.item(), 0.5)
    torch.testing.assert_close(alpha.item(), 0.6)


def test_one_half_alone_moves_nothing_of_the_other() -> None:
    w, alpha = parameters()
    loss = descend(half(lambda: 5 * w * alpha, w))
    torch.testing.assert_close(loss.item(), 10.0)
    torch.testing.assert_close(w.item(), 1.0 - 0.1 * 10)
    assert (alpha.item(), w.grad, alpha.grad) == (2.0, None, None)


def test_parameters_outside_a_loss_and_frozen_ones_stay() -> None:
    w, alpha = parameters()
    unused = nn.Parameter(torch.tensor(7.0))
    frozen = nn.Parameter(torch.tensor(8.0), requires_grad=False)
    bilevel_step(
        Half(lambda: w * alpha * frozen, SGD([w, unused, frozen], lr=0.1, weight_decay=0.1)),
        half(lambda: w * alpha, alpha),
    )
    assert (unused.item(), frozen.item()) == (7.0, 8.0)


def test_an_iteration_begins_with_one_of_the_two() -> None:
    iteration = Iteration()
    object.__setattr__(iteration, "first", "weight")
    with pytest.raises(ValueError, match="'weights' or 'architecture'"):
        iteration.__post_init__()
