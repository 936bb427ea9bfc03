"""What can be searched, and the networks that are found.

``Embedder``, ``load_network`` and ``keep_large_blocks`` can be imported from here; torch is
imported when they are.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_space.inference import Embedder as Embedder
    from nas_space.networks import load_network as load_network
    from nas_space.speed import keep_large_blocks as keep_large_blocks

_HOMES = {
    "Embedder": "nas_space.inference",
    "keep_large_blocks": "nas_space.speed",
    "load_network": "nas_space.networks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
