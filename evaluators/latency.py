"""How long pieces of work take beside each other on a machine that others may use as well.

All take turns within a round, so that whatever slows the machine down slows all of them; a ratio
of two is taken within a round, and the median over rounds is what is said.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from reid_data.bars import bar

# B images of H x W pixels

Network = Callable[[Tensor], Tensor]
"""Maps images [B 3 H W] to features [B D]."""

Work = Callable[[], object]
"""Something that is over when it returns."""

Turns = Mapping[str, Sequence[float]]
"""Seconds of every piece of work, one number per round."""

_LEAST = 0.2
"""Seconds of a turn, unless the work is slower: short passes are repeated."""
_MOST = 50
"""Passes of a turn."""


def take_turns(
    works: Mapping[str, Work],
    *,
    rounds: int,
    progress: str | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of one pass of every piece of work, the median of its passes in each round.

    Everything is run twice beforehand, and not counted. The next round goes the other way round,
    as the one that comes first may find the machine at rest.

    Args:
        works: name -> work.
        rounds: that are counted, 1 or more.
        progress: what to call the work in a progress bar, or None for no bar.
        clock: seconds that only grow.

    Raises:
        ValueError: if there is no round.
    """
    if rounds < 1:
        raise ValueError(f"{rounds} rounds were asked for: 1 or more are needed to measure.")
    seconds: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    with bar(total=(1 + rounds) * len(works), desc=progress, unit="turn") as done:
        for name in names:
            works[name](), works[name]()
            done.update()
        for _ in range(rounds):
            for name in names:
                seconds[name].append(_turn(works[name], clock))
                done.update()
            names.reverse()
    return seconds


def _turn(work: Work, clock: Callable[[], float]) -> float:
    """Median of as many passes as fit into a short while, and of one at least."""
    passes: list[float] = []
    while not passes or (sum(passes) < _LEAST and len(passes) < _MOST):
        start = clock()
        work()
        passes.append(clock() - start)
    return statistics.median(passes)


def milliseconds(turns: Turns, name: str) -> float:
    """Median over rounds."""
    return 1000 * statistics.median(turns[name])


def ratio(turns: Turns, name: str, reference: str) -> float:
    """Median over rounds of how many times as long as the reference something took."""
    pairs = zip(turns[name], turns[reference], strict=True)
    return statistics.median(own / other for own, other in pairs)


def forward_pass(network: Network, images: Float[Tensor, "B 3 H W"]) -> Work:
    """One pass of the images; on a GPU it is over when the GPU has done it.

    Args:
        network: in evaluation mode, on the images' device.
        images: normalised, or anything else of their size.
    """

    def work() -> None:
        with torch.inference_mode():
            network(images)
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)

    return work
