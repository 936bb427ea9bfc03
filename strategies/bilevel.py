"""One iteration of a two-sided search: weights first, then the architecture of the updated model.

Source: MSINet (CVPR 2023), section 3.2, the order of the paper; first-order, as DARTS (ICLR 2019,
section 2.3, xi = 0). Neither NNI nor Lightning is needed here.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

Loss = Float[Tensor, ""]


def bilevel_step(
    train_loss: Callable[[], Loss],
    val_loss: Callable[[], Loss],
    *,
    weight_optimizer: Optimizer,
    arch_optimizer: Optimizer,
    backward: Callable[..., None] = Tensor.backward,
) -> tuple[Loss, Loss]:
    r"""Moves each side by its own gradient only, and leaves no gradient behind.

    .. math::
        w \leftarrow w - \eta \nabla_w L_{train}(w, \alpha), \qquad
        \alpha \leftarrow \alpha - \xi \nabla_\alpha L_{val}(w, \alpha)

    The second line sees the ``w`` of the first.

    Args:
        train_loss: ``L_train``; called once, before any step.
        val_loss: ``L_val``; called once, after the weights moved.
        weight_optimizer: holds ``w``.
        arch_optimizer: holds ``alpha``.
        backward: called as ``backward(loss, inputs=parameters)``; Lightning has its own.

    Returns:
        Both losses, detached.
    """
    train = _descend(train_loss, weight_optimizer, backward)
    val = _descend(val_loss, arch_optimizer, backward)
    return train, val


def _descend(
    objective: Callable[[], Loss], optimizer: Optimizer, backward: Callable[..., None]
) -> Loss:
    optimizer.zero_grad()
    loss = objective()
    backward(loss, inputs=_moving(optimizer))
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def _moving(optimizer: Optimizer) -> list[Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
