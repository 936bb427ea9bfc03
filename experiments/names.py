"""What a command line may name, in a module that takes no time to import.

Recipes, networks and genotypes stand beside code that needs torch. A wrong name is refused before
that is imported; a test holds these lists to what is there.
"""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

RECIPE_NAMES = (
    *("quickstart", "vehicles", "peers", "market1501", "msmt17", "veri776", "vehicleid"),
    *("vehicles_cross_domain", "market1501_cross_domain", "msmt17_cross_domain"),
    *("veri776_cross_domain", "vehicleid_cross_domain", "pretraining"),
)
PEER_NAMES = ("resnet50", "resnet101", "osnet_x1_0", "mobilenet_v3", "vit_tiny")
GENOTYPE_NAMES = (
    *("msinet_msmt17", "uniform_none", "uniform_exchange", "uniform_channel_gate"),
    "uniform_cross_attention",
)


def recipe_name(text: str) -> str:
    """A recipe's name, for argparse."""
    return _one_of(text, RECIPE_NAMES, "recipe")


def peer_name(text: str) -> str:
    """A peer's name, for argparse."""
    return _one_of(text, PEER_NAMES, "network", "; MSINet is trained by --genotype")


def genotype_name(text: str) -> str:
    """A genotype's name or file, for argparse."""
    if Path(text).is_file():
        return text
    return _one_of(text, GENOTYPE_NAMES, "genotype", ", or give the genotype.json of a search")


def meant(text: str, names: Sequence[str]) -> str:
    """The nearest name as a question, or nothing where none is near.

    Example:
        >>> meant("evaluat", ["train", "evaluate"])
        "did you mean 'evaluate'? "
    """
    near = get_close_matches(text, names, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def _one_of(text: str, names: Sequence[str], what: str, else_: str = "") -> str:
    if text not in names:
        raise argparse.ArgumentTypeError(
            f"there is no {what} {text!r}: {meant(text, names)}take one of"
            f" {', '.join(names)}{else_}."
        )
    return text
