"""What the README's section "From Python" shows works as it stands, in a process of its own.

Its blocks are run as scripts in an empty folder with a home of its own; only the port is another.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any

import nni
import psutil
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import TPE, Random, RegularizedEvolution, Strategy

from nas_space.genotype import MSI_SLOTS, Genotype
from nas_space.interactions import INTERACTIONS
from nas_space.msinet_space import MSINetSpace
from reid_data.randomness import generator_of

ROOT = Path(__file__).resolve().parents[2]
PORT = "8080"
LINES = 15


def blocks() -> list[str]:
    """The Python of the README's section, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## From Python\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def block(mark: str) -> str:
    """The one block with the words ``mark`` in it."""
    (found,) = (one for one in blocks() if mark in one)
    return found


@contextmanager
def started(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The script in an empty folder and an empty home; nothing of it is left running."""
    work, home = folder / "work", folder / "home"
    work.mkdir()
    home.mkdir()
    (folder / "script.py").write_text(script, encoding="utf-8")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    hidden = ("NODE_OPTIONS", "XDG_CACHE_HOME", "REID_NNI_BIND", "REID_NNI_GUARD")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        [sys.executable, str(folder / "script.py")],
        cwd=work,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    family = [psutil.Process(process.pid)]
    try:
        yield process
    finally:
        if process.poll() is None:
            family += family[0].children(recursive=True)
            process.send_signal(signal.SIGINT)
            psutil.wait_procs(family, timeout=20)
        for member in family:
            if member.is_running():
                member.kill()
        process.communicate()


def output(script: str, folder: Path) -> tuple[str, str]:
    """What the script says on both streams, having ended well."""
    with started(script, folder) as process:
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    return out, err


def free_port() -> str:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def listens_on(process: subprocess.Popen[str], port: str) -> set[str]:
    """The addresses on which any process of the script has the port open, once one has."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        found = set()
        for member in psutil.Process(process.pid).children(recursive=True):
            try:
                connections = member.net_connections(kind="inet")
            except psutil.Error:  # it has ended meanwhile
                continue
            found |= {
                one.laddr.ip
                for one in connections
                if one.status == psutil.CONN_LISTEN and str(one.laddr.port) == port
            }
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"No process of the script opened port {port}.")


def shown(what: str) -> str:
    return f'\nimport json\nprint("shown", json.dumps({what}))\n'


def read(out: str) -> Any:
    (line,) = (line for line in out.splitlines() if line.startswith("shown "))
    return json.loads(line.removeprefix("shown "))


@pytest.mark.slow
def test_fifteen_lines_search_with_tcm_and_lead_to_a_network(tmp_path: Path) -> None:
    search, network = block("ReidEvaluator("), block("MSINet(Genotype")
    assert len([line for line in search.splitlines() if line.strip()]) <= LINES
    features = "list(network(__import__('torch').zeros(2, 3, 64, 32)).shape)"
    out, err = output(search + network + shown(f"[slots, {features}]"), tmp_path)
    slots, shape = read(out)
    assert Genotype("msi", slots).slots.keys() == set(MSI_SLOTS)
    assert shape == [2, 192]
    epochs = [line.split() for line in out.splitlines() if not line.startswith("shown ")]
    assert [epoch for epoch, _ in epochs] == ["1", "2"]
    assert all(0 < float(mAP) <= 1 for _, mAP in epochs)
    assert "training_service" not in out + err
    assert not any((tmp_path / "work").iterdir())
    assert (tmp_path / "home" / "nni-experiments").is_dir()


@pytest.mark.slow
def test_tcm_searches_a_space_of_nnis_hub_with_a_foreign_evaluator(tmp_path: Path) -> None:
    script = block("NasBench201(")
    out, _ = output(script + shown("experiment.strategy.probabilities()"), tmp_path)
    probabilities = read(out)
    assert list(probabilities) == sorted(probabilities)
    assert len(probabilities) == 6
    for slot in probabilities.values():
        assert sum(slot.values()) == pytest.approx(1)
    assert not any((tmp_path / "work").iterdir())


@pytest.mark.slow
def test_the_manager_of_an_experiment_in_python_is_on_loopback_if_guarded(tmp_path: Path) -> None:
    script, port = block("guard()"), free_port()
    script = script.replace(f"port={PORT}", f"port={port}")
    script += shown("experiment.export_top_models(formatter='dict')")
    with started(script, tmp_path) as process:
        assert listens_on(process, port) == {"127.0.0.1"}
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    (slots,) = read(out)
    assert Genotype("msi", slots).slots.keys() == set(MSI_SLOTS)


@pytest.mark.slow
def test_and_on_every_interface_if_not(tmp_path: Path) -> None:
    script, port = block("guard()"), free_port()
    unguarded = re.sub(r"^guard\(\)$", "", script, flags=re.MULTILINE)
    assert unguarded != script
    with started(unguarded.replace(f"port={PORT}", f"port={port}"), tmp_path) as process:
        assert listens_on(process, port) <= {"::", "0.0.0.0"}


def trained(network: torch.nn.Module) -> None:
    """A step on noise; the first loss is the result."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    feature = network(torch.randn(4, 3, 32, 16, generator=generator_of(0)))
    loss = feature.square().mean()
    loss.backward()
    optimiser.step()
    nni.report_final_result(-loss.item())


@pytest.mark.parametrize(
    "strategy",
    [Random(), RegularizedEvolution(population_size=2, sample_size=1), TPE()],
    ids=["random", "evolution", "tpe"],
)
def test_nnis_own_strategies_train_networks_of_the_space(
    strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each network has in its slots what its sample says, and the best one comes first."""
    monkeypatch.setattr("nni.trial._params", None)
    space = SimplifiedModelSpace.from_model(MSINetSpace(width=0.125), FunctionalEvaluator(trained))
    strategy(space, SequentialExecutionEngine(max_model_count=3))
    models = list(strategy.list_models(limit=3))
    assert len(models) == 3
    metrics = [model.metric for model in models]
    assert metrics == sorted(metrics, reverse=True)
    for model in models:
        genotype, network = Genotype("msi", model.sample), model.executable_model()
        for label, name in genotype.slots.items():
            cell, slot = label.split("_")
            found = getattr(network.backbone.cells[int(cell.removeprefix("cell"))], slot)
            assert type(found) is type(INTERACTIONS[name](8))
