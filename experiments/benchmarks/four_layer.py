"""The plain network every found one must beat: four strided convolutions."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from nas_space.heads import EmbeddingNetwork, HeadOutput
from nas_space.layers import conv_bn, initialise

_CHANNELS = (3, 32, 64, 128, 256)


class FourLayer(EmbeddingNetwork):
    """Four 3x3 convolutions of stride 2 with BN and ReLU, mean, and a BN neck."""

    def __init__(self) -> None:
        super().__init__("normalised")
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(_CHANNELS):
            layers += [*conv_bn(inputs, outputs, 3, stride=2), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.neck = nn.BatchNorm1d(_CHANNELS[-1])
        self.neck.bias.requires_grad_(False)
        initialise(self)

    def heads(self, images: Float[Tensor, "B 3 H W"]) -> tuple[HeadOutput, ...]:
        """The one head."""
        pooled = self.layers(images).mean(dim=(2, 3))
        return (HeadOutput(pooled, self.neck(pooled)),)
