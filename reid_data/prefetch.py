"""Results of jobs in their order, some of them made ahead."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_order(jobs: Iterator[Callable[[], T]], *, workers: int) -> Iterator[T]:
    """What the jobs return, as if they were called one behind the other.

    The iterator of jobs is advanced by the caller's thread alone, and no further than one job
    beyond the workers. Whoever leaves early leaves no thread behind.

    Args:
        jobs: independent of each other.
        workers: threads that run them; without any, each is run when it is asked for.

    Raises:
        Exception: whatever a job raised, when its turn comes.
    """
    if not workers:
        yield from (job() for job in jobs)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="batch") as pool:
        try:
            waiting.extend(pool.submit(job) for job in islice(jobs, workers + 1))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(job) for job in islice(jobs, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
