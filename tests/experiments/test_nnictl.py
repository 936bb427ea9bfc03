"""``nnictl`` gets the words as they were typed; only ``create`` is checked, and at its own risk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import nnictl
from experiments.preflight import examination as preflight

Calls = list[tuple[object, ...]]


class BecameError(Exception):
    """The process became this command."""


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is checked, successfully; becoming another command raises."""
    calls: Calls = []

    def passes(*arguments: object) -> int:
        calls.append(arguments)
        return 0

    def become(_path: str, command: list[str], environment: dict[str, str]) -> None:
        assert "guard.cjs" in environment["NODE_OPTIONS"]
        raise BecameError(*command[len(nnictl.NNICTL) :])

    monkeypatch.setattr(preflight, "passes", passes)
    monkeypatch.setattr(os, "execve", become)
    return calls


def became(*argv: str) -> tuple[str, ...]:
    with pytest.raises(BecameError) as error:
        nnictl.main(argv)
    return error.value.args


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--help"],
        ["stop", "--all"],
        ["view", "create", "--port", "x"],
        ["resume", "abc", "--no-preflight"],
        ["create", "--help"],
        ["create", "--config", "a.yml", "-h"],
        ["create"],
    ],
)
def test_other_commands_are_passed_on_unread(argv: list[str], checked: Calls) -> None:
    assert became(*argv) == tuple(argv)
    assert checked == []


@pytest.mark.parametrize(
    ("argv", "file", "port"),
    [
        (["--config", "a.yml"], "a.yml", 8080),
        (["-c", "a.yml", "-p", "81"], "a.yml", 81),
        (["--debug", "--conf=a.yml", "-u", "x", "--port=81", "-f"], "a.yml", 81),
    ],
)
def test_an_experiment_is_checked_before_it_is_created(
    argv: list[str], file: str, port: int, checked: Calls
) -> None:
    assert became("create", *argv) == ("create", *argv)
    assert checked == [(Path(file), port)]


@pytest.mark.parametrize("word", ["--no-preflight", "--no-pre", "--no", "--n"])
def test_the_way_past_the_checks_is_not_passed_on_however_it_is_shortened(
    word: str, checked: Calls
) -> None:
    assert became("create", word, "-c", "a.yml") == ("create", "-c", "a.yml")
    assert checked == []


def test_what_is_not_short_for_the_way_past_the_checks_is_passed_on(checked: Calls) -> None:
    argv = ("create", "-c", "a.yml", "--", "--no-preflights", "-n", "")
    assert became(*argv) == argv
    assert checked == [(Path("a.yml"), 8080)]


@pytest.mark.parametrize("status", [1, 2])
def test_nothing_is_created_where_something_stands_in_the_way(
    status: int, checked: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "passes", lambda *_: status)
    assert nnictl.main(["create", "-c", "a.yml"]) == status
    assert checked == []


def test_a_port_that_is_no_number_is_a_wrong_command_line(
    checked: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        nnictl.main(["create", "-c", "a.yml", "--port", "x"])
    assert end.value.code == 2
    assert "argument --port/-p: invalid int value: 'x'" in capsys.readouterr().err
    assert checked == []


def test_ctrl_c_during_the_checks_is_one_sentence(
    checked: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "passes", lambda *_: signal.raise_signal(signal.SIGINT))
    assert nnictl.main(["create", "-c", "a.yml"]) == 130
    assert capsys.readouterr().err == "Stopped by SIGINT; nothing was started.\n"
    assert checked == []


def test_the_command_starts_without_the_heavy_packages() -> None:
    heavy = "('torch', 'nni', 'pandas', 'numpy', 'yaml')"
    script = f"import sys, experiments.nnictl; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
