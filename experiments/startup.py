"""What a process that trains does first."""

import ctypes
import logging
import sys
import warnings

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_GIB = 1 << 30


def keep_large_blocks() -> bool:
    """Tell glibc to keep freed blocks; to be called before the first large tensor.

    By default it maps every large tensor of a training step anew, faults it in page by page and
    gives it back at once; ``experiments/benchmarks/allocator.py`` measures what that costs.

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


def show_log() -> None:
    """Let the data sets say on stderr what they found, and what the picture cache will take."""
    log = logging.getLogger("reid_data")
    log.setLevel(logging.INFO)
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)


def prepare() -> None:
    """Keep large blocks, show the log, and drop the one warning NNI 3.0 gives of a newer torch."""
    keep_large_blocks()
    show_log()
    warnings.filterwarnings("ignore", message=r"<class 'torch\.nn\.parameter\.Buffer'> is found")
