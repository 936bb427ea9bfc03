"""The memory is the paper's: loss against all centroids, updates sample after sample, one twin."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reid_data.batch import Twin
from strategies.contrastive_memory import ContrastiveMemory, TwinMemories, absorbed


def sequentially(c: Tensor, feature: Tensor, row: Tensor, beta: float) -> Tensor:
    """The update as the paper writes it."""
    c = c.clone()
    for f, y in zip(feature, row.tolist(), strict=True):
        c[y] = F.normalize(beta * c[y] + (1 - beta) * F.normalize(f, dim=0), dim=0)
    return c


@given(
    row=st.lists(st.integers(0, 4), max_size=12),
    seed=st.integers(0, 1000),
    beta=st.sampled_from([0.0, 0.2, 0.5, 0.99, 1.0]),
    started=st.booleans(),
)
def test_absorbing_at_once_equals_absorbing_in_turn(
    row: list[int], seed: int, beta: float, started: bool
) -> None:
    g = torch.Generator().manual_seed(seed)
    c = F.normalize(torch.randn(5, 3, generator=g), dim=1) * started
    feature = torch.randn(len(row), 3, generator=g)
    feature[::4] = 0  # a dead feature has no direction
    y = torch.tensor(row, dtype=torch.long)
    torch.testing.assert_close(
        absorbed(c, feature, y, momentum=beta), sequentially(c, feature, y, beta)
    )


def test_a_loss_and_an_update_worked_out_by_hand() -> None:
    """Tau 0.5, beta 0.2; c = (1, 0) and (0, 1); f = (3, 4) of the first, so (0.6, 0.8).

    Logits f.c / tau are 1.2 and 1.6: L = ln(1 + e^0.4) = 0.913015. The update is
    0.2 (1, 0) + 0.8 (0.6, 0.8) = (0.68, 0.64), whose length is sqrt(0.872) = 0.933809.
    """
    memory = ContrastiveMemory([7, 9], 2, temperature=0.5, momentum=0.2)
    memory.initialise([(torch.eye(2), torch.tensor([7, 9]))])
    f, y = torch.tensor([[3.0, 4.0]]), torch.tensor([7])
    torch.testing.assert_close(memory.loss(f, y).item(), math.log(1 + math.exp(0.4)))
    memory.absorb(f, y)
    expected = torch.tensor([[0.68 / 0.933809, 0.64 / 0.933809], [0.0, 1.0]])
    torch.testing.assert_close(memory.centroid, expected)


def test_an_empty_memory_gives_ln_k_and_no_gradient() -> None:
    memory = ContrastiveMemory(range(8), 4)
    f = torch.randn(5, 4, requires_grad=True)
    loss = memory.loss(f, torch.tensor([0, 1, 2, 3, 7]))
    torch.testing.assert_close(loss.item(), math.log(8))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(f.grad, torch.zeros(5, 4))


def test_a_loss_changes_nothing_and_absorbing_leaves_the_graph_of_the_loss_whole() -> None:
    memory = ContrastiveMemory([0, 1], 2)
    memory.initialise([(torch.eye(2), torch.tensor([0, 1]))])
    f, y = torch.tensor([[0.3, 0.4]], requires_grad=True), torch.tensor([0])
    loss = memory.loss(f, y)
    assert memory.loss(f, y).item() == loss.item()
    memory.absorb(f.detach(), y)
    loss.backward()  # type: ignore[no-untyped-call]
    assert f.grad is not None


def test_centroids_begin_as_directions_of_mean_unit_features_in_any_portions() -> None:
    """(1, 0) and (0, 5) of one identity: mean direction (1, 1) / sqrt 2, the length of 5 aside."""
    memory = ContrastiveMemory([0, 3], 2)
    memory.initialise(
        [
            (torch.tensor([[1.0, 0.0]]), torch.tensor([0])),
            (torch.tensor([[0.0, 5.0]]), torch.tensor([0])),
        ]
    )
    half = 0.5**0.5
    torch.testing.assert_close(memory.centroid, torch.tensor([[half, half], [0.0, 0.0]]))


def test_half_precision_features_are_handled_in_full_precision() -> None:
    memory = ContrastiveMemory([0, 1], 2)
    memory.initialise([(torch.eye(2), torch.tensor([0, 1]))])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = memory.loss(torch.tensor([[0.6, 0.8]], dtype=torch.bfloat16), torch.tensor([0]))
        memory.absorb(torch.tensor([[0.6, 0.8]], dtype=torch.bfloat16), torch.tensor([0]))
    assert loss.dtype == memory.centroid.dtype == torch.float32


@pytest.mark.parametrize("label", [-1, 2, 3, 99])
@pytest.mark.parametrize("method", ["loss", "absorb"])
def test_a_label_of_the_other_twin_is_refused(label: int, method: str) -> None:
    memories = TwinMemories({Twin.TRAIN: [0, 1, 4], Twin.VAL: [2, 3]}, 2)
    before = memories.of(Twin.TRAIN).centroid.clone()
    with pytest.raises(ValueError, match=f"label {label} is not in the train twin's memory of 3"):
        getattr(memories, method)(torch.ones(2, 2), torch.tensor([0, label]), Twin.TRAIN)
    torch.testing.assert_close(memories.of(Twin.TRAIN).centroid, before)


def test_a_batch_reaches_only_the_memory_of_its_twin() -> None:
    memories = TwinMemories({Twin.TRAIN: [0, 1], Twin.VAL: [1, 2]}, 2)
    memories.absorb(torch.ones(1, 2), torch.tensor([1]), Twin.VAL)
    assert memories.of(Twin.TRAIN).centroid.abs().sum() == 0
    assert memories.of(Twin.VAL).centroid[0].norm() > 0


def test_a_checkpoint_keeps_both_memories() -> None:
    labels = {Twin.TRAIN: [0, 1], Twin.VAL: [1, 2]}
    kept, restored = TwinMemories(labels, 2), TwinMemories(labels, 2)
    kept.absorb(torch.ones(1, 2), torch.tensor([1]), Twin.VAL)
    restored.load_state_dict(kept.state_dict())
    torch.testing.assert_close(restored.of(Twin.VAL).centroid, kept.of(Twin.VAL).centroid)


@pytest.mark.parametrize(
    ("labels", "settings"),
    [([], {}), ([-1, 0], {}), ([0], {"temperature": 0.0}), ([0], {"momentum": 1.5})],
)
def test_impossible_memories_are_refused(labels: list[int], settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="memory"):
        ContrastiveMemory(labels, 2, **settings)  # type: ignore[arg-type]
