"""What a process that trains does first."""

import logging
import warnings


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
    from nas_space.speed import keep_large_blocks  # and torch, which a refused command needs not

    keep_large_blocks()
    show_log()
    warnings.filterwarnings("ignore", message=r"<class 'torch\.nn\.parameter\.Buffer'> is found")
