"""The policy is a distribution over paths, learns what is rewarded, and the reward is rank-1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import Adam

from strategies.controller import Baseline, Controller, batch_rank1, policy_loss

CHOICES = {"s1": ("a", "b"), "s0": ("a", "b", "c")}


def controller(seed: int = 0, bound: float = 2.5) -> Controller:
    generator = torch.Generator().manual_seed(seed)
    return Controller(CHOICES, generator=generator, hidden=8, bound=bound)


def test_a_path_has_the_probability_of_its_choices() -> None:
    decision = controller().sample(torch.Generator().manual_seed(1))
    assert list(decision.path) == ["s0", "s1"]
    product = 1.0
    for label, candidate in decision.path.items():
        p = decision.probabilities[label]
        assert sum(p.values()) == pytest.approx(1, abs=1e-6)
        product *= p[candidate]
    assert decision.log_probability.exp().item() == pytest.approx(product, rel=1e-5)


def test_paths_depend_on_the_generators_alone() -> None:
    torch.manual_seed(1)
    first = controller().sample(torch.Generator().manual_seed(2))
    torch.manual_seed(3)
    second = controller().sample(torch.Generator().manual_seed(2))
    assert first.probabilities == second.probabilities
    assert first.path == second.path


def test_no_candidate_is_ever_out_of_reach() -> None:
    """Logits within +-1: the least probability of 3 is e^-1 / (e^-1 + 2 e^1) = 0.0634."""
    policy = controller(bound=1.0)
    for parameter in policy.parameters():
        parameter.data.mul_(1e3)
    for p in policy.greedy().probabilities.values():
        assert min(p.values()) > 0.06


def test_half_precision_around_it_does_not_reach_the_policy() -> None:
    policy = controller()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        decision = policy.sample(torch.Generator().manual_seed(0))
    assert decision.log_probability.dtype == torch.float32
    assert decision.probabilities == policy.sample(torch.Generator().manual_seed(0)).probabilities


def test_the_baseline_is_the_moving_average_of_the_rewards_before() -> None:
    """Decay 0.9, rewards 1, 0, 1: averages before them 1 (itself), 1, 0.9."""
    baseline = Baseline(0.9)
    assert [baseline.advantage(r) for r in (1.0, 0.0, 1.0)] == pytest.approx([0, -1, 0.1], abs=1e-6)


def test_the_rewarded_path_becomes_the_likeliest() -> None:
    policy, generator = controller(), torch.Generator().manual_seed(0)
    optimizer, baseline = Adam(policy.parameters(), lr=0.05), Baseline()
    for _ in range(60):
        decision = policy.sample(generator)
        reward = float(decision.path == {"s0": "c", "s1": "a"})
        optimizer.zero_grad()
        loss = policy_loss(decision, baseline.advantage(reward), entropy_weight=1e-3)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert policy.greedy().path == {"s0": "c", "s1": "a"}


def test_reinforce_by_hand() -> None:
    """Advantage 2, log p = -1.5, entropy 0.7, weight 0.1: L = 2 * 1.5 - 0.1 * 0.7 = 2.93."""
    decision = controller().sample(torch.Generator().manual_seed(0))
    decision = decision._replace(log_probability=torch.tensor(-1.5), entropy=torch.tensor(0.7))
    loss = policy_loss(decision, 2.0, entropy_weight=0.1)
    assert loss.item() == pytest.approx(2.93)


def slow_rank1(f: torch.Tensor, y: list[int], cameras: list[int]) -> float:
    """The reward as its docstring reads, picture by picture."""
    f = torch.nn.functional.normalize(f, dim=1)
    hits = []
    for q in range(len(y)):
        own = [j for j in range(len(y)) if j != q and y[j] == y[q]]
        elsewhere = [j for j in own if cameras[j] != cameras[q]]
        relevant = elsewhere or own
        if relevant:
            wrong = [float(f[q] @ f[j]) for j in range(len(y)) if y[j] != y[q]]
            right = max(float(f[q] @ f[j]) for j in relevant)
            hits.append(right > max(wrong, default=-torch.inf))
    return sum(hits) / len(hits)


@given(
    y=st.lists(st.integers(0, 2), min_size=2, max_size=9), seed=st.integers(0, 99), data=st.data()
)
def test_the_reward_equals_its_slow_definition(
    y: list[int], seed: int, data: st.DataObject
) -> None:
    y = [y[0], *y]  # one identity at least has two pictures
    cameras = data.draw(st.lists(st.integers(0, 1), min_size=len(y), max_size=len(y)))
    g = torch.Generator().manual_seed(seed)
    axes = torch.eye(3)[torch.randint(3, (len(y),), generator=g)]  # exact products: true ties
    f = axes * torch.randint(-1, 2, (len(y), 1), generator=g)  # dead features among them
    found = batch_rank1(f, torch.tensor(y), torch.tensor(cameras))
    assert found == pytest.approx(slow_rank1(f, y, cameras), abs=1e-6)


def test_a_feature_that_is_the_same_for_all_earns_nothing() -> None:
    y = torch.tensor([0, 0, 1, 1])
    assert batch_rank1(torch.ones(4, 3), y, torch.zeros_like(y)) == 0


def test_a_batch_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="two pictures per identity"):
        batch_rank1(torch.ones(2, 3), torch.tensor([0, 1]), torch.tensor([0, 0]))
