"""Batch normalisations of a network that is only used, folded into the layers before them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# B pictures, C channels, H x W pixels

_Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
_Normalisation = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def fold_normalisations(network: nn.Module, images: Float[Tensor, "B C H W"]) -> int:
    r"""Fold batch normalisations into convolutions and linear layers, in place, where it is exact.

    In evaluation mode both are affine, and so is one behind the other:

    .. math:: \gamma \frac{(W x + b) - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta = W' x + b'

    It is exact where the normalisation has running statistics and sees the output of one layer
    that nothing else sees, each of them once in a pass. All others stay as they are, as do
    normalisations by the picture's own statistics (instance and layer normalisation).

    Args:
        network: in evaluation mode; its numbers are best in float64, in which they are multiplied.
        images: any, of the network's size and type: one pass shows what feeds what.

    Returns:
        How many were folded.
    """
    pairs = list(_pairs(network, images))
    for layer, norm in pairs:
        _replace(network, layer, _fused(layer, norm))
        _replace(network, norm, nn.Identity())
    return len(pairs)


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module:
    fuse: Any = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
    fused: nn.Module = fuse(layer, norm)
    return fused


def _replace(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    names = [name for name, part in network.named_modules(remove_duplicate=False) if part is old]
    for name in names:
        network.set_submodule(name, new)


class _Uses(TorchFunctionMode):
    """Counts what takes a tensor and gives tensors; a look at a shape is no use."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[int] = Counter()
        self._kept: list[Tensor] = []  # so that no two tensors have one id

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(found)):
            taken = {id(x): x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
            self.count.update(taken.keys())
            self._kept.extend(taken.values())
        return found


class _Call:
    """Tensors that went into a layer and came out of it, one entry per call."""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def __call__(self, _part: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        self.inputs.append(given[0])
        self.outputs.append(found)


def _pairs(
    network: nn.Module, images: Float[Tensor, "B C H W"]
) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Layers and the normalisations to be folded into them."""
    layers = [part for part in network.modules() if _is_layer(part)]
    norms = [part for part in network.modules() if _is_fixed(part)]
    calls = {part: _Call() for part in (*layers, *norms)}
    with ExitStack() as hooks, torch.no_grad(), _Uses() as uses:
        for part, call in calls.items():
            hooks.enter_context(part.register_forward_hook(call))
        network(images)
    made = {id(calls[layer].outputs[0]): layer for layer in layers if _once(calls[layer])}
    for norm in norms:
        if not _once(calls[norm]):
            continue
        seen = calls[norm].inputs[0]
        layer = made.get(id(seen))
        if layer is not None and uses.count[id(seen)] == 1 and _over_channels(layer, seen):
            yield layer, norm


def _is_layer(part: nn.Module) -> bool:
    return isinstance(part, _Convolution | nn.Linear)


def _is_fixed(part: nn.Module) -> bool:
    """Whether it is affine: its statistics are not those of the batch."""
    return isinstance(part, _Normalisation) and part.running_mean is not None and not part.training


def _once(call: _Call) -> bool:
    return len(call.outputs) == 1


def _over_channels(layer: nn.Module, seen: Tensor) -> bool:
    """Whether the normalised axis, the second, is the one along which the layer's weights lie."""
    return not isinstance(layer, nn.Linear) or seen.ndim == 2
