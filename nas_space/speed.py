"""What makes networks faster and leaves what they compute as it is.

``experiments/benchmarks/inference.py`` and ``allocator.py`` measure what each brings.
"""

import ctypes
import sys
from typing import TypeVar

import torch
from torch import nn

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_GIB = 1 << 30

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """The same network, its convolutions' weights in channels-last order.

    Their maps then come in that order whatever the images' is, and depthwise convolutions and sums
    over channels are several times as fast on a processor. Sums run in another order, so that the
    last digits may differ.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def keep_large_blocks() -> bool:
    """Tell glibc to keep freed blocks; to be called before the first large tensor.

    By default it maps every large tensor anew, faults it in page by page and gives it back at once.
    Kept, up to a GiB stays with the process when nothing needs it.

    Returns:
        Whether it was possible; other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_THRESHOLD, _GIB), (_M_TRIM_THRESHOLD, _GIB), (_M_TOP_PAD, _GIB // 16))
    accepted = [bool(mallopt(name, value)) for name, value in settings]
    return all(accepted)
