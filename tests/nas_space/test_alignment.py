"""SAM's penalty is the mean cosine distance of attention maps, as its formula says."""

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from nas_space.alignment import AlignmentMode, Orientation, SpatialAlignment, shared_activation

IDENTITIES = st.lists(st.integers(0, 3), min_size=1, max_size=7).map(torch.tensor)
MODES: tuple[AlignmentMode, ...] = ("pos", "neg", "pos_neg")


def noise(pictures: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(pictures, 8, 3, 2, generator=generator)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a, b, dim=0)


def as_defined(
    module: SpatialAlignment, maps: Tensor, identity: Tensor, orientation: str, self_pairs: bool
) -> Tensor:
    """The formula, picture by picture and position by position."""
    x = maps.flatten(2).transpose(1, 2)
    q, k = (conv(maps).flatten(2).transpose(1, 2) for conv in (module.query, module.key))
    everyone = range(len(x))

    def a(i: int, j: int) -> Tensor:
        if orientation == "other":
            i, j = j, i
        return torch.stack([max(p @ other for other in x[j]) for p in x[i]])

    pull, push = [], []
    for i in everyone:
        own = torch.stack([max(p @ other for other in k[i]) for p in q[i]])
        alike = [j for j in everyone if identity[j] == identity[i] and (self_pairs or j != i)]
        others = [j for j in everyone if identity[j] != identity[i]]
        pairs = [(m, n) for m in others for n in others if self_pairs or m != n]
        if alike:
            pull.append(torch.stack([1 - cosine(own, a(i, j)) for j in alike]).mean())
        if pairs:
            push.append(torch.stack([1 - cosine(a(i, m), a(i, n)) for m, n in pairs]).mean())
    terms = [("pos", pull), ("neg", push)]
    means = [torch.stack(term).mean() for name, term in terms if name in module.mode and term]
    return torch.stack(means).sum() if means else torch.zeros(())


@given(
    IDENTITIES,
    st.sampled_from(MODES),
    st.sampled_from(("own", "other")),
    st.booleans(),
    st.integers(0, 99),
)
def test_it_is_the_formula_for_any_number_of_pictures_of_an_identity(
    identity: Tensor, mode: AlignmentMode, orientation: Orientation, self_pairs: bool, seed: int
) -> None:
    module = SpatialAlignment(8, mode=mode, orientation=orientation, self_pairs=self_pairs)
    maps = noise(len(identity), seed)
    expected = as_defined(module, maps, identity, orientation, self_pairs)
    torch.testing.assert_close(module(maps, identity), expected, atol=1e-5, rtol=1e-4)


def test_shared_activation_by_hand() -> None:
    # two channels: picture 0 has positions (1, 0) and (0, 2), picture 1 has (3, 1) and (-1, 0)
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[3.0, 1.0], [-1.0, 0.0]]])
    a = shared_activation(x.transpose(1, 2)[..., None])
    # position 0 of picture 0: products with picture 1 are 3 and -1; position 1: 2 and 0
    assert a[0, 1].tolist() == [3.0, 2.0]
    # position 0 of picture 1: products with picture 0 are 3 and 2; position 1: -1 and 0
    assert a[1, 0].tolist() == [3.0, 0.0]


@pytest.mark.parametrize("cells", [1, 500, 1 << 24])
def test_its_gradient_is_that_of_the_products_whatever_is_held_at_a_time(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas_space.alignment._BLOCK_CELLS", cells)
    mine, plain = (noise(5).double().requires_grad_() for _ in range(2))
    weights = torch.randn(5, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    x = plain.flatten(2)
    products = torch.einsum("icp,jcq->ijpq", x, x).amax(dim=3)
    (shared_activation(mine) * weights).sum().backward()  # type: ignore[no-untyped-call]
    (products * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad, plain.grad)


@given(st.permutations(range(6)), st.sampled_from(MODES))
def test_the_order_of_a_batch_does_not_matter(order: list[int], mode: AlignmentMode) -> None:
    module, maps, identity = (
        SpatialAlignment(8, mode=mode),
        noise(6),
        torch.tensor([0, 0, 0, 1, 1, 2]),
    )
    torch.testing.assert_close(module(maps[order], identity[order]), module(maps, identity))


def test_pictures_that_are_looked_at_alike_cost_nothing() -> None:
    """All positions of every picture hold one vector, so that every map is even."""
    maps = noise(1)[:, :, :1, :1].expand(4, 8, 3, 2)
    loss = SpatialAlignment(8, mode="neg")(maps, torch.tensor([0, 1, 2, 3]))
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_a_batch_without_pairs_costs_nothing_and_still_has_a_gradient_to_give() -> None:
    maps = noise(2).requires_grad_()
    SpatialAlignment(8)(maps, torch.tensor([0, 1])).backward()
    assert maps.grad is not None
    assert not maps.grad.any()


def test_both_halves_of_the_learned_activation_learn() -> None:
    module = SpatialAlignment(8, mode="pos")
    module(noise(4), torch.tensor([0, 0, 1, 1])).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_among_strangers_alone_the_learned_activation_is_not_asked_for_and_does_not_learn() -> None:
    module = SpatialAlignment(8, mode="neg")
    maps = noise(6).requires_grad_()
    module(maps, torch.tensor([0, 0, 1, 1, 2, 2])).backward()
    assert maps.grad is not None
    assert maps.grad.any()
    assert all(parameter.grad is None for parameter in module.parameters())


def test_it_has_the_published_number_of_parameters() -> None:
    # two convolutions of 512 -> 64 with bias: 2 * (512 * 64 + 64) = 65,664
    assert sum(p.numel() for p in SpatialAlignment(512).parameters()) == 65_664


@pytest.mark.parametrize(
    ("mode", "channels", "words"), [("none", 8, "'none'"), ("pos", 7, "8 are needed")]
)
def test_what_cannot_be_aligned_is_refused(
    mode: Literal["none", "pos"], channels: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        SpatialAlignment(channels, mode=mode)
