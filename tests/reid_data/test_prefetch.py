"""Jobs that are run ahead give what they would give one behind the other."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from reid_data.prefetch import in_order


def counted(started: list[int], count: int, pause: float = 0.0) -> Iterator[Callable[[], int]]:
    """Jobs that return their numbers, the earlier ones slower; notes those that were taken."""

    def job(number: int) -> int:
        time.sleep(pause * (count - number))
        return number

    for number in range(count):
        started.append(number)
        yield partial(job, number)


@pytest.mark.parametrize("workers", [0, 1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_results_come_in_the_order_of_the_jobs(workers: int, count: int) -> None:
    results = list(in_order(counted([], count, pause=0.002), workers=workers))
    assert results == list(range(count))


def test_no_more_than_one_job_beyond_the_workers_is_ahead() -> None:
    started: list[int] = []
    for number in in_order(counted(started, 10), workers=2):
        # Three begin; each result that was handed over makes room for one more.
        assert len(started) == min(10, number + 4)


def test_without_workers_a_job_runs_when_it_is_asked_for() -> None:
    started: list[int] = []
    results = in_order(counted(started, 3), workers=0)
    assert next(results) == 0
    assert started == [0]


def test_jobs_are_taken_by_the_callers_thread_and_run_by_others() -> None:
    takers: set[int] = set()

    def jobs() -> Iterator[Callable[[], int]]:
        for _ in range(6):
            takers.add(threading.get_ident())
            yield threading.get_ident

    runners = set(in_order(jobs(), workers=2))
    assert takers == {threading.get_ident()}
    assert threading.get_ident() not in runners


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_when_it_is_its_turn(workers: int) -> None:
    def fail() -> int:
        raise KeyError("third")

    before = threading.active_count()
    results = in_order(iter([lambda: 1, lambda: 2, fail, lambda: 4]), workers=workers)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(KeyError, match="third"):
        next(results)
    assert threading.active_count() == before
