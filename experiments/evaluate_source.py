"""Which file is evaluated: one that a training wrote, or one that was exported."""

from pathlib import Path

from experiments.describes import Describes
from experiments.device import Asks, device_of
from experiments.evaluate_network import Checkpoint
from experiments.exported import Exported, is_exported
from nas_space.heads import Feature


def open_source(file: Path, *, feature: Feature | None, asking: Asks) -> Describes:
    """Open a file by what is in it; an exported one in its own runtime, without the network.

    Args:
        file: of a training, or of ``reid-nas export``.
        feature: what describes a picture, or None for what the file says.
        asking: for a device.

    Raises:
        ValueError: if there is no such file, it is something else, its runtime is missing, or it
            cannot do what is asked of it.
    """
    if not is_exported(file):
        return Checkpoint.open(file, feature=feature, device=device_of(asking))
    if asking.device == "cuda":
        raise ValueError(
            f"The device 'cuda' was asked for, and {file.name} is an exported file, which is scored"
            " on the processor: take 'auto' or 'cpu', or give the checkpoint it was made of."
        )
    exported = Exported.load(file)
    own = exported.about.feature
    if feature not in (None, own):
        raise ValueError(
            f"The feature {feature!r} was asked for, and all that {file.name} gives is {own!r}:"
            f" leave --feature out, or export the checkpoint with --feature {feature}."
        )
    return exported


def with_maps(source: Describes) -> Checkpoint:
    """What activation maps can be taken of.

    Raises:
        ValueError: if it is an exported file.
    """
    if not isinstance(source, Checkpoint):
        raise ValueError(
            f"--maps-html needs the maps within a network, and {source.about.file.name} is an"
            " exported file, which gives features alone: give the checkpoint it was made of."
        )
    return source
