"""Speed changes no result: maps come in channels-last order, and large blocks stay."""

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from nas_space.genotype import PUBLISHED
from nas_space.msinet import MSINet
from nas_space.networks import Blueprint, load_network, save_network
from nas_space.speed import channels_last, keep_large_blocks

GENOTYPE = PUBLISHED["msinet_msmt17"]
IMAGES = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))

ALLOCATING = """
import resource
from nas_space.speed import keep_large_blocks

if {kept}:
    assert keep_large_blocks()
bytearray(64 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(64 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def orders(network: nn.Module, images: Tensor) -> list[bool]:
    """Of every map that a convolution gives with several channels and positions: channels-last?"""
    found: list[bool] = []

    def look(_: nn.Module, __: tuple[Tensor, ...], seen: Tensor) -> None:
        if min(seen.shape[1:]) > 1:
            found.append(seen.is_contiguous(memory_format=torch.channels_last))

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(look)
    with torch.inference_mode():
        network(images)
    return found


def test_maps_are_in_channels_last_order_whatever_the_images_are() -> None:
    network = MSINet(GENOTYPE, width=0.25).eval()
    assert not any(orders(network, IMAGES))
    assert all(orders(channels_last(network), IMAGES))


def test_the_network_of_a_file_computes_in_that_order(tmp_path: Path) -> None:
    blueprint = Blueprint(genotype=GENOTYPE, channel_factor=0.25)
    save_network(tmp_path / "n.pt", blueprint.build(), blueprint)
    assert all(orders(load_network(tmp_path / "n.pt"), IMAGES))


def test_the_order_changes_no_feature() -> None:
    network = MSINet(GENOTYPE, width=0.25).eval().double()
    with torch.inference_mode():
        expected = network(IMAGES.double())
        torch.testing.assert_close(channels_last(network)(IMAGES.double()), expected)


def page_faults(*, kept: bool) -> int:
    """Of ten blocks of 64 MiB, each given back before the next is asked for."""
    code = ALLOCATING.format(kept=kept)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_kept_block_is_not_faulted_in_again() -> None:
    assert page_faults(kept=True) * 10 < page_faults(kept=False)


def test_another_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert not keep_large_blocks()


@pytest.mark.parametrize(("accepts", "asked"), [((0,), 1), ((1, 0), 2), ((1, 1, 1), 3)])
def test_an_allocator_that_refuses_is_asked_for_nothing_more(
    accepts: tuple[int, ...], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A glibc before 2.35 refuses the threshold; each further setting would make it slower."""
    answers, names = iter(accepts), []

    def mallopt(name: int, _: int) -> int:
        names.append(name)
        return next(answers)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    assert keep_large_blocks() == (0 not in accepts)
    assert (len(names), names[0]) == (asked, -3)  # M_MMAP_THRESHOLD


def test_a_library_without_settings_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not keep_large_blocks()
