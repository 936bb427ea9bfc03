"""One candidate runs, and alpha gets the gradient of both gates; a step moves these two alone."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from strategies.two_path import balanced, drawn_pair, drawn_path, gated, gates


def test_the_gradient_by_hand() -> None:
    """Candidates 2x and 5x at x = 1, L = y, alpha = (0, ln 3), so that p = (1/4, 3/4).

    dL/dg = (2, 5), its mean under p is 17/4, and dL/dalpha = p (dL/dg - 17/4) = (-9/16, 9/16).
    """
    alpha = torch.tensor([0.0, log(3)], requires_grad=True)
    x = torch.ones(1)
    y = gated(gates(alpha, (0, 1)), 2 * x, 5 * x)
    assert isinstance(y, Tensor)
    assert y.item() == 2
    y.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(alpha.grad, torch.tensor([-9 / 16, 9 / 16]))


def slow_gradient(alpha: Tensor, pair: tuple[int, int], inner: dict[int, float]) -> list[float]:
    """Equation 4 of the paper, term by term, over the pair."""
    total = sum(alpha[k].exp().item() for k in pair)
    p = {k: alpha[k].exp().item() / total for k in pair}
    gradient = [0.0] * len(alpha)
    for i in pair:
        for j in pair:
            gradient[i] += inner[j] * p[j] * ((i == j) - p[i])
    return gradient


@given(seed=st.integers(0, 999), n=st.integers(2, 5), maps=st.integers(1, 3), data=st.data())
def test_the_gradient_equals_its_slow_definition(
    seed: int, n: int, maps: int, data: st.DataObject
) -> None:
    pair = tuple(data.draw(st.permutations(range(n)))[:2])
    active, inactive = pair
    g = torch.Generator().manual_seed(seed)
    alpha = (3 * torch.randn(n, generator=g)).requires_grad_()
    weight = torch.randn(n, maps, generator=g).requires_grad_()
    x, push = torch.randn(2, maps, 4, generator=g)

    def candidate(k: int) -> tuple[Tensor, ...]:
        return tuple(weight[k, m] * x[m] for m in range(maps))

    with torch.no_grad():
        hidden = candidate(inactive)
    y = gated(gates(alpha, (active, inactive)), candidate(active), hidden)
    loss = sum(((push[m] * y[m]).sum() for m in range(maps)), torch.zeros(()))
    loss.backward()
    inner = {k: sum((push[m] * o).sum().item() for m, o in enumerate(candidate(k))) for k in pair}
    expected = torch.tensor(slow_gradient(alpha, (active, inactive), inner))
    torch.testing.assert_close(alpha.grad, expected, rtol=1e-4, atol=1e-5)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad[active], (push * x).sum(dim=1), rtol=1e-4, atol=1e-5)
    assert not weight.grad[[k for k in range(n) if k != active]].any()


def test_a_map_the_loss_does_not_see_counts_for_nothing() -> None:
    """Of the maps (x, x) and (3x, 9x) at x = 1 the loss sees the first: dL/dg = (1, 3)."""
    alpha = torch.zeros(2, requires_grad=True)
    x = torch.ones(1, requires_grad=True)
    y = gated(gates(alpha, (0, 1)), (x, x), (3 * x.detach(), 9 * x.detach()))
    y[0].sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(alpha.grad, torch.tensor([-0.5, 0.5]))
    assert x.grad is not None
    assert x.grad.item() == 1


def test_candidates_may_differ_in_precision() -> None:
    alpha = torch.zeros(2, requires_grad=True)
    x = torch.ones(3, dtype=torch.bfloat16, requires_grad=True)
    y = gated(gates(alpha, (0, 1)), x * 2, torch.ones(3))
    assert isinstance(y, Tensor)
    assert y.dtype == torch.bfloat16
    y.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(alpha.grad, torch.tensor([0.75, -0.75]))  # (6 - 3) / 4


def test_a_step_by_hand() -> None:
    """Odds (1, 1, 1) become (2, 1, 148) with the first two drawn: (4/3, 2/3, 1), summing to 3."""
    after = torch.tensor([log(2), 0.0, 5.0])
    found = balanced(torch.zeros(3), after, (0, 1))
    torch.testing.assert_close(found.exp(), torch.tensor([4 / 3, 2 / 3, 1.0]))


@given(seed=st.integers(0, 999), n=st.integers(2, 5), data=st.data())
def test_a_step_leaves_all_other_probabilities(seed: int, n: int, data: st.DataObject) -> None:
    first, second = data.draw(st.permutations(range(n)))[:2]
    g = torch.Generator().manual_seed(seed)
    before, after = 10 * torch.randn(2, n, generator=g)
    found = balanced(before, after, (first, second))
    others = [k for k in range(n) if k not in (first, second)]
    torch.testing.assert_close(found.softmax(0)[others], before.softmax(0)[others])
    odds = found[first] - found[second]
    torch.testing.assert_close(odds, after[first] - after[second], rtol=1e-4, atol=1e-4)


def test_a_pair_is_drawn_by_the_probabilities() -> None:
    """Probabilities 1/2, 1/4 and 1/4.

    A pair is drawn one after the other: {0, 1} with 1/2 * 1/2 + 1/4 * 2/3 = 5/12, {0, 2} likewise,
    {1, 2} with 1/6. Within the pair 0 is active with 2/3, so in all with 5/6 * 2/3 = 5/9.
    """
    alpha = torch.tensor([2.0, 1.0, 1.0]).log()
    g = torch.Generator().manual_seed(0)
    pairs = [drawn_pair(alpha, g) for _ in range(6000)]
    assert all(active != inactive for active, inactive in pairs)
    assert sum(set(pair) == {1, 2} for pair in pairs) / 6000 == pytest.approx(1 / 6, abs=0.02)
    assert sum(active == 0 for active, _ in pairs) / 6000 == pytest.approx(5 / 9, abs=0.02)


def test_a_path_is_drawn_by_the_probabilities() -> None:
    alpha = torch.tensor([3.0, 1.0]).log()
    g = torch.Generator().manual_seed(0)
    drawn = [drawn_path(alpha, g) for _ in range(6000)]
    assert sum(drawn) / 6000 == pytest.approx(1 / 4, abs=0.02)


def test_a_hopeless_candidate_is_still_drawn_for_comparison() -> None:
    """Alpha 200 apart: its probability is zero in single precision."""
    alpha = torch.tensor([200.0, 0.0])
    assert drawn_pair(alpha, torch.Generator().manual_seed(0)) == (0, 1)


def test_other_outputs_are_refused() -> None:
    gate = gates(torch.zeros(2), (0, 1))
    with pytest.raises(TypeError, match="tensor or a tuple of tensors"):
        gated(gate, [torch.ones(1)], [torch.ones(1)])
    with pytest.raises(ValueError, match="give 1 and 2 maps"):
        gated(gate, torch.ones(1), (torch.ones(1), torch.ones(1)))
