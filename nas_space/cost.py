"""What a network costs: parameters, those that its output depends on, and multiply-adds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.backends import mha
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Cost of one network at one input size.

    Attributes:
        parameters: all trained numbers of the network, the bias of frozen necks included;
            identity classifiers are no part of a network.
        macs: multiply-adds of convolutions, linear layers and matrix products, those within
            attentions included, for one image in one forward pass; additions, activations, pooling
            and normalisation are left out, as the field does.
    """

    parameters: int
    macs: int


def measure_cost(network: nn.Module, *, height: int, width: int) -> Cost:
    """Count parameters and multiply-adds for one ``height`` x ``width`` image (pixels).

    The network is run once, in evaluation mode, on the device of its parameters.
    """
    device = next(network.parameters()).device
    images = torch.zeros(1, 3, height, width, device=device)
    counter = FlopCounterMode(display=False)
    with _evaluating(network), torch.no_grad(), _plain_attention(), counter:
        network(images)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters=parameters, macs=counter.get_total_flops() // 2)


def used_parameters(network: nn.Module, *, height: int, width: int) -> int:
    """Count the parameters that the output for a ``height`` x ``width`` image depends on.

    Those of a neck whose feature ``forward`` does not return are none of them: the training alone
    needs them. The network is run once, in evaluation mode, and stays as it is.
    """
    images = torch.zeros(1, 3, height, width, device=next(network.parameters()).device)
    copies = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
    with _evaluating(network), torch.enable_grad():
        output = functional_call(network, copies, (images,))
        slopes = torch.autograd.grad(output.sum(), list(copies.values()), allow_unused=True)
    return sum(slope.numel() for slope in slopes if slope is not None)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as the matrix products it is made of: the counter sees into no fused kernel."""
    fused = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        mha.set_fastpath_enabled(fused)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
