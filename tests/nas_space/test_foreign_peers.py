"""Published weights of OSNet and of a small vision transformer: ours computes what theirs would."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nas_space.checkpoints import load_foreign
from nas_space.peers import PEERS, VisionTransformer


class Weights:
    """A state dict that is drawn as a network asks for it, each tensor under its own name."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, name: str, *shape: int, at: float = 0.0, spread: float = 0.3) -> Tensor:
        if name not in self.state:
            drawn = torch.rand(shape, generator=self._generator, dtype=torch.float64)
            self.state[name] = at + spread * (2 * drawn - 1)
        return self.state[name]

    def file(self, folder: Path, *, under: str | None = None) -> Path:
        torch.save(self.state if under is None else {under: self.state}, folder / "theirs.pth")
        return folder / "theirs.pth"


def images(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)


# Torchreid's OSNet, from a description by its names ----------------------------------------------


def bn(w: Weights, name: str, x: Tensor) -> Tensor:
    channels = x.shape[1]
    w.state[f"{name}.num_batches_tracked"] = torch.tensor(7)
    mean, bias = w(f"{name}.running_mean", channels), w(f"{name}.bias", channels)
    variance, weight = (w(f"{name}.{n}", channels, at=1.0) for n in ("running_var", "weight"))
    columns = [v.reshape(-1, *[1] * (x.ndim - 2)) for v in (mean, variance, weight, bias)]
    return (x - columns[0]) / (columns[1] + 1e-5).sqrt() * columns[2] + columns[3]


