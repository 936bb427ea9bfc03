"""Whatever the network, one pass gives the heads' outputs, the last map and the embedding."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nas_space.heads import Description, EmbeddingNetwork, Feature, Head, HeadOutput, Neck


class TwoHeads(EmbeddingNetwork):
    """Means and maxima of a 1x1 convolution's map; counts its passes."""

    channels, dimensions, passes = 4, 8, 0

    def __init__(self, feature: Feature = "pooled") -> None:
        super().__init__(feature)
        self.filters = nn.Conv2d(3, 4, 1)
        self.first, self.second = Head(4), Neck(4)

    def describe(self, images: Float[Tensor, "B 3 H W"]) -> Description:
        self.passes += 1
        last = self.filters(images)
        outputs = self.first(last.mean(dim=(2, 3))), self.second(last.amax(dim=(2, 3)))
        return Description(outputs, last)


IMAGES = torch.rand(5, 3, 4, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("feature", "part"), [("pooled", 0), ("normalised", 1)])
def test_the_embedding_is_the_heads_features_one_behind_the_other_at_unit_length(
    feature: Feature, part: int
) -> None:
    network = TwoHeads()
    network.feature = feature  # may be set after construction
    together = torch.cat([out[part] for out in network.heads(IMAGES)], dim=1)
    torch.testing.assert_close(network(IMAGES), together / together.norm(dim=1, keepdim=True))


def test_an_embedding_takes_one_pass() -> None:
    network = TwoHeads()
    network(IMAGES)
    assert network.passes == 1


def test_a_neck_is_the_normalisation_alone() -> None:
    v = torch.tensor([[1.0, 2.0], [3.0, 8.0]])
    neck = Neck(2)
    pooled, normalised = neck(v)
    assert pooled is v
    # of the column 1, 3: mean 2, variance 1; of 2, 8: mean 5, variance 9
    expected = [[-1 / (1 + 1e-5) ** 0.5, -3 / (9 + 1e-5) ** 0.5]]
    torch.testing.assert_close(normalised[:1], torch.tensor(expected))


@pytest.mark.parametrize("head", [Head(3), Neck(3)])
def test_the_bias_of_a_neck_never_moves(head: nn.Module) -> None:
    output: HeadOutput = head(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)))
    F.cross_entropy(output.normalised, torch.tensor([0, 1, 2, 0])).backward()  # type: ignore[no-untyped-call]
    assert head.get_parameter("bn.bias").grad is None
    assert head.get_parameter("bn.weight").grad is not None
