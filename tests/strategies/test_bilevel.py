"""One iteration moves each side by its own gradient, weights first, and leaves nothing."""

import torch
from torch import nn
from torch.optim import SGD

from strategies.bilevel import bilevel_step


def parameters() -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(2.0))


def test_each_side_moves_only_by_its_own_gradient() -> None:
    w, alpha = parameters()
    bilevel_step(
        train_loss=lambda: 5 * w + 100 * alpha,  # the 100 must never reach alpha
        val_loss=lambda: 3 * alpha + 100 * w,  # the 100 must never reach w
        weight_optimizer=SGD([w], lr=0.1),
        arch_optimizer=SGD([alpha], lr=0.1),
    )
    torch.testing.assert_close(w.item(), 1.0 - 0.1 * 5)
    torch.testing.assert_close(alpha.item(), 2.0 - 0.1 * 3)


def test_what_was_left_behind_before_is_not_used() -> None:
    w, alpha = parameters()
    w.grad, alpha.grad = torch.tensor(1e6), torch.tensor(1e6)
    bilevel_step(
        train_loss=lambda: 5 * w,
        val_loss=lambda: 3 * alpha,
        weight_optimizer=SGD([w], lr=0.1),
        arch_optimizer=SGD([alpha], lr=0.1),
    )
    torch.testing.assert_close(w.item(), 1.0 - 0.1 * 5)
    torch.testing.assert_close(alpha.item(), 2.0 - 0.1 * 3)


def test_nothing_is_left_behind() -> None:
    w, alpha = parameters()
    bilevel_step(
        train_loss=lambda: w * alpha,
        val_loss=lambda: w * alpha,
        weight_optimizer=SGD([w], lr=0.1),
        arch_optimizer=SGD([alpha], lr=0.1),
    )
    assert w.grad is None
    assert alpha.grad is None


def test_the_architecture_sees_the_updated_weights() -> None:
    """L = w alpha: w <- 1 - 0.1 * 2 = 0.8, then alpha <- 2 - 0.1 * 0.8 = 1.92 (1.9 with old w)."""
    w, alpha = parameters()
    train, val = bilevel_step(
        train_loss=lambda: w * alpha,
        val_loss=lambda: w * alpha,
        weight_optimizer=SGD([w], lr=0.1),
        arch_optimizer=SGD([alpha], lr=0.1),
    )
    torch.testing.assert_close(w.item(), 0.8)
    torch.testing.assert_close(alpha.item(), 1.92)
    torch.testing.assert_close(train.item(), 1.0 * 2.0)
    torch.testing.assert_close(val.item(), 0.8 * 2.0)


def test_parameters_outside_a_loss_and_frozen_ones_stay() -> None:
    w, alpha = parameters()
    unused = nn.Parameter(torch.tensor(7.0))
    frozen = nn.Parameter(torch.tensor(8.0), requires_grad=False)
    bilevel_step(
        train_loss=lambda: w * alpha * frozen,
        val_loss=lambda: w * alpha,
        weight_optimizer=SGD([w, unused, frozen], lr=0.1, weight_decay=0.1),
        arch_optimizer=SGD([alpha], lr=0.1),
    )
    assert (unused.item(), frozen.item()) == (7.0, 8.0)
