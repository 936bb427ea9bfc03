"""The plain network every found one must beat: four strided convolutions."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from nas_space.heads import Description, EmbeddingNetwork, Neck
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
        self.neck = Neck(_CHANNELS[-1])
        initialise(self)

    @property
    def channels(self) -> int:
        """Channels of the last map."""
        return _CHANNELS[-1]

    @property
    def dimensions(self) -> int:
        """Length of the embedding."""
        return _CHANNELS[-1]

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        """The one head, and the map behind the last convolution."""
        last = self.layers(images)
        return Description((self.neck(last.mean(dim=(2, 3))),), last)
