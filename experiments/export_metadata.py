"""What an exported file says of itself: plain values, and no path."""

from dataclasses import asdict, replace
from typing import Any

from evaluators.thresholds import Thresholds
from experiments.evaluate_network import Checkpoint
from experiments.export_graph import Colours, Precision
from experiments.export_parity import Parity, described
from experiments.exported import FORMAT, VERSION
from experiments.provenance import provenance
from reid_data.records import Protocol, ReidDataset

_ORIGIN = {"package_version": "nni-reid", "commit": "commit", "torch_version": "torch"}
"""Name here -> name in the provenance."""


def of_network(
    checkpoint: Checkpoint, *, file_format: str, colours: Colours, where: str, precision: Precision
) -> dict[str, Any]:
    """What is known before the file was tested.

    Args:
        checkpoint: that is exported, with the feature that is chosen.
        file_format: of the file.
        colours: of the network.
        where: they are normalised, ``"inside"`` or ``"outside"``.
        precision: of the file.
    """
    network = checkpoint.network
    blueprint = replace(checkpoint.blueprint, feature=network.feature).to_dict()
    info = {name: value for name, value in checkpoint.info.items() if name != "normalisation"}
    made = provenance()
    return {
        "format": FORMAT,
        "version": VERSION,
        "file_format": file_format,
        "network": blueprint["network"],
        "genotype": blueprint["genotype"],
        "blueprint": blueprint,
        "input_size": [blueprint["height"], blueprint["width"]],
        "resize": "bilinear, antialiased, to the full size whatever the proportions",
        "batch": "one picture or more",
        "colour_order": "RGB",
        "input_range": "[0, 1]" if where == "inside" else "[0, 1], then normalised",
        "normalisation": {"where": where, "mean": list(colours.mean), "std": list(colours.std)},
        "feature": network.feature,
        "feature_dimension": network.dimensions,
        "precision": precision,
        "training_data": checkpoint.info.get("trained_on"),
        "training": info,
        **{name: made[key] for name, key in _ORIGIN.items()},
    }


def of_test(dataset: ReidDataset, found: Parity) -> dict[str, Any]:
    """What the test of the file found.

    Args:
        dataset: it was tested on.
        found: scores of checkpoint and file.
    """
    return {
        "evaluation_data": dataset.name,
        "protocol": _protocol(dataset.protocol),
        "metrics": described(found.exported, repeats=found.repeats),
        "queries": found.queries,
        "checkpoint_mAP": found.checkpoint["mAP"].mean,
        "largest_cosine_distance": found.difference,
        "thresholds": _thresholds(found.thresholds),
    }


def _protocol(protocol: Protocol) -> dict[str, Any]:
    return asdict(protocol) | {
        "junk": sorted(protocol.junk),
        "distractors": sorted(protocol.distractors),
    }


def _thresholds(found: Thresholds) -> dict[str, Any]:
    return {
        "rates_of": "pairs of a query and a gallery picture",
        "at": [asdict(threshold) for threshold in found.chosen],
        "pairs_of_one_identity": found.genuine,
        "pairs_of_two": found.impostors,
        "resolution": found.resolution,
    }
