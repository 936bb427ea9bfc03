"""A network's file is enough to have the very network again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_space.genotype import MSI_SLOTS, PUBLISHED, Genotype
from nas_space.heads import EmbeddingNetwork
from nas_space.interactions import INTERACTIONS
from nas_space.msinet import MSINet
from nas_space.networks import (
    FORMAT,
    Blueprint,
    load_network,
    network_from,
    read_network,
    save_network,
)
from nas_space.speed import channels_last
from nas_space.torch_file import read_tensors, write_tensors

EMPTY: dict[str, Any] = {"blueprint": {}, "weights": {}, "info": {}}
MSI = Blueprint(genotype=PUBLISHED["msinet_msmt17"], height=64, width=32, channel_factor=0.25)

GENOTYPES = st.tuples(*[st.sampled_from(sorted(INTERACTIONS))] * len(MSI_SLOTS)).map(
    lambda names: Genotype("msi", dict(zip(MSI_SLOTS, names, strict=True)))
)
BLUEPRINTS = st.one_of(
    st.builds(
        Blueprint,
        genotype=GENOTYPES,
        height=st.integers(1, 999),
        width=st.integers(1, 999),
        feature=st.sampled_from(("pooled", "normalised")),
        channel_factor=st.floats(0.1, 4),
        depths=st.tuples(st.integers(1, 4), st.integers(1, 4)),
        local_branch=st.booleans(),
        subtract=st.booleans(),
        residual_start=st.sampled_from(("one", "zero")),
        cell_width=st.sampled_from(("out", "in")),
    ),
    st.builds(Blueprint, network=st.sampled_from(("resnet50", "vit_tiny")), genotype=st.none()),
)


def seeded(blueprint: Blueprint, seed: int = 0) -> EmbeddingNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return blueprint.build()


def pictures(blueprint: Blueprint) -> torch.Tensor:
    shape = (2, 3, blueprint.height, blueprint.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@given(BLUEPRINTS)
def test_a_blueprint_survives_json(blueprint: Blueprint) -> None:
    assert Blueprint.from_dict(json.loads(json.dumps(blueprint.to_dict()))) == blueprint


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"local_branch": False},
        {"feature": "normalised"},
        {"depths": (2, 1)},
        {"subtract": False},
        {"residual_start": "zero", "cell_width": "in"},
    ],
)
def test_a_blueprint_builds_the_network_it_describes(changes: dict[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        by_hand = MSINet(PUBLISHED["msinet_msmt17"], width=0.25, **changes).eval()
    built = seeded(replace(MSI, **changes), 3).eval()
    for network in (by_hand, built):
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):  # 0 at the start, where a cross attention does nothing
                torch.nn.init.ones_(parameter)
    assert torch.equal(built(pictures(MSI)), by_hand(pictures(MSI)))


@pytest.mark.parametrize(
    "blueprint",
    [
        MSI,
        replace(MSI, local_branch=False, feature="normalised", residual_start="zero"),
        Blueprint("mobilenet_v3", height=64, width=32),
        Blueprint("vit_tiny", height=64, width=32),
        Blueprint("osnet_x1_0", height=64, width=32),
    ],
)
def test_a_saved_network_is_loaded_to_the_bit(blueprint: Blueprint, tmp_path: Path) -> None:
    network = seeded(blueprint).train()
    network(pictures(blueprint))  # statistics that are not those of the start
    save_network(tmp_path / "n.pt", network, blueprint, info={"epochs": 1})
    random = torch.get_rng_state()
    loaded = load_network(tmp_path / "n.pt")
    assert torch.equal(torch.get_rng_state(), random)
    assert not loaded.training
    expected = channels_last(network.eval())(pictures(blueprint))
    assert torch.equal(loaded(pictures(blueprint)), expected)
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {name for name, p in loaded.named_parameters() if not p.requires_grad}
    assert read_network(tmp_path / "n.pt").blueprint == blueprint


def test_the_feature_can_be_chosen_when_loading(tmp_path: Path) -> None:
    save_network(tmp_path / "n.pt", seeded(MSI), MSI)
    assert load_network(tmp_path / "n.pt").feature == "pooled"
    loaded = load_network(tmp_path / "n.pt", feature="normalised")
    heads = loaded.heads(pictures(MSI))
    together = torch.cat([out.normalised for out in heads], dim=1)
    expected = torch.nn.functional.normalize(together, dim=1)
    torch.testing.assert_close(loaded(pictures(MSI)), expected)


def test_the_same_network_makes_the_same_file_in_either_memory_format(tmp_path: Path) -> None:
    save_network(tmp_path / "a.pt", seeded(MSI), MSI)
    other = channels_last(seeded(MSI))
    save_network(tmp_path / "b.pt", other, MSI)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_the_info_comes_back_as_plain_values(tmp_path: Path) -> None:
    info = {"trained_on": "x", "metrics": {"mAP": np.float64(0.25)}, "mean": (0.5, 0.25, 0.125)}
    save_network(tmp_path / "n.pt", seeded(MSI), MSI, info=info)
    read = read_network(tmp_path / "n.pt").info
    assert read == {"trained_on": "x", "metrics": {"mAP": 0.25}, "mean": [0.5, 0.25, 0.125]}
    assert type(read["metrics"]["mAP"]) is float


def test_info_that_is_not_plain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="what JSON has not"):
        save_network(tmp_path / "n.pt", seeded(MSI), MSI, info={"a": torch.zeros(1)})


def test_saving_draws_no_random_number_and_builds_no_second_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the network that the shapes are compared with, no weight takes memory."""
    network, built, build = MSI.build(), list[str](), Blueprint.build

    def looked(blueprint: Blueprint) -> EmbeddingNetwork:
        other = build(blueprint)
        built.extend(parameter.device.type for parameter in other.parameters())
        return other

    monkeypatch.setattr(Blueprint, "build", looked)
    state = torch.get_rng_state()
    save_network(tmp_path / "n.pt", network, MSI)
    assert torch.equal(torch.get_rng_state(), state)
    assert set(built) == {"meta"}


