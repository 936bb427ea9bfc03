"""Every batch holds P identities x K pictures, and an epoch as many batches as that allows."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_data.pk_sampler import PKSampler


def labels_with(counts: list[int]) -> list[int]:
    """Identity ``10 i`` has ``counts[i]`` pictures; they are not next to each other."""
    labels = [10 * identity for identity, count in enumerate(counts) for _ in range(count)]
    random.Random(0).shuffle(labels)
    return labels


# pictures of each identity, P and K; identities with one picture among them
asked = st.tuples(
    st.lists(st.integers(1, 12), min_size=4, max_size=12), st.integers(1, 4), st.integers(1, 5)
)
epochs = st.integers(0, 1000)


def most_batches(chunks: list[int], p: int) -> int:
    """Slow twin: how many batches of p different identities can be made, tried one by one."""
    m = 0
    while sum(min(c, m + 1) for c in chunks) >= (m + 1) * p:
        m += 1
    return m


def test_an_epoch_by_hand() -> None:
    # K = 2: identities with 5, 2, 1 pictures have 3, 1, 1 chunks.
    # P = 2: m = 2 needs 4 chunks, min(3, 2) + 1 + 1 = 4; m = 3 needs 6, 3 + 1 + 1 = 5.
    sampler = PKSampler(labels_with([5, 2, 1]), identities=2, images=2, seed=0)
    assert len(sampler) == 2
    # The first identity must be in both batches, or the second batch has no partner.
    labels = labels_with([5, 2, 1])
    assert [{labels[i] for i in batch} & {0} for batch in sampler.batches(0)] == [{0}, {0}]


@given(asked, epochs)
def test_every_batch_has_p_identities_and_k_pictures_of_each(
    asked: tuple[list[int], int, int], epoch: int
) -> None:
    counts, p, k = asked
    labels = labels_with(counts)
    for batch in PKSampler(labels, identities=p, images=k, seed=1).batches(epoch):
        assert sorted(Counter(labels[i] for i in batch).values()) == [k] * p


@given(asked, epochs)
def test_the_length_is_known_before_and_cannot_be_more(
    asked: tuple[list[int], int, int], epoch: int
) -> None:
    counts, p, k = asked
    sampler = PKSampler(labels_with(counts), identities=p, images=k, seed=1)
    assert len(sampler.batches(epoch)) == len(sampler)
    assert len(sampler) == most_batches([-(-count // k) for count in counts], p)


@given(asked, epochs)
def test_a_picture_comes_twice_only_where_a_chunk_was_filled_up(
    asked: tuple[list[int], int, int], epoch: int
) -> None:
    counts, p, k = asked
    labels = labels_with(counts)
    batches = PKSampler(labels, identities=p, images=k, seed=1).batches(epoch)
    met = Counter(i for batch in batches for i in batch)
    for identity, count in enumerate(counts):
        again = sum(n - 1 for i, n in met.items() if labels[i] == 10 * identity)
        assert again <= -count % k
    for batch in batches:
        for i, n in Counter(batch).items():
            of_identity = counts[labels[i] // 10]
            assert n in {k // of_identity, -(-k // of_identity)}


@given(asked, epochs, st.integers(0, 2**31))
def test_an_epoch_can_be_made_again(
    asked: tuple[list[int], int, int], epoch: int, seed: int
) -> None:
    counts, p, k = asked
    labels = labels_with(counts)
    sampler = PKSampler(labels, identities=p, images=k, seed=seed)
    sampler.batches(epoch + 1)
    again = PKSampler(tuple(labels), identities=p, images=k, seed=seed)
    assert sampler.batches(epoch) == again.batches(epoch)


def test_an_epoch_is_the_same_on_every_machine() -> None:
    # Chunks 2, 1, 1, 1: m = 2 needs 4 of them, 2 + 1 + 1 + 1; m = 3 would need 6 and there are 5.
    sampler = PKSampler([5, 5, 5, 7, 7, 2, 2, 9], identities=2, images=2, seed=3)
    assert sampler.batches(4) == [(1, 2, 7, 7), (0, 1, 6, 5)]


def test_epochs_and_seeds_differ() -> None:
    labels = labels_with([8] * 12)
    made = [
        tuple(PKSampler(labels, identities=4, images=4, seed=seed).batches(epoch))
        for seed in range(3)
        for epoch in range(3)
    ]
    assert len(set(made)) == 9


def test_every_picture_of_equal_identities_is_met_once() -> None:
    labels = labels_with([8] * 12)
    batches = PKSampler(labels, identities=4, images=4, seed=0).batches(7)
    assert sorted(i for batch in batches for i in batch) == list(range(len(labels)))


def test_over_many_epochs_equal_identities_meet_equally_often() -> None:
    # 6 identities with 1 chunk, P = 4: one batch per epoch, each identity in 2 of 3 of them.
    labels = labels_with([2] * 6)
    sampler = PKSampler(labels, identities=4, images=2, seed=0)
    met = Counter(labels[i] for epoch in range(600) for i in set(sampler.batches(epoch)[0]))
    # 600 x 2/3 x 2 pictures = 800, standard deviation 2 sqrt(600 x 2/3 x 1/3) = 23: five of them.
    assert all(abs(n - 800) < 5 * 23 for n in met.values())
    assert len(met) == 6


def test_fewer_identities_than_a_batch_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="batch of 16 identities was asked for and there are 3"):
        PKSampler([1, 1, 2, 3], identities=16, images=4, seed=0)


@pytest.mark.parametrize(("p", "k"), [(0, 4), (2, 0), (-1, 4)])
def test_an_empty_batch_is_refused(p: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"{p} identities x {k} images was asked for"):
        PKSampler([1, 2], identities=p, images=k, seed=0)
