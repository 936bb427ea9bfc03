"""What the weights of published files are called here.

Facts: the public code of MSINet (CVPR 2023), Torchreid (OSNet), torchvision, and timm, whose names
the authors of DeiT use too.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

Renamer = Callable[[str], str | None]
"""From a name there to the name here, or None where a weight has no counterpart."""

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


def _osnet_modules() -> Mapping[str, str]:
    """Module of Torchreid's OSNet -> module of ours; the classifier has none."""
    table = {"fc.0": "fc.0", "fc.1": "fc.1"}
    table |= _parts("conv1", "backbone.stem", _CONVOLUTION)
    table |= _parts("conv5", "backbone.last", _CONVOLUTION)
    for stage, theirs in enumerate(("conv2", "conv3", "conv4")):
        ours = f"backbone.stages.{stage}"
        for block in "01":
            table |= _parts(f"{theirs}.{block}", f"{ours}.{block}", _in_an_osnet_block())
        if theirs != "conv4":
            table |= _parts(f"{theirs}.2.0", f"{ours}.2", _CONVOLUTION)
    return MappingProxyType(table)


def _in_an_osnet_block() -> dict[str, str]:
    table = _parts("gate", "gate", _GATE)
    for theirs, ours in (("conv1", "enter"), ("conv3", "leave"), ("downsample", "shortcut")):
        table |= _parts(theirs, ours, _CONVOLUTION)
    table |= _parts("conv2a", "streams.0.0", _LIGHT)  # a stream of one has no number there
    for stream, letter in enumerate("bcd", start=1):
        for place in range(stream + 1):
            table |= _parts(f"conv2{letter}.{place}", f"streams.{stream}.{place}", _LIGHT)
    return table


def _from(modules: Mapping[str, str]) -> Renamer:
    """What a table of modules makes of a weight's name."""

    def renamed(name: str) -> str | None:
        module, _, kind = name.rpartition(".")
        return f"{modules[module]}.{kind}" if module in modules else None

    return renamed


def _resnet_name(name: str) -> str | None:
    return None if name.startswith("fc.") else f"backbone.{name}"


def _mobilenet_name(name: str) -> str | None:
    return f"backbone.{name.removeprefix('features.')}" if name.startswith("features.") else None


_VIT = {
    "cls_token": "class_token",
    "pos_embed": "encoder.pos_embedding",
    "patch_embed.proj": "patches",
    "norm": "encoder.ln",
}
_VIT_BLOCK = {
    "norm1": "ln_1",
    "attn.qkv": "self_attention.in_proj_",  # queries, keys and values in one tensor on both sides
    "attn.proj": "self_attention.out_proj",
    "norm2": "ln_2",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.3",
}


def _vit_name(name: str) -> str | None:
    if name in _VIT:
        return _VIT[name]
    module, _, kind = name.rpartition(".")
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", module)
    own = _VIT.get(module) if block is None else _VIT_BLOCK.get(block[2])
    if own is None:
        return None
    place = "" if block is None else f"encoder.layers.encoder_layer_{block[1]}."
    return f"{place}{own}{'' if own.endswith('_') else '.'}{kind}"


RENAMERS: Mapping[str, Renamer] = MappingProxyType(
    {
        "msinet_authors": _from(_modules()),
        "torchreid_osnet": _from(_osnet_modules()),
        "torchvision_resnet50": _resnet_name,
        "torchvision_mobilenet_v3": _mobilenet_name,
        "timm_vit": _vit_name,
    }
)
"""By layout."""

TELLING: Mapping[str, str] = MappingProxyType(
    {
        "msinet_authors": "cells.0.conv1a.conv.weight",
        "torchreid_osnet": "conv2.0.conv2a.conv1.weight",
        "torchvision_resnet50": "layer1.0.conv1.weight",
        "torchvision_mobilenet_v3": "features.4.block.2.fc1.weight",
        "timm_vit": "patch_embed.proj.weight",
    }
)
"""Layout -> a name that no other layout has."""
