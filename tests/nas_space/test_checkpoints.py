"""A file of other authors is read without running it, and what became of each name is said."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nas_space.checkpoints import load_foreign
from nas_space.genotype import PUBLISHED
from nas_space.msinet import MSINet
from nas_space.networks import Blueprint, save_network
from nas_space.peers import PEERS

GENOTYPE = PUBLISHED["msinet_msmt17"]

FEW: dict[str, Tensor] = {
    "conv1.conv.weight": torch.rand(16, 3, 7, 7, generator=torch.Generator().manual_seed(0)),
    "cells.0.conv1a.conv.weight": torch.zeros(16, 16, 1, 1),
    "cells.0.conv1a.bn.num_batches_tracked": torch.tensor(7),
    "classifier.weight": torch.zeros(5, 128),
}
"""Some names of the authors of MSINet, with the shapes of a quarter of its width."""


def small() -> MSINet:
    return MSINet(GENOTYPE, width=0.25)


def written(folder: Path, content: Mapping[Any, Any], name: str = "msinet_msmt.pth.tar") -> Path:
    torch.save(dict(content), folder / name)
    return folder / name


# What is matched --------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
def test_every_name_of_file_and_network_is_accounted_for(
    prefix: str, wrapped: bool, zipped: bool, tmp_path: Path
) -> None:
    weights = {prefix + name: tensor for name, tensor in FEW.items()}
    content = {"state_dict": weights, "epoch": 3} if wrapped else weights
    torch.save(content, tmp_path / "f.pth.tar", _use_new_zipfile_serialization=zipped)
    network = small()
    matched, missing, unexpected, resized = load_foreign(network, tmp_path / "f.pth.tar")
    assert matched == (
        "backbone.cells.0.enter_a.0.weight",
        "backbone.cells.0.enter_a.1.num_batches_tracked",
        "backbone.stem.0.weight",
    )
    assert (unexpected, resized) == (("classifier.weight",), ())
    counters = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
    assert set(missing) == network.state_dict().keys() - set(matched) - counters
    assert torch.equal(network.backbone.get_parameter("stem.0.weight"), FEW["conv1.conv.weight"])


def test_the_lists_can_be_read_by_a_person(tmp_path: Path) -> None:
    lines = str(load_foreign(small(), written(tmp_path, FEW))).splitlines()
    assert lines[0].startswith("matched (3): backbone.cells.0.enter_a.0.weight, ")
    assert lines[1].startswith("missing (")
    assert lines[2] == "unexpected (1): classifier.weight"


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_torchvisions_resnet_becomes_the_peer(name: str, tmp_path: Path) -> None:
    import torchvision

    with torch.random.fork_rng(devices=[]):
        theirs = getattr(torchvision.models, name)(weights=None).eval()
        mine = PEERS[name](height=64, width=32).eval()
    matched = load_foreign(mine, written(tmp_path, theirs.state_dict(), f"{name}-0676ba61.pth"))
    assert matched.unexpected == ("fc.bias", "fc.weight")
    assert {missing.rpartition(".")[0] for missing in matched.missing} == {"head.bn"}
    theirs.layer4[0].conv2.stride = theirs.layer4[0].downsample[0].stride = (1, 1)
    theirs.fc = torch.nn.Identity()
    images = torch.randn(1, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(mine.heads(images)[0].pooled, theirs(images))


def test_torchvisions_mobilenet_becomes_the_peer(tmp_path: Path) -> None:
    """Its pooled map is what its own classifier would see."""
    from torchvision.models import mobilenet_v3_large

    with torch.random.fork_rng(devices=[]):
        theirs = mobilenet_v3_large(weights=None).eval()
        mine = PEERS["mobilenet_v3"](height=64, width=32).eval()
    file = written(tmp_path, theirs.state_dict(), "mobilenet_v3_large-8738ca79.pth")
    matched = load_foreign(mine, file)
    assert {name.partition(".")[0] for name in matched.unexpected} == {"classifier"}
    assert {missing.rpartition(".")[0] for missing in matched.missing} == {"head.bn"}
    images = torch.randn(1, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = theirs.avgpool(theirs.features(images)).flatten(1)
        torch.testing.assert_close(mine.heads(images)[0].pooled, seen)


# What is refused --------------------------------------------------------------------------------


def refused(folder: Path, content: Mapping[str, Any], words: str) -> None:
    """It is, in one sentence, and the network stays as it was."""
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match=words) as error:
        load_foreign(network, written(folder, content))
    assert str(folder) not in str(error.value)
    assert all(torch.equal(tensor, before[n]) for n, tensor in network.state_dict().items())


def test_tensors_of_another_shape_are_named(tmp_path: Path) -> None:
    weights = FEW | {"conv1.conv.weight": torch.zeros(64, 3, 7, 7)}
    shapes = r"conv1\.conv\.weight \[64, 3, 7, 7\] for backbone\.stem\.0\.weight \[16, 3, 7, 7\]"
    refused(tmp_path, weights, rf"^1 tensors have another shape than their place: {shapes};")


def test_a_file_for_another_network_is_refused(tmp_path: Path) -> None:
    weights = {"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}
    refused(tmp_path, weights, "None of the 1 names")


def test_names_of_another_layout_than_the_one_asked_for_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, FEW)
    with pytest.raises(ValueError, match=r"None of the \d+ names in msinet_msmt\.pth\.tar has"):
        load_foreign(small(), file, "torchvision_resnet50")


def test_names_of_no_known_layout_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, {"blocks.0.w": torch.zeros(1)}, r"no known layout, such as blocks\.0\.w")


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, {"epoch": 3}, {1: torch.zeros(1)}])
def test_a_file_without_a_state_dict_is_refused(content: dict[Any, Any], tmp_path: Path) -> None:
    refused(tmp_path, content, "holds no state dict")


def test_a_pickle_that_needs_more_than_tensors_is_refused(tmp_path: Path) -> None:
    content = {"state_dict": FEW, "args": Namespace(lr=0.1)}
    refused(tmp_path, content, "could run anything")


def test_a_file_of_this_project_is_sent_to_its_own_reader(tmp_path: Path) -> None:
    blueprint = Blueprint(genotype=GENOTYPE, channel_factor=0.25)
    save_network(tmp_path / "best.pt", blueprint.build(), blueprint)
    with pytest.raises(ValueError, match="read it with load_network"):
        load_foreign(small(), tmp_path / "best.pt")


def test_a_file_of_a_deeper_network_is_refused(tmp_path: Path) -> None:
    """All that a ResNet-50 needs is in a ResNet-101, whose third stage goes on behind it."""
    import torchvision

    with torch.device("meta"):
        names = torchvision.models.resnet101(weights=None).state_dict()
    weights = {name: torch.zeros(tensor.shape) for name, tensor in names.items()}
    network = PEERS["resnet50"](height=64, width=32)
    before = network.get_parameter("backbone.conv1.weight").clone()
    words = r"^resnet101\.pth holds \d+ weights of a backbone .* such as layer3\.10\.bn1\.bias: "
    with pytest.raises(ValueError, match=words):
        load_foreign(network, written(tmp_path, weights, "resnet101.pth"))
    assert torch.equal(network.get_parameter("backbone.conv1.weight"), before)
