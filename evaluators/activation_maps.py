"""Where a network looks: its last map as one number per position of a picture.

Letters: B pictures, N of all batches, C channels, H x W pixels of an image, h x w positions of the
last map.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nas_space.alignment import shared_activation
from nas_space.heads import EmbeddingNetwork


class SharedMaps(NamedTuple):
    """Where two pictures look like each other."""

    first: Float[Tensor, "h w"]
    """On the positions of the first picture."""
    second: Float[Tensor, "h w"]
    """On those of the second."""


def last_maps(
    network: EmbeddingNetwork, images: Float[Tensor, "N 3 H W"], *, batch_size: int = 32
) -> Float[Tensor, "N C h w"]:
    """The map of the last stage of each image, in float32 on the CPU.

    Args:
        network: in evaluation mode.
        images: normalised as for the network; taken to its device a batch at a time.
        batch_size: images at a time.

    Raises:
        ValueError: if there is no image, or the network is in training mode, in which a picture's
            map depends on those beside it.
    """
    if not len(images):
        raise ValueError("There is no image to look at: hand in at least one.")
    if network.training:
        raise ValueError("The network is in training mode: call eval() before its maps are drawn.")
    device = next(network.parameters()).device
    with torch.inference_mode():
        return torch.cat(
            [
                network.describe(x.to(device)).last.float().cpu()
                for x in torch.split(images, batch_size)
            ]
        )


def activation(maps: Float[Tensor, "B C h w"]) -> Float[Tensor, "B h w"]:
    r"""How strongly each position answers: the length of its vector, :math:`|x[p]|_2`.

    Its square is the attention map :math:`F^2_{sum}` of Zagoruyko and Komodakis, "Paying More
    Attention to Attention" (ICLR 2017), section 3.1.
    """
    length: Tensor = torch.linalg.vector_norm(maps, dim=1)
    return length


def shared(first: Float[Tensor, "C h w"], second: Float[Tensor, "C h w"]) -> SharedMaps:
    r"""What the spatial alignment compares of two pictures, before it is learned.

    .. math:: a(i, j)_p = \max_q \langle x_i[p], x_j[q] \rangle

    Each lies on the picture's own positions, as in MSINet (CVPR 2023), section 3.4.

    Args:
        first: map of a picture.
        second: map of another, by the same network and of the same size.
    """
    a = shared_activation(torch.stack([first, second]))
    h, w = first.shape[1:]
    return SharedMaps(a[0, 1].view(h, w), a[1, 0].view(h, w))


def spread_out(values: Float[Tensor, "B h w"]) -> Float[Tensor, "B h w"]:
    r"""Each map from its least value, 0, to its greatest, 1: :math:`(x - \min) / (\max - \min)`.

    A map that is equal everywhere says nothing about where, and is 0 everywhere. Maps of different
    pictures or networks can be compared by where they are bright, not by how bright they are.
    """
    low, high = values.amin(dim=(1, 2), keepdim=True), values.amax(dim=(1, 2), keepdim=True)
    width = high - low
    return ((values - low) / width.where(width > 0, 1)).clamp(0, 1)


def enlarged(
    values: Float[Tensor, "B h w"], *, height: int, width: int
) -> Float[Tensor, "B {height} {width}"]:
    """Maps in the size of a picture, bilinear; within the range they had.

    Args:
        values: of whole pictures.
        height: of what is shown, pixels.
        width: the same.
    """
    low, high = values.amin(dim=(1, 2), keepdim=True), values.amax(dim=(1, 2), keepdim=True)
    bigger = F.interpolate(
        values[:, None], size=(height, width), mode="bilinear", align_corners=False
    )
    return bigger.squeeze(1).clamp(low, high)  # rounding may leave the range
