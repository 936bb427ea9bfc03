"""A command ends with a status that says how it went, and with one sentence if it went wrong."""

import os
import signal
import subprocess
import sys

import pytest

from experiments.command import told


def fails() -> int:
    raise ValueError("It is not there: name another.")


def is_stopped() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("given", "status"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_the_status_is_what_the_work_gave(given: int | None, status: int) -> None:
    assert told(lambda: given) == status


def test_a_failure_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(fails) == 1
    assert capsys.readouterr() == ("", "It is not there: name another.\n")


def test_an_interrupted_command_says_by_what(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert told(is_stopped, stopped="; no file was written") == 128 + 15
    assert capsys.readouterr() == ("", "Stopped by SIGTERM; no file was written.\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_measured_needs_neither_nni_nor_lightning() -> None:
    code = """
import sys
sys.modules["nni"] = sys.modules["pytorch_lightning"] = None
from experiments import cost_run, evaluate_run, export_run, score_run
"""
    subprocess.run([sys.executable, "-c", code], check=True)
