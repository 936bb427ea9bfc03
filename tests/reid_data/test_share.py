"""The shares of an epoch are equally long, and together they are the epoch."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reid_data.share import Share


def share(number: int, of: int, batches: int) -> list[int]:
    return list(Share(number, of).taken(lambda: iter(range(batches)), batches))


def test_two_shares_of_five_batches_by_hand() -> None:
    """Steps of (0, 1), (2, 3) and, as a batch is lacking, (4, 0)."""
    assert share(0, 2, 5) == [0, 2, 4]
    assert share(1, 2, 5) == [1, 3, 0]


@given(st.integers(1, 40), st.integers(1, 9))
def test_every_batch_is_in_a_share_and_the_fewest_possible_in_two(batches: int, of: int) -> None:
    shares = [share(number, of, batches) for number in range(of)]
    assert {len(own) for own in shares} == {Share(0, of).length(batches)}
    seen = Counter(batch for own in shares for batch in own)
    assert set(seen) == set(range(batches))
    assert seen.total() - batches < of


@given(st.integers(1, 40))
def test_who_is_alone_has_the_epoch_in_its_order(batches: int) -> None:
    assert share(0, 1, batches) == list(range(batches))
