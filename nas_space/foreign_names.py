"""What the weights of published files are called here.

Facts: the public code of MSINet (CVPR 2023), and torchvision.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

_CELLS, _REDUCED_AFTER = 6, 2

_OUTSIDE_CELLS = {
    "conv1.conv": "backbone.stem.0",
    "conv1.bn": "backbone.stem.1",
    "head": "global_head.bn",
    "fc": "global_head.fc",
    "f_conv": "reduce",
    "f_head": "local_head.bn",
    "f_fc": "local_head.fc",
}
_CONVOLUTION = {"conv": "0", "bn": "1"}
_LIGHT = {"conv1": "pointwise", "conv2": "depthwise", "bn": "bn"}
_GATE = {"fc1": "squeeze", "fc2": "excite"}
_DEPTH_B = 3


def _modules() -> Mapping[str, str]:
    """Module of the authors' MSINet -> module of ours; classifiers and alignment have none."""
    table = dict(_OUTSIDE_CELLS)
    for cell in range(_CELLS):
        # their list of cells holds the two reductions as well, as numbers 2 and 5
        theirs, ours = f"cells.{cell + cell // _REDUCED_AFTER}", f"backbone.cells.{cell}"
        table |= {f"{theirs}.{t}": f"{ours}.{o}" for t, o in _in_a_cell().items()}
    for down, place in enumerate((2, 5)):
        table |= _parts(f"cells.{place}.0", f"backbone.downs.{down}", _CONVOLUTION)
    return MappingProxyType(table)


def _in_a_cell() -> dict[str, str]:
    table = _parts("downsample", "shortcut", _CONVOLUTION)
    for branch in "ab":
        table |= _parts(f"conv1{branch}", f"enter_{branch}", _CONVOLUTION)
        table |= _parts(f"conv4{branch}", f"leave_{branch}", _CONVOLUTION)
    for theirs, ours in (("conv2", "first"), ("conv3", "second")):
        table |= _parts(f"{theirs}a", f"{ours}_a.0", _LIGHT)
        for place in range(_DEPTH_B):
            table |= _parts(f"{theirs}b.{place}", f"{ours}_b.{place}", _LIGHT)
    for theirs, ours in (("_op2", "slot0"), ("_op3", "slot1")):
        table |= {theirs: ours} | _parts(theirs, ours, _GATE)  # a cross attention has no part
    return table


def _parts(theirs: str, ours: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{theirs}.{t}": f"{ours}.{o}" for t, o in names.items()}


_MODULES = _modules()


def _msinet_name(name: str) -> str | None:
    module, _, kind = name.rpartition(".")
    return f"{_MODULES[module]}.{kind}" if module in _MODULES else None


def _resnet_name(name: str) -> str | None:
    return None if name.startswith("fc.") else f"backbone.{name}"


def _mobilenet_name(name: str) -> str | None:
    return f"backbone.{name.removeprefix('features.')}" if name.startswith("features.") else None


RENAMERS: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {
        "msinet_authors": _msinet_name,
        "torchvision_resnet50": _resnet_name,
        "torchvision_mobilenet_v3": _mobilenet_name,
    }
)
"""Layout -> (name there -> name here, or None where a weight has no counterpart)."""

TELLING: Mapping[str, str] = MappingProxyType(
    {
        "msinet_authors": "cells.0.conv1a.conv.weight",
        "torchvision_resnet50": "layer1.0.conv1.weight",
        "torchvision_mobilenet_v3": "features.4.block.2.fc1.weight",
    }
)
"""Layout -> a name that no other layout has."""
