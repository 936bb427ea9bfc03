"""Large tensors stay mapped: glibc gives each back to the system at once by default.

Every large tensor of a training step would be mapped, faulted in page by page and unmapped again;
``experiments/benchmarks`` holds what that costs.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_GIB = 1 << 30


def keep_large_blocks() -> bool:
    """Tell glibc to keep freed blocks; to be called before the first large tensor.

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