def test_a_network_is_not_saved_with_another_ones_blueprint(tmp_path: Path) -> None:
    for other in (
        replace(MSI, channel_factor=0.5),
        replace(MSI, local_branch=False),
        replace(MSI, genotype=Genotype("msi", dict.fromkeys(MSI_SLOTS, "none"))),
    ):
        with pytest.raises(ValueError, match="keep a network with the blueprint that built it"):
            save_network(tmp_path / "n.pt", seeded(MSI), other)
    assert not list(tmp_path.iterdir())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_network(tmp_path / "n.pt", seeded(MSI), MSI)
    saved = read_network(tmp_path / "n.pt")
    del saved.weights["global_head.fc.weight"]
    with pytest.raises(ValueError, match=r"1 weights .*global_head\.fc\.weight is missing"):
        network_from(saved)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": {}}, "not a network of this project"),
        ({"format": FORMAT, "version": 1}, "not a network of this project"),
        ({"format": FORMAT, "version": 2, **EMPTY}, "version 2"),
        ({"format": FORMAT, "version": 1, **EMPTY}, "has the fields"),
    ],
)
def test_a_file_of_something_else_is_refused(
    content: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write_tensors(tmp_path / "n.pt", content)
    with pytest.raises(ValueError, match=words):
        load_network(tmp_path / "n.pt")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"network": "resnet51"}, "Unknown network 'resnet51'"),
        ({}, "msinet was asked for without a genotype"),
        ({"network": "resnet50", "genotype": PUBLISHED["msinet_msmt17"]}, "with a genotype"),
        ({"network": "resnet50", "height": 0}, "0 x 128 pixels"),
    ],
)
def test_a_blueprint_of_no_network_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Blueprint(**fields)


@pytest.mark.parametrize(
    "damage", [{"blueprint": None}, {"weights": None}, {"info": None}, {"weights": [1]}]
)
def test_a_damaged_network_is_called_one(damage: dict[str, Any], tmp_path: Path) -> None:
    save_network(tmp_path / "n.pt", seeded(MSI), MSI)
    write_tensors(tmp_path / "n.pt", read_tensors(tmp_path / "n.pt") | damage)
    with pytest.raises(ValueError, match=r"^n\.pt is a damaged network of this project"):
        load_network(tmp_path / "n.pt")
