"""Cosines are those of the definition, and a vector's do not depend on what is computed with it."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from evaluators import similarity
from evaluators.similarity import Similarity, check_finite, repeated, unit

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
vectors = st.integers(1, 5).flatmap(
    lambda d: st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=1, max_size=6)
)
ONEDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_cosine_worked_by_hand() -> None:
    # (3, 4) and (4, 3) have length 5: (3 4 + 4 3) / (5 5) = 24 / 25
    cosines = Similarity(unit(torch.tensor([[4.0, 3.0], [0.0, 0.0], [-30.0, -40.0]])))
    got = cosines.of(unit(torch.tensor([[3.0, 4.0]])))
    torch.testing.assert_close(got, torch.tensor([[24 / 25, 0.0, -1.0]]))


@given(vectors)
def test_rows_get_length_one_and_keep_their_direction(rows: list[list[float]]) -> None:
    v = torch.tensor(rows, dtype=torch.float32)
    before = v.clone()
    got = unit(v).double()
    assert torch.equal(v, before)
    length = v.double().norm(dim=1, keepdim=True)
    direction = v.double() / length.where(length > 0, 1)
    torch.testing.assert_close(got, direction, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dimensions", [1, 3, 67, 512])
def test_products_are_float32_by_either_library(
    dimensions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, gallery = unit(drawn(20, dimensions)), unit(drawn(130, dimensions, seed=1))
    exact = (query.double() @ gallery.double().T).float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(Similarity(gallery).of(query), exact, rtol=0, atol=5e-7)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        torch.testing.assert_close(Similarity(gallery).of(query), exact, rtol=0, atol=5e-7)


@pytest.mark.parametrize("dimensions", [3, 67, 512])
def test_float16_moves_no_cosine_by_more_than_a_thousandth(dimensions: int) -> None:
    query, gallery = drawn(200, dimensions), drawn(300, dimensions, seed=1)
    got = Similarity(unit(gallery.half())).of(unit(query.half()))
    exact = Similarity(unit(gallery)).of(unit(query))
    assert (got - exact).abs().max() <= 2**-10


@pytest.mark.skipif(not ONEDNN, reason="needs a torch with oneDNN, which keeps this law")
@pytest.mark.parametrize("dimensions", [3, 67, 257, 512, 768, 1000, 1024, 1500])
def test_a_query_has_the_same_bits_in_a_block_of_any_size(dimensions: int) -> None:
    query, gallery = unit(drawn(450, dimensions)), unit(drawn(1003, dimensions, seed=1))
    cosines = Similarity(gallery)
    whole = cosines.of(query)
    for size in (3, 13, 52, 64, 200):
        assert torch.equal(torch.cat([cosines.of(b) for b in torch.split(query, size)]), whole)
    order = torch.randperm(1003, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Similarity(gallery[order]).of(query), whole[:, order])


@pytest.mark.skipif(not ONEDNN, reason="needs a torch with oneDNN, whose product is disturbed")
def test_copies_are_equally_similar_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = F.linear

    def rounding_by_place(query: torch.Tensor, gallery: torch.Tensor) -> torch.Tensor:
        product = linear(query, gallery).to_dense()
        return (product + 1e-7 * torch.arange(product.shape[1])).to_mkldnn()

    monkeypatch.setattr(F, "linear", rounding_by_place)
    gallery = unit(drawn(103, 67))
    gallery[5::7] = gallery[3]
    got = Similarity(gallery).of(unit(drawn(50, 67, seed=1)))
    assert (got[:, 5::7] == got[:, 3:4]).all()


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.0]), min_size=2, max_size=2), max_size=9))
def test_copies_name_the_earliest_equal_row(rows: list[list[float]]) -> None:
    expected = [
        (place, rows.index(row)) for place, row in enumerate(rows) if rows.index(row) < place
    ]
    copies, originals = repeated(torch.tensor(rows, dtype=torch.float32).reshape(-1, 2))
    assert list(zip(copies.tolist(), originals.tolist(), strict=True)) == expected


@given(
    st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.0]), min_size=2, max_size=2), max_size=9),
    st.integers(1, 3),
)
def test_copies_are_found_whatever_rows_share_a_hash(rows: list[list[float]], hashes: int) -> None:
    v = torch.tensor(rows, dtype=torch.float32).reshape(-1, 2)
    expected = repeated(v)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_hashes", lambda v: (v * v).sum(1).long() % hashes)
        got = repeated(v)
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])


def test_hardly_any_different_rows_share_a_hash() -> None:
    assert len(set(similarity._hashes(drawn(5000, 7)).tolist())) == 5000


def test_nobody_asking_and_an_empty_gallery_have_no_cosines() -> None:
    some, none = unit(drawn(4, 3)), unit(drawn(0, 3))
    assert Similarity(some).of(none).shape == (0, 4)
    assert Similarity(none).of(some).shape == (4, 0)


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.float, torch.double])
def test_rows_that_are_not_finite_are_counted_by_kind_and_named(dtype: torch.dtype) -> None:
    v = drawn(30, 4).to(dtype)
    check_finite(v, "gallery")
    v[4, 1], v[4, 2], v[9, 0], v[2, 3] = torch.nan, torch.inf, torch.nan, -torch.inf
    message = (
        r"3 of the 30 gallery vectors are not finite \(2 with NaN, 1 infinite\), in rows 2, 4, 9 "
    )
    with pytest.raises(ValueError, match=message):
        check_finite(v, "gallery")
    v[10:20] = torch.inf
    with pytest.raises(ValueError, match=r"13 of .* in rows 2, 4, 9, 10, 11, \.\.\. counted"):
        check_finite(v, "gallery")
