"""One iteration of a two-sided search: the weights by one side, the architecture by the other.

Source: MSINet (CVPR 2023), section 3.2; first-order, as DARTS (ICLR 2019, section 2.3, xi = 0). Its
authors' code departs from its paper in three ways (decisions 4, 6 and 19), all of which can be
asked for. Neither NNI nor Lightning is needed here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

Loss = Float[Tensor, ""]


@dataclass(frozen=True)
class Iteration:
    """What happens in an iteration, and in which order; the defaults are the paper's.

    Attributes:
        first: what moves first; the other one's loss sees it moved.
        leak: the gradient that the first side's loss leaves on the second side's parameters is not
            cleared, so that these move by both losses: a defect of the authors' code.
        skip_first: the architecture rests in the first iteration of every epoch.
    """

    first: Literal["weights", "architecture"] = "weights"
    leak: bool = False
    skip_first: bool = False

    def __post_init__(self) -> None:
        if self.first not in ("weights", "architecture"):
            raise ValueError(
                f"An iteration begins with {self.first!r}: use 'weights' or 'architecture'."
            )


class Half(NamedTuple):
    """One side of an iteration.

    Attributes:
        loss: of the side's batch; called once.
        optimizer: of what the side moves.
    """

    loss: Callable[[], Loss]
    optimizer: Optimizer


def bilevel_step(
    train: Half,
    val: Half,
    *,
    iteration: Iteration = Iteration(),
    backward: Callable[..., None] = Tensor.backward,
) -> tuple[Loss, Loss]:
    r"""Moves each side, by its own gradient only, and leaves no gradient behind.

    .. math::
        w \leftarrow w - \eta \nabla_w L_{train}(w, \alpha), \qquad
        \alpha \leftarrow \alpha - \xi \nabla_\alpha L_{val}(w, \alpha)

    The second line sees the ``w`` of the first. Where the architecture moves first, the first line
    sees the ``alpha`` of the second. With the leak, the side that moves second takes both losses'
    gradients: that of the first loss at the values before any step.

    Args:
        train: ``L_train`` and the optimiser that holds ``w``.
        val: ``L_val`` and the optimiser that holds ``alpha``.
        iteration: order and leak.
        backward: called as ``backward(loss)`` or ``backward(loss, inputs=parameters)``; Lightning
            has its own.

    Returns:
        Both losses, of train and of val, detached.
    """
    weights_first = iteration.first == "weights"
    first, second = (train, val) if weights_first else (val, train)
    if iteration.leak:
        losses = _leaking(first, second, backward)
    else:
        losses = descend(first, backward=backward), descend(second, backward=backward)
    return losses if weights_first else losses[::-1]


def descend(half: Half, *, backward: Callable[..., None] = Tensor.backward) -> Loss:
    """Moves one side by its own gradient only, and leaves no gradient behind."""
    half.optimizer.zero_grad()
    loss = half.loss()
    backward(loss, inputs=_moving(half.optimizer))
    half.optimizer.step()
    half.optimizer.zero_grad()
    return loss.detach()


def _leaking(first: Half, second: Half, backward: Callable[..., None]) -> tuple[Loss, Loss]:
    moving = [*_moving(first.optimizer), *_moving(second.optimizer)]
    for half in (first, second):
        half.optimizer.zero_grad()
    losses = []
    for half in (first, second):
        loss = half.loss()
        backward(loss, inputs=moving)
        half.optimizer.step()
        losses.append(loss.detach())
    for half in (first, second):
        half.optimizer.zero_grad()
    return losses[0], losses[1]


def _moving(optimizer: Optimizer) -> list[Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
