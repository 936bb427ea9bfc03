"""Pieces of work take turns in every round, and ratios are taken within a round.

No test looks at a clock: time passes where the test says so.
"""

from collections.abc import Callable
from statistics import median

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from evaluators.latency import forward_pass, milliseconds, ratio, take_turns


class Clock:
    """Stands still but for the work; remembers which work was done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float) -> Callable[[], None]:
        """Takes the seconds one after the other, and then the last ones for ever."""
        left = list(seconds)

        def work() -> None:
            self.done.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return work


def turns_of(done: list[str]) -> list[str]:
    """Without repetitions of what came just before."""
    return [name for i, name in enumerate(done) if i == 0 or done[i - 1] != name]


def test_works_take_turns_and_the_order_is_turned_round_every_round() -> None:
    clock = Clock()
    works = {name: clock.work(name, 1.0) for name in "abc"}
    turns = take_turns(works, rounds=3, clock=clock)
    assert clock.done == [*"aabbcc", *"abc", *"cba", *"abc"]  # twice beforehand, then three rounds
    assert turns == {name: [1.0] * 3 for name in "abc"}


def test_what_runs_beforehand_is_not_counted() -> None:
    """A first pass of 100 s and a second of 50 s load libraries; later ones take 2 s."""
    clock = Clock()
    turns = take_turns({"a": clock.work("a", 100, 50, 2)}, rounds=2, clock=clock)
    assert turns == {"a": [2.0, 2.0]}


def test_short_passes_are_repeated_and_the_median_of_them_counts() -> None:
    """0.06 + 0.10 + 0.03 = 0.19 s are less than 0.2 s, with another 0.05 s they are more.

    The median of 0.03, 0.05, 0.06 and 0.10 is (0.05 + 0.06) / 2 = 0.055.
    """
    clock = Clock()
    work = clock.work("a", 0.0, 0.0, 0.06, 0.10, 0.03, 0.05)
    (seconds,) = take_turns({"a": work}, rounds=1, clock=clock)["a"]
    assert seconds == pytest.approx(0.055)
    assert len(clock.done) == 2 + 4


def test_a_pass_that_takes_no_time_is_not_repeated_for_ever() -> None:
    clock = Clock()
    take_turns({"a": clock.work("a", 0.0)}, rounds=1, clock=clock)
    assert len(clock.done) == 2 + 50


def test_a_ratio_is_taken_within_a_round_and_worked_out_by_hand() -> None:
    """A machine that becomes ten times slower changes no ratio: 2/1, 30/10 and 4/2 give 2.

    The ratio of the medians, 4 s to 2 s, would be the same; with 30/10 as the middle one it is not.
    """
    turns = {"own": [2.0, 30.0, 4.0], "other": [1.0, 10.0, 2.0]}
    assert ratio(turns, "own", "other") == 2.0
    assert milliseconds(turns, "own") == 4000.0
    slowed = {"own": [1.0, 20.0, 3.0], "other": [2.0, 4.0, 5.0]}  # 0.5, 5 and 0.6; medians 3 / 4
    assert ratio(slowed, "own", "other") == 0.6


@given(st.lists(st.tuples(*[st.floats(0.01, 100)] * 3), min_size=1, max_size=7))
def test_what_slows_a_whole_round_down_changes_no_ratio(
    rounds: list[tuple[float, float, float]],
) -> None:
    own, other = [a for a, _, _ in rounds], [b for _, b, _ in rounds]
    slow = [s for _, _, s in rounds]
    calm = {"own": own, "other": other}
    busy = {name: [x * s for x, s in zip(calm[name], slow, strict=True)] for name in calm}
    expected = median(a / b for a, b in zip(own, other, strict=True))
    assert ratio(calm, "own", "other") == expected
    assert ratio(busy, "own", "other") == pytest.approx(expected)


def test_no_round_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^0 rounds were asked for[^\n.]*\.$"):
        take_turns({}, rounds=0)


def test_a_pass_runs_the_network_on_the_images_without_gradients() -> None:
    images, seen = torch.rand(3, 3, 4, 2), []

    class Network(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append((x, torch.is_grad_enabled()))
            return x.mean(dim=(2, 3))

    work = forward_pass(Network(), images)
    assert seen == []
    work()
    ((x, slopes),) = seen
    assert x is images
    assert not slopes


@pytest.mark.gpu
def test_on_a_gpu_a_pass_is_over_when_the_gpu_has_done_it() -> None:
    images = torch.rand(64, 3, 256, 256, device="cuda")
    forward_pass(lambda x: (x @ x).mean(dim=(2, 3)), images)()
    assert torch.cuda.current_stream().query()
