"""A training begins with weights that are its network's, and says what it did with each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.config import override
from experiments.first_weights import FirstWeights, begin_with, fingerprint
from experiments.recipe import Recipe
from experiments.train import blueprint_of, network_of
from nas_space.genotype import FIXED, Genotype
from nas_space.networks import save_network
from nas_space.peers import VisionTransformer

PUBLISHED, EXCHANGE = FIXED["msinet_msmt17"], FIXED["uniform_exchange"]
PEER = "retrain.network"


def saved(recipe: Recipe, genotype: Genotype | None, file: Path) -> Mapping[str, Tensor]:
    """Weights of a training from another seed."""
    other = override(recipe, {"seed": 7})
    network = network_of(genotype, other)
    save_network(file, network, blueprint_of(genotype, other))
    return network.state_dict()


def begun(recipe: Recipe, genotype: Genotype | None, file: Path) -> tuple[Any, FirstWeights]:
    network = network_of(genotype, recipe)
    return network, begin_with(network, blueprint_of(genotype, recipe), file)


def test_every_weight_of_the_same_network_is_taken(tiny: Recipe, tmp_path: Path) -> None:
    learnt = saved(tiny, PUBLISHED, tmp_path / "a.pt")
    network, weights = begun(tiny, PUBLISHED, tmp_path / "a.pt")
    assert all(torch.equal(value, learnt[name]) for name, value in network.state_dict().items())
    assert weights.matched.matched == tuple(sorted(learnt))
    assert (weights.matched.missing, weights.matched.unexpected, weights.differences) == ((),) * 3


def test_another_genotype_and_subtraction_are_told_slot_by_slot(
    tiny: Recipe, tmp_path: Path
) -> None:
    """Neither exchange nor none has weights, so that the names alone would tell nothing."""
    saved(override(tiny, {"space.subtract": False}), EXCHANGE, tmp_path / "a.pt")
    slots = {**EXCHANGE.slots, "cell2_slot1": "none"}
    _, weights = begun(tiny, Genotype("msi", slots), tmp_path / "a.pt")
    assert weights.matched.missing == weights.matched.unexpected == ()
    assert weights.differences == (
        "subtract: False in the file, True here",
        "cell2_slot1: exchange in the file, none here",
    )
    assert str(weights).endswith("cell2_slot1: exchange in the file, none here")
    assert weights.to_dict()["differences"] == list(weights.differences)


def test_weights_of_an_interaction_may_be_missing(tiny: Recipe, tmp_path: Path) -> None:
    saved(tiny, EXCHANGE, tmp_path / "a.pt")
    _, weights = begun(tiny, PUBLISHED, tmp_path / "a.pt")
    assert weights.matched.missing
    assert all(".slot" in name for name in weights.matched.missing)


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        (
            {PEER: "resnet50"},
            {PEER: "resnet101"},
            r"a\.pt holds weights of resnet50, and resnet101",
        ),
        ({}, {PEER: "osnet_x1_0"}, r"holds weights of msinet, and osnet_x1_0 is trained"),
        ({"space.width": 0.5}, {}, r"weights of a\.pt .* another shape"),
        (
            {"space.depths": (1, 1)},
            {},
            r"^a\.pt lacks \d+ weights of the backbone, such as backbone",
        ),
    ],
)
def test_weights_of_another_network_are_refused(
    tiny: Recipe, tmp_path: Path, theirs: dict[str, Any], ours: dict[str, Any], words: str
) -> None:
    saved(override(tiny, theirs), None if PEER in theirs else PUBLISHED, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=words):
        begun(override(tiny, ours), None if PEER in ours else PUBLISHED, tmp_path / "a.pt")


def test_positions_of_a_transformer_are_resized_and_it_is_said(
    tiny: Recipe, tmp_path: Path
) -> None:
    """As the file's own network sees images of the other size."""
    vit = override(tiny, {PEER: "vit_tiny", "data.height": 64, "data.width": 64})
    saved(vit, None, tmp_path / "a.pt")
    tall = override(vit, {"data.width": 32})
    network, weights = begun(tall, None, tmp_path / "a.pt")
    resized = "encoder.pos_embedding from 4 x 4 to 4 x 2 patches"
    assert (weights.matched.resized, weights.differences) == ((resized,), ())
    assert weights.to_dict()["resized"] == [resized]
    square = network_of(None, override(vit, {"seed": 7}))
    assert isinstance(square, VisionTransformer)
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), square.eval()(images))


def theirs_of(recipe: Recipe, file: Path, *names: str) -> Mapping[str, Tensor]:
    """A ResNet as torchvision calls its parts, or only the names that are listed."""
    weights = network_of(None, recipe).state_dict()
    own = {name.removeprefix("backbone."): value + 1 for name, value in weights.items()}
    kept = {n: own[n] for n in names or own if not n.startswith("head.")}
    torch.save(kept | {"fc.weight": torch.zeros(3, 4)}, file)
    return kept


def test_others_weights_are_read_by_their_own_names(tiny: Recipe, tmp_path: Path) -> None:
    resnet = override(tiny, {PEER: "resnet50"})
    theirs = theirs_of(resnet, tmp_path / "theirs.pth")
    network, weights = begun(resnet, None, tmp_path / "theirs.pth")
    assert weights.matched.unexpected == ("fc.weight",)
    assert all(name.startswith("head.") for name in weights.matched.missing)
    assert torch.equal(network.backbone.conv1.weight, theirs["conv1.weight"])


def test_others_weights_of_next_to_nothing_are_refused(tiny: Recipe, tmp_path: Path) -> None:
    resnet = override(tiny, {PEER: "resnet50"})
    theirs_of(resnet, tmp_path / "theirs.pth", "conv1.weight", "layer1.0.conv1.weight")
    with pytest.raises(ValueError, match=r"^theirs\.pth lacks \d+ weights of the backbone"):
        begun(resnet, None, tmp_path / "theirs.pth")


def test_a_file_is_told_from_another_by_its_content(tmp_path: Path) -> None:
    """The first eight digits of SHA-256 of nothing are e3b0c442."""
    (tmp_path / "a").write_bytes(b"")
    assert fingerprint(tmp_path / "a") == "e3b0c442"
    with pytest.raises(ValueError, match=r"no file .*nowhere"):
        fingerprint(tmp_path / "nowhere")


def test_a_deeper_network_of_this_project_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    saved(override(tiny, {"space.depths": (2, 3)}), PUBLISHED, tmp_path / "a.pt")
    shallow = override(tiny, {"space.depths": (1, 3)})
    with pytest.raises(ValueError, match=r"^a\.pt holds \d+ weights of a backbone .* same depths"):
        begun(shallow, PUBLISHED, tmp_path / "a.pt")


def test_what_is_said_of_it_counts_what_matched_and_lists_the_rest(
    tiny: Recipe, tmp_path: Path
) -> None:
    learnt = saved(tiny, EXCHANGE, tmp_path / "a.pt")
    _, weights = begun(tiny, PUBLISHED, tmp_path / "a.pt")
    first, second, third, *_ = str(weights).splitlines()
    assert (first, second) == ("a.pt:", f"matched ({len(learnt)}), named in weights.json")
    assert third.startswith("missing (")
    assert ".slot" in third
