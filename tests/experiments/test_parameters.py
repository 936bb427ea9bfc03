"""A trial's parameters are data: nothing that they name is imported, unpickled or run."""

import base64
import json
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import nni
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nni.runtime.trial_command_channel import local_legacy
from nni.runtime.trial_command_channel.v3 import TrialCommandChannelV3

from experiments import trial
from experiments.parameters import decode, next_parameters

KEYS = st.sampled_from(
    ["__nni_obj__", "__nni_type__", "__enum__", "__ndarray__", "__set__", "parameters", "a"]
) | st.text(max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


class Manager(Protocol):
    """Takes what a trial sends, and answers with ``text`` as the parameter."""

    text: str
    received: list[dict[str, Any]]


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    class Channel(BaseHTTPRequestHandler):
        text = ""
        received: list[dict[str, Any]] = []  # noqa: RUF012 - one class per test

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.received.append(json.loads(body))
            self.answer(b"")

        def do_GET(self) -> None:
            self.answer(json.dumps({"type": "parameter", "parameter": Channel.text}).encode())

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Channel) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        channel = TrialCommandChannelV3(f"http://127.0.0.1:{server.server_port}/trial")
        monkeypatch.setattr("nni.runtime.trial_command_channel._channel", channel)
        monkeypatch.setattr("nni.trial._params", None)
        yield Channel  # type: ignore[misc]
        server.shutdown()
        thread.join()


class Pickled:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def pickled(folder: Path) -> dict[str, Any]:
    return {"__nni_obj__": base64.b64encode(pickle.dumps(Pickled(folder))).decode()}


def imported(folder: Path) -> dict[str, Any]:
    name = f"made_by_{folder.parent.name}"
    (folder.parent / f"{name}.py").write_text(f"import os\nos.mkdir({str(folder)!r})\nthing = 1\n")
    return {"__nni_type__": f"path:{name}.thing"}


ATTACKS = [pickled, imported]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_would_run_code_under_nni_arrives_as_it_was_sent(
    attack: Any, manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    folder = tmp_path / "made"
    parameters = {"seed": attack(folder)}
    manager.text = json.dumps({"parameter_id": 0, "parameters": parameters})
    assert next_parameters() == parameters
    assert not folder.exists()
    nni.get_next_parameter()  # so that the line above can fail
    assert folder.exists()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("where", ["value", "whole"])
def test_a_trial_refuses_it_in_one_sentence(
    attack: Any,
    where: str,
    manager: Manager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    payload = attack(tmp_path / "made")
    record = {"parameter_id": 0, "parameters": {"seed": payload}}
    manager.text = json.dumps(record if where == "value" else payload)
    assert trial.main(["--recipe", "quickstart"]) == 1
    assert not (tmp_path / "made").exists()
    words = (tmp_path / "failed" / "error.txt").read_text()
    assert words.count("\n") == 1
    assert next(iter(payload)) in words
    assert capsys.readouterr().err.endswith(words)


def test_metrics_are_booked_on_the_parameters_read(manager: Manager) -> None:
    manager.text = json.dumps({"parameter_id": 7, "parameters": {"seed": 3}})
    assert next_parameters() == {"seed": 3} == nni.get_current_parameter()
    nni.report_final_result(0.5)
    asked, reported = manager.received
    assert asked == {"type": "request_parameter"}
    assert json.loads(reported["metric"])["parameter_id"] == 7


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_any_object_is_read_as_json_reads_it(parameters: dict[str, Any]) -> None:
    assert decode(json.dumps({"parameters": parameters}))["parameters"] == parameters


@pytest.mark.parametrize(
    "text", ["", "3", "[]", "null", "{", "{}", '{"parameters": 3}', "[" * 100_000]
)
def test_anything_else_is_refused_in_one_sentence(text: str, manager: Manager) -> None:
    manager.text = text
    loaders = nni.load, local_legacy.load
    with pytest.raises(ValueError, match=r"^NNI sent this trial .{2,210}, but a JSON object with"):
        next_parameters()
    assert (nni.load, local_legacy.load) == loaders


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # NNI leaves it open
def test_the_older_channel_of_reused_machines_reads_plain_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = local_legacy.trial_env_vars._replace(
        NNI_SYS_DIR=str(tmp_path), NNI_OUTPUT_DIR=str(tmp_path)
    )
    monkeypatch.setattr(local_legacy, "trial_env_vars", variables)
    channel = local_legacy.LocalLegacyTrialCommandChannel()
    monkeypatch.setattr("nni.runtime.trial_command_channel._channel", channel)
    monkeypatch.setattr("nni.trial._params", None)
    parameters = {"seed": pickled(tmp_path / "made")}
    with (tmp_path / "parameter.cfg").open("w") as file:
        json.dump({"parameter_id": 0, "parameters": parameters}, file)
    assert next_parameters() == parameters
    assert not (tmp_path / "made").exists()
    channel._metric_file.close()
