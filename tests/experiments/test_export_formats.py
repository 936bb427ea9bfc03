"""A file of any format computes what the network does, for any batch, and names no place."""

import sys
from functools import cache
from pathlib import Path

import jaxtyping
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

import nas_space
from experiments.export_formats import FORMATS, OPSET, require_packages
from experiments.export_graph import Colours, Precision, ship
from nas_space.genotype import FIXED
from nas_space.inference import IMAGENET
from nas_space.interactions import INTERACTIONS
from nas_space.networks import Blueprint
from nas_space.peers import PEERS, VisionTransformer

COLOURS = Colours(IMAGENET["mean"], IMAGENET["std"])
IMAGES = torch.rand(7, 3, 32, 16, generator=torch.Generator().manual_seed(0))


class Slot(nn.Module):
    """An interaction between two maps of four channels, of which different things are told."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.enter, self.slot = nn.Conv2d(3, 8, 3), INTERACTIONS[name](4)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 8"]:
        a, b = self.enter(images).chunk(2, dim=1)
        a, b = self.slot((a, b))
        return torch.cat([a.mean(dim=(2, 3)), b.amax(dim=(2, 3))], dim=1)


def interacting(part: nn.Module) -> None:
    """Give cross attentions a part, which at the start they have not."""
    for name, parameter in part.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)


@cache
def content_of(
    name: str, file_format: str, *, precision: Precision = "32"
) -> tuple[bytes, torch.Tensor]:
    """A file of an untrained network, and the network's own features."""
    genotype = FIXED.get(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Blueprint(
            name if genotype is None else "msinet",
            genotype,
            height=32,
            width=16,
            channel_factor=0.125,
            depths=(1, 1),
        ).build()
    if isinstance(network, VisionTransformer):  # twelve blocks of a kind: two tell as much
        network.encoder.layers = network.encoder.layers[:2]
    interacting(network)
    network.train()(COLOURS.normalise(IMAGES))
    with torch.no_grad():
        expected = network.eval()(COLOURS.normalise(IMAGES))
    shipped = ship(network, height=32, width=16, colours=COLOURS, precision=precision)
    written = FORMATS[file_format].convert(shipped, torch.zeros(2, 3, 32, 16), OPSET)
    return written('{"a": 1}'), expected


def agrees(content: bytes, expected: torch.Tensor, file_format: str, folder: Path) -> float:
    """Largest difference, seven pictures at a time and one by one."""
    file = folder / "network"
    file.write_bytes(content)
    run = FORMATS[file_format].open(file)
    together = run(IMAGES)
    alone = torch.cat([run(image) for image in torch.split(IMAGES, 1)])
    assert together.dtype == torch.float32
    assert together.shape == expected.shape
    return float(torch.stack([(got - expected).abs().max() for got in (together, alone)]).max())


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("name", INTERACTIONS)
def test_every_interaction_survives(name: str, file_format: str, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        slot = Slot(name).eval()
    interacting(slot)
    written = FORMATS[file_format].convert(slot, torch.zeros(2, 3, 32, 16), OPSET)
    with torch.no_grad():
        expected = slot(IMAGES)
    assert agrees(written("{}"), expected, file_format, tmp_path) < 1e-5


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_network_of_all_interactions_survives(file_format: str, tmp_path: Path) -> None:
    assert set(FIXED["msinet_msmt17"].slots.values()) == set(INTERACTIONS)
    content, expected = content_of("msinet_msmt17", file_format)
    assert agrees(content, expected, file_format, tmp_path) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("name", sorted(set(PEERS) - {"resnet101"}))  # as resnet50, but longer
def test_every_peer_survives(
    name: str, file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # sizes are tensors in TorchScript's tracing, which the tests' check of types does not know
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", file_format == "torchscript")
    content, expected = content_of(name, file_format)
    assert agrees(content, expected, file_format, tmp_path) < 1e-5


@pytest.mark.parametrize("file_format", FORMATS)
def test_half_precision_is_half_as_large_and_nearly_the_same(
    file_format: str, tmp_path: Path
) -> None:
    content, expected = content_of("mobilenet_v3", file_format, precision="16")
    assert len(content) < 0.6 * 4 * 2_971_952
    assert 1e-6 < agrees(content, expected, file_format, tmp_path) < 5e-3


@pytest.mark.parametrize("file_format", FORMATS)
def test_no_place_of_this_machine_is_in_a_file(file_format: str) -> None:
    content, _ = content_of("msinet_msmt17", file_format)
    for module in (nas_space, torch):
        assert module.__file__ is not None
        folder = str(Path(module.__file__).parents[1])
        assert folder.encode() not in content
    assert b'{"a": 1}' in content or b'"{\\"a' in content


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ValueError, match=r"onnxscript.*pip install 'nni-reid\[export\]'\.$"):
        require_packages("onnx")
    require_packages("pt2")
