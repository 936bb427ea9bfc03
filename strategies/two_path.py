r"""The binary gates of ProxylessNAS (ICLR 2019, section 3.2): one path runs, two are compared.

A slot outputs ``sum_j g_j o_j(x)`` with one gate open: ``g_j`` is 1 for the active candidate and 0
for the others. The gradient of alpha is that of the gates, carried on as if they were the
probabilities (equation 4),

.. math::
    \frac{\partial L}{\partial \alpha_i} \approx \sum_j \frac{\partial L}{\partial g_j}
        p_j (\delta_{ij} - p_i), \qquad
    \frac{\partial L}{\partial g_j} = \Big\langle \frac{\partial L}{\partial y}, o_j(x) \Big\rangle

over two drawn candidates, ``p`` being the softmax over these two alone. Pure torch: neither NNI
nor Lightning.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# n candidates of a slot; 2 of them are drawn, the active one first

Maps = Tensor | tuple[Tensor, ...]
"""What a candidate gives: one map or several."""


def drawn_path(alpha: Float[Tensor, " n"], generator: torch.Generator) -> int:
    """A candidate, drawn by the softmax of alpha."""
    return int(torch.multinomial(_probabilities(alpha), 1, generator=generator))


def drawn_pair(alpha: Float[Tensor, " n"], generator: torch.Generator) -> tuple[int, int]:
    """The active and the inactive candidate of an architecture step.

    Two different ones are drawn by the softmax of alpha; between them, the softmax over the two
    says which is active. ``n`` is 2 or more.
    """
    p = _probabilities(alpha)
    pair = torch.multinomial(p, 2, generator=generator)
    active = int(torch.multinomial(p[pair], 1, generator=generator))
    return int(pair[active]), int(pair[1 - active])


def gates(alpha: Float[Tensor, " n"], pair: tuple[int, int]) -> Float[Tensor, "2"]:
    """The gates of a pair: (1, 0) in value, the softmax over the two alphas in gradient."""
    p = alpha[list(pair)].softmax(0)
    return p.new_tensor([1.0, 0.0]) + p - p.detach()


def gated(gate: Float[Tensor, "2"], active: object, inactive: object) -> Maps:
    """The active candidate's output; the gates' gradient compares it with the inactive one's.

    Args:
        gate: of the active and of the inactive candidate.
        active: ``o(x)`` of the one, a tensor or a tuple of them; gradients go on through it.
        inactive: ``o(x)`` of the other, computed without a graph.

    Raises:
        TypeError: a candidate gives something other than a tensor or a tuple of tensors.
        ValueError: the two give different numbers of maps.
    """
    shown, hidden = _as_tuple(active), _as_tuple(inactive)
    if len(shown) != len(hidden):
        raise ValueError(
            f"Two candidates of a slot give {len(shown)} and {len(hidden)} maps: candidates of one"
            " slot must give equally many."
        )
    output: tuple[Tensor, ...] = _Gated.apply(gate, *shown, *hidden)  # type: ignore[no-untyped-call]
    return output if isinstance(active, tuple) else output[0]


def balanced(
    before: Float[Tensor, " n"], after: Float[Tensor, " n"], pair: tuple[int, int]
) -> Float[Tensor, " n"]:
    r"""Alpha after a step that may only shift probability between the two drawn candidates.

    .. math:: \alpha_i = \alpha'_i - \log \frac{\sum_{k} e^{\alpha'_k}}{\sum_{k} e^{\alpha_k}}

    for the two, the sums over the two; every other candidate keeps its alpha, whatever the
    optimiser's momentum and weight decay did to it, and therefore its probability.

    Args:
        before: alpha before the step.
        after: alpha after it.
        pair: the drawn candidates.
    """
    two = list(pair)
    alpha = before.clone()
    alpha[two] = after[two] - after[two].logsumexp(0) + before[two].logsumexp(0)
    return alpha


class _Gated(torch.autograd.Function):
    """Echoes the active maps, and tells the gates how either candidate's maps meet the gradient."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, *maps: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*maps)
        return tuple(shown.view_as(shown) for shown in maps[: len(maps) // 2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        count = len(gradients)
        shown, hidden = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        gate = torch.stack([_inner(gradients, shown), _inner(gradients, hidden)])
        return (gate, *gradients, *(None for _ in hidden))


def _inner(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> Float[Tensor, ""]:
    products = [(a.float() * b.float()).sum() for a, b in zip(first, second, strict=True)]
    return torch.stack(products).sum()


def _as_tuple(maps: object) -> tuple[Tensor, ...]:
    found = maps if isinstance(maps, tuple) else (maps,)
    if not all(isinstance(one, Tensor) for one in found):
        raise TypeError(
            f"A candidate gives a {type(maps).__name__}: Proxyless needs candidates that give a"
            " tensor or a tuple of tensors."
        )
    return found


def _probabilities(alpha: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """In double precision, in which no candidate's probability is rounded to nothing."""
    return alpha.detach().cpu().double().softmax(0)