def conv(w: Weights, name: str, x: Tensor, out: int, kernel: int = 1, *, stride: int = 1) -> Tensor:
    weight = w(f"{name}.conv.weight", out, x.shape[1], kernel, kernel)
    return bn(w, f"{name}.bn", F.conv2d(x, weight, stride=stride, padding=kernel // 2))


def light(w: Weights, name: str, x: Tensor) -> Tensor:
    channels = x.shape[1]
    x = F.conv2d(x, w(f"{name}.conv1.weight", channels, channels, 1, 1))
    x = F.conv2d(x, w(f"{name}.conv2.weight", channels, 1, 3, 3), padding=1, groups=channels)
    return bn(w, f"{name}.bn", x).relu()


def gated(w: Weights, name: str, x: Tensor) -> Tensor:
    channels, hidden = x.shape[1], x.shape[1] // 16
    g = x.mean((2, 3), keepdim=True)
    g = F.conv2d(g, w(f"{name}.fc1.weight", hidden, channels, 1, 1), w(f"{name}.fc1.bias", hidden))
    g = F.conv2d(
        g.relu(), w(f"{name}.fc2.weight", channels, hidden, 1, 1), w(f"{name}.fc2.bias", channels)
    )
    return x * g.sigmoid()


def block(w: Weights, name: str, x: Tensor, out: int) -> Tensor:
    entered, seen = conv(w, f"{name}.conv1", x, out // 4).relu(), torch.tensor(0.0)
    for depth, letter in enumerate("abcd", start=1):
        stream = entered
        for place in range(depth):
            number = "" if depth == 1 else f".{place}"
            stream = light(w, f"{name}.conv2{letter}{number}", stream)
        seen = seen + gated(w, f"{name}.gate", stream)
    shortcut = x if x.shape[1] == out else conv(w, f"{name}.downsample", x, out)
    return (conv(w, f"{name}.conv3", seen, out) + shortcut).relu()


def osnet(w: Weights, x: Tensor) -> Tensor:
    """The feature in evaluation mode, which is what the classifier sees."""
    x = F.max_pool2d(conv(w, "conv1", x, 64, 7, stride=2).relu(), 3, 2, padding=1)
    for stage, out in (("conv2", 256), ("conv3", 384), ("conv4", 512)):
        x = block(w, f"{stage}.1", block(w, f"{stage}.0", x, out), out)
        if stage != "conv4":
            x = F.avg_pool2d(conv(w, f"{stage}.2.0", x, out).relu(), 2)
    v = conv(w, "conv5", x, 512).relu().mean((2, 3))
    v = bn(w, "fc.1", v @ w("fc.0.weight", 512, 512).T + w("fc.0.bias", 512)).relu()
    w("classifier.weight", 1000, 512), w("classifier.bias", 1000)
    return v


def test_torchreids_osnet_becomes_the_peer(tmp_path: Path) -> None:
    weights = Weights()
    expected = osnet(weights, images(64, 32))
    network = PEERS["osnet_x1_0"](height=64, width=32).double().eval()
    matched = load_foreign(network, weights.file(tmp_path))
    assert matched.unexpected == ("classifier.bias", "classifier.weight")
    assert {missing.rpartition(".")[0] for missing in matched.missing} == {"head.bn"}
    assert len(matched.matched) == len(weights.state) - 2
    with torch.no_grad():
        found = network.heads(images(64, 32))[0].pooled
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


# timm's and DeiT's transformer, the same ---------------------------------------------------------


def linear(w: Weights, name: str, x: Tensor, out: int) -> Tensor:
    weight = w(f"{name}.weight", out, x.shape[-1], spread=0.1)
    return x @ weight.T + w(f"{name}.bias", out)


def layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    weight, bias = w(f"{name}.weight", 192, at=1.0), w(f"{name}.bias", 192)
    return (x - mean) / (variance + 1e-6).sqrt() * weight + bias


def attention(w: Weights, name: str, x: Tensor) -> Tensor:
    """Three heads of 64 numbers."""
    B, T, _ = x.shape
    q, k, v = linear(w, f"{name}.qkv", x, 3 * 192).reshape(B, T, 3, 3, 64).permute(2, 0, 3, 1, 4)
    mixed = (q @ k.transpose(2, 3) / 8).softmax(-1) @ v
    return linear(w, f"{name}.proj", mixed.transpose(1, 2).reshape(B, T, 192), 192)


def vit_tiny(w: Weights, x: Tensor) -> Tensor:
    """The class token that the classifier sees."""
    kernel, bias = w("patch_embed.proj.weight", 192, 3, 16, 16), w("patch_embed.proj.bias", 192)
    patches = F.conv2d(x, kernel, bias, stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([w("cls_token", 1, 1, 192).expand(len(x), -1, -1), patches], dim=1)
    x = x + w("pos_embed", 1, x.shape[1], 192)
    for number in range(12):
        name = f"blocks.{number}"
        x = x + attention(w, f"{name}.attn", layer_norm(w, f"{name}.norm1", x))
        hidden = linear(w, f"{name}.mlp.fc1", layer_norm(w, f"{name}.norm2", x), 4 * 192)
        x = x + linear(w, f"{name}.mlp.fc2", F.gelu(hidden), 192)
    w("head.weight", 1000, 192), w("head.bias", 1000)
    return layer_norm(w, "norm", x)[:, 0]


@pytest.mark.parametrize("under", [None, "model"])
def test_the_transformer_of_timm_and_deit_becomes_the_peer(
    under: str | None, tmp_path: Path
) -> None:
    weights = Weights()
    expected = vit_tiny(weights, images(64, 64))
    network = PEERS["vit_tiny"](height=64, width=64).double().eval()
    matched = load_foreign(network, weights.file(tmp_path, under=under))
    assert matched.unexpected == ("head.bias", "head.weight")
    assert {missing.rpartition(".")[0] for missing in matched.missing} == {"head.bn"}
    assert matched.resized == ()
    with torch.no_grad():
        found = network.heads(images(64, 64))[0].pooled
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_positions_of_a_square_picture_are_resized_and_it_is_said(tmp_path: Path) -> None:
    """As the network of that picture sees one of the other size."""
    weights = Weights()
    vit_tiny(weights, images(224, 224)[:1])
    file = weights.file(tmp_path)
    square, tall = (
        PEERS["vit_tiny"](height=height, width=width).double().eval()
        for height, width in ((224, 224), (256, 128))
    )
    assert load_foreign(square, file).resized == ()
    matched = load_foreign(tall, file)
    assert matched.resized == ("encoder.pos_embedding from 14 x 14 to 16 x 8 patches",)
    assert str(matched).splitlines()[-1] == f"resized (1): {matched.resized[0]}"
    with torch.no_grad():
        torch.testing.assert_close(tall(images(256, 128)), square(images(256, 128)))


def test_a_transformer_of_two_tokens_is_refused(tmp_path: Path) -> None:
    weights = Weights()
    vit_tiny(weights, images(32, 32))
    weights.state["pos_embed"] = torch.zeros(1, 2 + 14 * 14, 192)
    network = VisionTransformer(height=64, width=64)
    before = network.patches.weight.clone()
    with pytest.raises(ValueError, match=r"^pos_embed of \[1, 198, 192\] was found: .* distilled"):
        load_foreign(network, weights.file(tmp_path))
    assert torch.equal(network.patches.weight, before)


def test_a_part_that_no_peer_has_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    weights = Weights()
    vit_tiny(weights, images(64, 64))
    scales = {"blocks.0.gamma_1": torch.ones(192), "blocks.0.ls1.gamma": torch.ones(192)}
    weights.state |= scales
    matched = load_foreign(VisionTransformer(height=64, width=64), weights.file(tmp_path))
    assert set(matched.unexpected) == {"head.bias", "head.weight", *scales}


def test_positions_that_fit_are_taken_whatever_their_picture(tmp_path: Path) -> None:
    """Of a transformer that was trained at 64 x 32: eight patches are no square."""
    weights = Weights()
    expected = vit_tiny(weights, images(64, 32))
    network = PEERS["vit_tiny"](height=64, width=32).double().eval()
    assert load_foreign(network, weights.file(tmp_path)).resized == ()
    with torch.no_grad():
        found = network.heads(images(64, 32))[0].pooled
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", [(192,), (1, 1, 192), (2, 197, 192), (1, 197, 384), (1, 0, 192)])
def test_positions_of_any_other_shape_are_refused_by_the_files_own(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    weights = Weights()
    vit_tiny(weights, images(32, 32))
    weights.state["pos_embed"] = torch.zeros(shape)
    with pytest.raises(ValueError, match=re.escape(f"pos_embed of {list(shape)} was found: ")):
        load_foreign(VisionTransformer(height=64, width=64), weights.file(tmp_path))
