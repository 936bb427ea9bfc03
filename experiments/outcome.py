"""What a command prints of a run that is over: its scores, its files, and what comes next."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.kept import BEST, LAST
from experiments.progress import EPOCHS_FILE
from experiments.table import RESULT_FILE, Result, table
from reid_data.layout import in_words

TEST_FILE = "test.json"

_WHICH = {"best": BEST, "last": LAST}

_WITHOUT = " (without the local head, from which no class is told)"

_ALSO = (TEST_FILE, RESULT_FILE, "genotype.json", "network.svg", "alpha.png", "recipe.json")


def run_words(result: Result, folder: Path, *, called: str) -> str:
    """Which network was tested on what, its scores, where its files lie, and how to look at it.

    Args:
        result: of the run.
        folder: of the run.
        called: what the table calls the first column.
    """
    test = json.loads((folder / TEST_FILE).read_text(encoding="utf-8"))
    file, names = _WHICH[test["network"]], [target["dataset"] for target in test["targets"]]
    told = _epochs(folder)
    head = (
        f"Tested {_network(file, told)} on {in_words(names)} by the {test['feature']!r} feature;"
        " scores in percent:"
    )
    data = [word for name in names for word in ("--data", name)]
    following = ["evaluate", "--checkpoint", str(folder / file), *data]
    return "\n".join(
        [head, table([result], called=called), "", _files(folder, told), _next(following)]
    )


def pretraining_words(result: Mapping[str, Any], folder: Path, network: Sequence[str]) -> str:
    """What a pre-training reached, where its files lie, and how a training begins with it.

    Args:
        result: what ``metrics.json`` holds.
        folder: of the run.
        network: the option of a command line that names the network.
    """
    known = {
        "network": str(result["network"]),
        "seed": str(result["seed"]),
        "pictures": f"{result['pictures']}, {result['classes']:,} classes",
        "best epoch": f"{result['epoch']} of {len(_epochs(folder))}",
        "loss": f"{result['loss']:.3f}",
        **{
            shown: f"{100 * result[name]:.2f} % of the pictures of val"
            for name, shown in (("top1", "top-1"), ("top5", "top-5"))
            if name in result
        },
        "parameters": f"{result['parameters']:,}{_WITHOUT if result['genotype'] else ''}",
        "MACs": f"{result['macs']:,}",
        "minutes": f"{result['minutes']:.1f}",
        **({"genotype": result["genotype"]} if result["genotype"] else {}),
    }
    lines = [f"{name:<10}  {value}" for name, value in known.items()]
    following = [
        *("train", "--recipe", "RECIPE", *network),
        *("--weights", str(folder / BEST), "--out", "FOLDER"),
    ]
    return "\n".join([*lines, "", _files(folder, _epochs(folder)), _next(following)])


def _epochs(folder: Path) -> list[dict[str, Any]]:
    """What is said of each epoch of the training, in order."""
    lines = (folder / EPOCHS_FILE).read_text(encoding="utf-8").splitlines()
    return [told for line in lines if (told := json.loads(line))["stage"] == "retrain"]


def _network(file: str, told: Sequence[Mapping[str, Any]]) -> str:
    """A network's file with the epoch that it is of."""
    last = told[-1]["epoch"]
    best = max(epoch["epoch"] for epoch in told if epoch["best"])
    if file == LAST or best == last:
        return f"{file} (epoch {last}, the last)"
    scored = next((name for epoch in told for name in epoch["scores"]), None)
    by = "the lowest loss" if scored is None else f"the highest held-out {scored}"
    return f"{file} (epoch {best}, of {by})"


def _files(folder: Path, told: Sequence[Mapping[str, Any]]) -> str:
    networks = [_network(name, told) for name in (BEST, LAST)]
    return f"{folder}: {', '.join([*networks, *(n for n in _ALSO if (folder / n).exists())])}"


def _next(arguments: Sequence[str]) -> str:
    return f"next: {shlex.join(['reid-nas', *arguments])}"
