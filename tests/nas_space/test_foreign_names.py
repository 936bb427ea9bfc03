"""Weights of MSINet's authors find their places: the network computes what theirs would."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nas_space.checkpoints import load_foreign
from nas_space.genotype import FIXED, MSI_SLOTS, PUBLISHED, Genotype
from nas_space.heads import EmbeddingNetwork
from nas_space.interactions import INTERACTIONS
from nas_space.msinet import MSINet

GENOTYPE = PUBLISHED["msinet_msmt17"]
CELLS = (0, 1, 3, 4, 6, 7)
"""Places of the six cells in the authors' list, which holds the two reductions too."""

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

# The authors' names and shapes ------------------------------------------------------------------


def normalisation(name: str, channels: int) -> Shapes:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (channels,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


def convolution(name: str, inputs: int, outputs: int, kernel: int = 1) -> Shapes:
    weight = {f"{name}.conv.weight": (outputs, inputs, kernel, kernel)}
    return weight | normalisation(f"{name}.bn", outputs)


def light(name: str, channels: int) -> Shapes:
    weights = {f"{name}.conv1.weight": (channels, channels, 1, 1)}
    weights |= {f"{name}.conv2.weight": (channels, 1, 3, 3)}
    return weights | normalisation(f"{name}.bn", channels)


def slot(name: str, candidate: str, channels: int) -> Shapes:
    hidden = max(1, channels // 16)
    if candidate == "cross_attention":
        return {f"{name}.gamma": (1,)}
    if candidate != "channel_gate":
        return {}
    return {
        f"{name}.fc1.weight": (hidden, channels, 1, 1),
        f"{name}.fc1.bias": (hidden,),
        f"{name}.fc2.weight": (channels, hidden, 1, 1),
        f"{name}.fc2.bias": (channels,),
    }


def cell_shapes(name: str, inputs: int, outputs: int, first: str, second: str) -> Shapes:
    mid = outputs // 4
    shapes = slot(f"{name}._op2", first, mid) | slot(f"{name}._op3", second, mid)
    for branch in "ab":
        shapes |= convolution(f"{name}.conv1{branch}", inputs, mid)
        shapes |= convolution(f"{name}.conv4{branch}", mid, outputs)
    for stack in ("conv2", "conv3"):
        shapes |= light(f"{name}.{stack}a", mid)
        for place in range(3):
            shapes |= light(f"{name}.{stack}b.{place}", mid)
    return shapes | (
        convolution(f"{name}.downsample", inputs, outputs) if inputs != outputs else {}
    )


def backbone_shapes(genotype: Genotype, scale: float = 1.0) -> Shapes:
    channels = [round(scale * c) for c in (64, 256, 384, 512)]
    names = list(genotype.slots.values())
    shapes = convolution("conv1", 3, channels[0], 7)
    for number, place in enumerate(CELLS):
        stage, second = divmod(number, 2)
        inputs, outputs = channels[stage + second], channels[stage + 1]
        shapes |= cell_shapes(f"cells.{place}", inputs, outputs, *names[2 * number :][:2])
    for place, outputs in ((2, channels[1]), (5, channels[2])):
        shapes |= convolution(f"cells.{place}.0", outputs, outputs)
    return shapes


def global_shapes(scale: float = 1.0, classes: int = 1000) -> Shapes:
    channels = round(scale * 512)
    shapes = normalisation("head", channels) | {"fc.weight": (channels, channels)}
    return shapes | {"classifier.weight": (classes, channels), "classifier.bias": (classes,)}


def local_shapes(scale: float = 1.0, classes: int = 751) -> Shapes:
    middle, local = round(scale * 384), round(scale * 128)
    return {
        "f_conv.weight": (local, middle, 1, 1),
        "f_conv.bias": (local,),
        **normalisation("f_head", 2 * local),
        "f_fc.weight": (2 * local, 2 * local),
        "f_classifier.weight": (classes, 2 * local),
        "f_classifier.bias": (classes,),
    }


SAM_SHAPES: Shapes = {
    f"align_module.pos_pam.{part}_conv.{kind}": shape
    for part in ("query", "key")
    for kind, shape in (("weight", (64, 512, 1, 1)), ("bias", (64,)))
}


def drawn(shapes: Shapes, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            values = 0.5 + values.abs()
        state[name] = values if shape else torch.tensor(7)
    return state


def written(folder: Path, weights: State) -> Path:
    torch.save({"state_dict": weights}, folder / "msinet_msmt.pth.tar")
    return folder / "msinet_msmt.pth.tar"


# The authors' network, written from its description by its names ---------------------------------


def bn(w: State, name: str, x: Tensor) -> Tensor:
    mean, var, weight, bias = (
        w[f"{name}.{kind}"].reshape(-1, *[1] * (x.ndim - 2))
        for kind in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def conv(w: State, name: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    x = F.conv2d(x, w[f"{name}.conv.weight"], stride=stride, padding=padding)
    return bn(w, f"{name}.bn", x)


def light_conv(w: State, name: str, x: Tensor) -> Tensor:
    x = F.conv2d(x, w[f"{name}.conv1.weight"])
    x = F.conv2d(x, w[f"{name}.conv2.weight"], padding=1, groups=x.shape[1])
    return bn(w, f"{name}.bn", x).relu()


def interact(w: State, name: str, candidate: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    def gated(x: Tensor) -> Tensor:
        g = F.conv2d(x.mean((2, 3), keepdim=True), w[f"{name}.fc1.weight"], w[f"{name}.fc1.bias"])
        g = F.conv2d(g.relu(), w[f"{name}.fc2.weight"], w[f"{name}.fc2.bias"])
        return g.sigmoid() * x

    def attended(own: Tensor, other: Tensor) -> Tensor:
        rows = []
        for x, y in zip(own.flatten(2), other.flatten(2), strict=True):
            energy = x @ y.T
            rows.append((energy.max(1, keepdim=True).values - energy).softmax(1) @ x)
        return w[f"{name}.gamma"] * torch.stack(rows).view_as(own) + own

    if candidate == "channel_gate":
        return gated(a), gated(b)
    if candidate == "cross_attention":
        return attended(a, b), attended(b, a)
    return (b, a) if candidate == "exchange" else (a, b)


def cell(w: State, name: str, x: Tensor, first: str, second: str) -> Tensor:
    a, b = conv(w, f"{name}.conv1a", x).relu(), conv(w, f"{name}.conv1b", x).relu()
    for stack, op, candidate in (("conv2", "_op2", first), ("conv3", "_op3", second)):
        a = light_conv(w, f"{name}.{stack}a", a)
        for place in range(3):
            b = light_conv(w, f"{name}.{stack}b.{place}", b)
        a, b = interact(w, f"{name}.{op}", candidate, a, b)
    shortcut = conv(w, f"{name}.downsample", x) if f"{name}.downsample.conv.weight" in w else x
    return (conv(w, f"{name}.conv4a", a) + conv(w, f"{name}.conv4b", b) + shortcut).relu()


def authors_features(w: State, genotype: Genotype, images: Tensor) -> list[Tensor]:
    """``v``, ``n``, ``f_v`` and ``n_f`` of the authors' network."""
    x = F.max_pool2d(conv(w, "conv1", images, stride=2, padding=3).relu(), 3, 2, padding=1)
    names = list(genotype.slots.values())
    for number, place in enumerate(CELLS):
        x = cell(w, f"cells.{place}", x, *names[2 * number :][:2])
        if place in (1, 4):
            x = F.avg_pool2d(conv(w, f"cells.{place + 1}.0", x).relu(), 2)
        if place == 4:
            f = F.conv2d(x, w["f_conv.weight"], w["f_conv.bias"])
    v, half = x.mean((2, 3)), f.shape[2] // 2
    f_v = torch.cat([f[:, :, :half].mean((2, 3)), f[:, :, half:].mean((2, 3))], dim=1)
    n, n_f = bn(w, "head", v @ w["fc.weight"].T), bn(w, "f_head", f_v @ w["f_fc.weight"].T)
    return [v, n, f_v, n_f]


def ours(network: EmbeddingNetwork, images: Tensor) -> Iterator[Tensor]:
    with torch.no_grad():
        for head in network.heads(images):
            yield from head


def mixed(seed: int) -> Genotype:
    """Any candidate anywhere."""
    names = sorted(INTERACTIONS)
    places = torch.randint(len(names), (12,), generator=torch.Generator().manual_seed(seed))
    return Genotype("msi", {s: names[i] for s, i in zip(MSI_SLOTS, places, strict=True)})


@pytest.mark.parametrize("genotype", [*FIXED.values(), mixed(0), mixed(1), mixed(2)], ids=str)
def test_the_network_computes_what_the_authors_would_with_the_same_file(
    tmp_path: Path, genotype: Genotype
) -> None:
    shapes = backbone_shapes(genotype, 0.25) | global_shapes(0.25) | local_shapes(0.25)
    weights, network = drawn(shapes), MSINet(genotype, width=0.25).double().eval()
    matched = load_foreign(network, written(tmp_path, weights))
    assert not matched.missing
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 64, 32, generator=generator, dtype=torch.float64)
    for mine, theirs in zip(
        ours(network, images), authors_features(weights, genotype, images), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-7)


# What is matched --------------------------------------------------------------------------------


def test_the_published_names_hold_the_published_number_of_parameters() -> None:
    shapes = backbone_shapes(GENOTYPE) | global_shapes() | local_shapes()
    counted = [
        torch.Size(shape).numel()
        for name, shape in shapes.items()
        if "classifier" not in name and name.endswith(("weight", "bias", "gamma"))
    ]
    assert sum(counted) == 2_328_035


def test_imagenet_weights_fill_everything_but_the_local_branch(tmp_path: Path) -> None:
    weights = drawn(backbone_shapes(GENOTYPE) | global_shapes())
    network = MSINet(GENOTYPE)
    before = network.local_head.fc.weight.clone()
    matched = load_foreign(network, written(tmp_path, weights))
    assert matched.unexpected == ("classifier.bias", "classifier.weight")
    assert matched.missing == (
        "local_head.bn.bias",
        "local_head.bn.running_mean",
        "local_head.bn.running_var",
        "local_head.bn.weight",
        "local_head.fc.weight",
        "reduce.bias",
        "reduce.weight",
    )
    assert len(matched.matched) == len(weights) - 2
    assert torch.equal(network.local_head.fc.weight, before)
    stem = weights["conv1.conv.weight"].float()
    assert torch.equal(network.backbone.state_dict()["stem.0.weight"], stem)


def test_a_trained_model_fills_everything_and_its_alignment_is_left_out(tmp_path: Path) -> None:
    shapes = backbone_shapes(GENOTYPE) | global_shapes(classes=751) | local_shapes() | SAM_SHAPES
    matched = load_foreign(MSINet(GENOTYPE), written(tmp_path, drawn(shapes)), "msinet_authors")
    assert not matched.missing
    classifiers = {
        f"{name}.{kind}" for name in ("classifier", "f_classifier") for kind in ("weight", "bias")
    }
    assert set(matched.unexpected) == classifiers | set(SAM_SHAPES)


def test_a_slot_that_holds_something_else_is_listed_on_both_sides(tmp_path: Path) -> None:
    slots = dict(GENOTYPE.slots) | {"cell0_slot0": "cross_attention"}
    weights = drawn(backbone_shapes(GENOTYPE) | global_shapes() | local_shapes())
    matched = load_foreign(MSINet(Genotype("msi", slots)), written(tmp_path, weights))
    assert matched.missing == ("backbone.cells.0.slot0.gamma",)
    assert "cells.0._op2.fc1.weight" in matched.unexpected
    assert "cells.0._op2.fc1.weight" in str(matched)
