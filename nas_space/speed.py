"""What makes networks faster and leaves what they compute as it is, but for the last digits.

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

    Their maps then come in that order whatever the images' is, and depthwise convolutions are
    faster on a processor. Sums run in another order, so that the last digits may differ.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def keep_large_blocks() -> bool:
    """Tell glibc to keep freed blocks; to be called before the first large tensor.

    By default it maps every large tensor anew, faults it in page by page and gives it back at once.
    Kept, what was freed below a block still in use stays with the process, however much it is, and
    above the last one up to a GiB.

    Returns:
        Whether it was possible; other C libraries, and old ones, are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # glibc before 2.35 refuses the first, and is then best left as it is: any of these settings
    # stops the threshold from following what is asked for
    settings = ((_M_MMAP_THRESHOLD, _GIB), (_M_TRIM_THRESHOLD, _GIB), (_M_TOP_PAD, _GIB // 16))
    return all(mallopt(name, value) for name, value in settings)
