"""Convolutions the networks are built of.

Source: the light 3x3 convolution is that of OSNet (ICCV 2019, section 3.1): a 1x1 convolution
followed by a depthwise 3x3, one normalisation and one activation for both.
"""

from jaxtyping import Float
from torch import Tensor, nn

# B pictures, C channels in, O channels out, H x W pixels of the map


def conv_bn(inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size at stride 1, and batch normalisation; no activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1) -> nn.Sequential:
    """The same, and the activation."""
    return nn.Sequential(*conv_bn(inputs, outputs, kernel, stride=stride), nn.ReLU(inplace=True))


class LightConv3x3(nn.Module):
    """``relu(bn(depthwise_3x3(conv_1x1(x))))``: C + 9 weights per output channel, not 9 C."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.depthwise = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O H W"]:
        """Map ``x`` to the output channels at the same size."""
        y: Tensor = self.relu(self.bn(self.depthwise(self.pointwise(x))))
        return y


def initialise(network: nn.Module) -> None:
    """Set the weights as MSINet and OSNet do before training from scratch.

    Convolutions Kaiming-normal (fan out, ReLU), normalisations 1 and 0, linear layers N(0, 0.01);
    biases 0. Uses torch's global generator, as the constructors of the layers do.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
