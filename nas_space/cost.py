"""What a network costs: parameters and multiply-adds."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Cost of one network at one input size.

    Attributes:
        parameters: all trained numbers of the network, the bias of frozen necks included;
            identity classifiers are no part of a network.
        macs: multiply-adds of convolutions, linear layers and matrix products for one image in one
            forward pass; additions, activations, pooling and normalisation are left out, as
            the field does.
    """

    parameters: int
    macs: int


def measure_cost(network: nn.Module, *, height: int, width: int) -> Cost:
    """Count parameters and multiply-adds for one ``height`` x ``width`` image (pixels).

    The network is run once, in evaluation mode, on the device of its parameters.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 3, height, width, device=device))
    finally:
        network.train(training)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters=parameters, macs=counter.get_total_flops() // 2)
