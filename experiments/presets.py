"""Fields of a recipe that belong together, by one name."""

from collections.abc import Mapping, Sequence
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "data.held_out": 0.0,
        "space.cell_width": "out",
        "memory.initialisation": "centroids",
        "iteration.first": "weights",
        "iteration.leak": False,
        "iteration.skip_first": False,
        "search.genotype": "last",
    },
    "authors_code": {
        "data.held_out": 0.0,
        "space.cell_width": "in",
        "memory.initialisation": "zeros",
        "iteration.first": "architecture",
        "iteration.leak": True,
        "iteration.skip_first": True,
        "search.genotype": "second_last",
    },
    "sam_authors_code": {
        "retrain.alignment.mode": "pos_neg",
        "retrain.alignment.orientation": "other",
        "retrain.alignment.self_pairs": True,
    },
    "in_domain_features": {
        "retrain.triplet_on": "pooled",
        "retrain.feature": "pooled",
    },
    "bn_features": {
        "retrain.triplet_on": "normalised",
        "retrain.feature": "normalised",
    },
}
"""Name -> dotted field name -> value.

``paper`` and ``authors_code`` are TCM as the paper has it, and as its authors' code does (decision
19). Recipes follow the paper by themselves and hold out a tenth of the identities, which neither
paper nor code does: naming the preset takes them back into the search.

``sam_authors_code`` is the spatial alignment of the authors' code (decision 34), with all pairs
unless a mode is set beside it.

``in_domain_features`` and ``bn_features`` are MSINet's two choices of what an image is described
by: what the heads pool, or what their necks make of it, which the authors' code has for other
domains. The triplet loss sees what is scored.
"""


def presets_in(named: Any) -> tuple[str, ...]:
    """The presets whose names stand in ``A+B``; none in None.

    Raises:
        ValueError: if there is no such preset.
    """
    if named is None:
        return ()
    presets = named.split("+") if isinstance(named, str) else [named]
    for preset in presets:
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ValueError(f"No preset {preset!r}: expected one of {', '.join(PRESETS)}.")
    return tuple(presets)


def fields_of(presets: Sequence[str]) -> dict[str, Any]:
    """Dotted field name -> value of all presets together, whose order is of no account.

    Raises:
        ValueError: if two set a field differently.
    """
    fields: dict[str, Any] = {}
    for preset in presets:
        for field, value in PRESETS[preset].items():
            if fields.setdefault(field, value) != value:
                raise ValueError(
                    f"The presets {'+'.join(presets)} set the field '{field}' to {fields[field]!r}"
                    f" and to {value!r}: join presets that agree."
                )
    return fields
