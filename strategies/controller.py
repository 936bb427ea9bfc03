"""The policy of ENAS (ICML 2018, section 2.1): an LSTM that chooses slot after slot.

Pure torch: neither NNI nor Lightning. Letters: n candidates of a slot, H hidden numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_FIRST_WEIGHTS = 0.1
"""The weights begin uniform in -0.1..0.1, as in the paper's code."""


class Decision(NamedTuple):
    """A path and how likely it was.

    Attributes:
        path: slot label -> candidate.
        log_probability: of the whole path.
        entropy: of the slots' distributions along the path, summed, nats.
        probabilities: slot label -> candidate -> probability, given the choices before.
    """

    path: dict[str, str]
    log_probability: Float[Tensor, ""]
    entropy: Float[Tensor, ""]
    probabilities: dict[str, dict[str, float]]


class Controller(nn.Module):
    r"""Chooses a candidate for each slot, in the order of the labels, knowing the choices before.

    .. math:: p = softmax(c \tanh(l / t))

    with the LSTM's logits ``l``: no candidate is ever out of reach.

    Args:
        choices: candidates of each slot, by label.
        generator: draws the first weights.
        hidden: H.
        bound: ``c``, the largest logit.
        temperature: ``t``.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[str]],
        *,
        generator: torch.Generator,
        hidden: int = 64,
        bound: float = 2.5,
        temperature: float = 5.0,
    ) -> None:
        super().__init__()
        self._choices = {label: tuple(choices[label]) for label in sorted(choices)}
        self._bound, self._temperature = bound, temperature
        sizes = [len(candidates) for candidates in self._choices.values()]
        self._first = [1 + sum(sizes[:slot]) for slot in range(len(sizes))]
        self._embedding = nn.Embedding(1 + sum(sizes), hidden)
        self._lstm = nn.LSTMCell(hidden, hidden)
        self._logits = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -_FIRST_WEIGHTS, _FIRST_WEIGHTS, generator=generator)

    def sample(self, generator: torch.Generator) -> Decision:
        """A path drawn from the policy; differentiable in its probability and entropy."""

        def draw(p: Float[Tensor, " n"]) -> Int[Tensor, ""]:
            return torch.multinomial(p.cpu(), 1, generator=generator)[0]

        return self._decide(draw)

    @torch.no_grad()
    def greedy(self) -> Decision:
        """The likeliest candidate in each slot, given those before."""
        return self._decide(lambda p: p.argmax().cpu())

    def _decide(self, choose: Callable[[Tensor], Tensor]) -> Decision:
        device = self._embedding.weight.device
        log_probability = entropy = torch.zeros((), device=device)
        path, probabilities = {}, {}
        state: tuple[Tensor, Tensor] | None = None
        token = torch.zeros(1, dtype=torch.long, device=device)
        slots = zip(self._choices.items(), self._logits, self._first, strict=True)
        with torch.autocast(device.type, enabled=False):
            for (label, candidates), head, first in slots:
                state = self._lstm(self._embedding(token), state)
                logit = self._bound * torch.tanh(head(state[0])[0] / self._temperature)
                log_p = logit.log_softmax(0)
                p = log_p.exp()
                chosen = int(choose(p.detach()))
                log_probability = log_probability + log_p[chosen]
                entropy = entropy - (p * log_p).sum()
                path[label] = candidates[chosen]
                probabilities[label] = dict(zip(candidates, p.tolist(), strict=True))
                token = torch.full_like(token, first + chosen)
        return Decision(path, log_probability, entropy, probabilities)


class Baseline(nn.Module):
    """A moving average of rewards, beginning with the first; a checkpoint keeps it.

    Args:
        decay: share of the old average, in [0, 1).
    """

    average: Tensor

    def __init__(self, decay: float = 0.95) -> None:
        super().__init__()
        self._decay = decay
        self.register_buffer("average", torch.tensor(torch.nan))

    def advantage(self, reward: float) -> float:
        """The reward above the average of those before; the average then follows."""
        average = float(self.average)
        before = reward if isnan(average) else average
        self.average.fill_(self._decay * before + (1 - self._decay) * reward)
        return reward - before


def policy_loss(
    decision: Decision, advantage: float, *, entropy_weight: float
) -> Float[Tensor, ""]:
    r"""REINFORCE: :math:`-A \log \pi(path) - \lambda H`.

    Args:
        decision: the path and its probability.
        advantage: ``A``, its reward above the baseline.
        entropy_weight: ``lambda``, which keeps the policy undecided.
    """
    return -advantage * decision.log_probability - entropy_weight * decision.entropy


def batch_rank1(
    feature: Float[Tensor, "B D"], identity: Int[Tensor, " B"], camera: Int[Tensor, " B"]
) -> float:
    """Share of a batch's pictures whose nearest other picture shows the same identity.

    Every picture asks for all the others, by cosine. Others of its own identity and camera are
    left out where another camera has seen it too, and stay where none has, so that every identity
    with two pictures counts. A tie between right and wrong counts as wrong; a picture alone of its
    identity is not asked.

    Raises:
        ValueError: no identity has two pictures.
    """
    f = nn.functional.normalize(feature.float(), dim=1)
    similarity = f @ f.T
    same = identity[:, None] == identity[None, :]
    other = same & ~torch.eye(len(f), dtype=torch.bool, device=f.device)
    elsewhere = same & (camera[:, None] != camera[None, :])
    relevant = torch.where(elsewhere.any(1, keepdim=True), elsewhere, other)
    asked = relevant.any(1)
    if not asked.any():
        raise ValueError(
            f"None of the {len(f)} pictures of the batch has another of its identity: draw at"
            " least two pictures per identity."
        )
    right = similarity.masked_fill(~relevant, -torch.inf).amax(1)
    wrong = similarity.masked_fill(same, -torch.inf).amax(1)
    return float((right > wrong)[asked].float().mean())
