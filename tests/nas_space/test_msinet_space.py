"""NNI's space and the plain network are one network: what is searched is what is trained."""

from typing import get_args

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nas_space.genotype import CANDIDATES, MSI_SLOTS, Genotype
from nas_space.msinet import CellWidth, MSINet
from nas_space.msinet_space import MSINetSpace


@pytest.mark.parametrize(("cell_width", "parameters"), [("out", 1_960_212), ("in", 1_687_590)])
def test_the_supernet_has_the_known_number_of_parameters(
    cell_width: CellWidth, parameters: int
) -> None:
    assert cell_width in get_args(CellWidth)
    space = MSINetSpace(cell_width=cell_width)
    assert sum(p.numel() for p in space.parameters()) == parameters


def test_the_space_has_the_genotypes_slots_and_candidates() -> None:
    mutables = MSINetSpace(width=0.25).simplify()
    assert tuple(mutables) == MSI_SLOTS
    assert {tuple(mutable.values) for mutable in mutables.values()} == {CANDIDATES["msi"]}


genotypes = st.fixed_dictionaries(
    {slot: st.sampled_from(CANDIDATES["msi"]) for slot in MSI_SLOTS}
).map(lambda slots: Genotype("msi", slots))


def turned(by: int) -> Genotype:
    """Of as many turns as there are candidates, each has every candidate of a slot once."""
    names = CANDIDATES["msi"]
    return Genotype("msi", {s: names[(i + by) % len(names)] for i, s in enumerate(MSI_SLOTS)})


@settings(max_examples=12)  # NNI takes a fifth of a second to freeze a space
@given(genotypes)
@example(turned(0))
@example(turned(1))
@example(turned(2))
@example(turned(3))
def test_a_frozen_space_and_the_plain_network_give_the_same_outputs(genotype: Genotype) -> None:
    frozen = MSINetSpace(width=0.25).freeze(dict(genotype.slots)).eval()
    plain = MSINet(genotype, width=0.25).eval()
    weights = {
        name.removeprefix("backbone."): value
        for name, value in frozen.state_dict().items()
        if name.startswith("backbone.")
    }
    plain.backbone.load_state_dict(weights)  # strict: the names are the same as well
    for gamma in (p for name, p in plain.named_parameters() if name.endswith("gamma")):
        torch.nn.init.constant_(gamma, 0.5)
    for gamma in (p for name, p in frozen.named_parameters() if name.endswith("gamma")):
        torch.nn.init.constant_(gamma, 0.5)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        pooled = plain.heads(images)[0].pooled
        assert torch.equal(frozen(images), pooled)
