"""Of a trial's command its Python, its recipe and what it sets are known; no more is guessed."""

import os
import sys
from pathlib import Path

import pytest

from experiments.preflight.trial_command import TrialCommand


@pytest.mark.parametrize(
    ("command", "python", "recipe"),
    [
        ("python -m experiments.trial --recipe quickstart", "python", "quickstart"),
        ("python -m experiments.trial --recipe=vehicles", "python", "vehicles"),
        ("nice -n 5 python3.11 -u -m experiments.trial --recipe a", "python3.11", "a"),
        ("X=1 '/a b/bin/python' -m experiments.trial --recipe a | tee log", "/a b/bin/python", "a"),
        ("python -m experiments.trial", "python", None),
        ("python -m experiments.trial --recipe", "python", None),
        ("python -m experiments.trials --recipe a", "python", None),
        ("python experiments.trial --recipe a", "python", None),
        ("./run.sh", None, None),
        ("", None, None),
    ],
)
def test_a_command_is_understood(command: str, python: str | None, recipe: str | None) -> None:
    found = TrialCommand.parse(command)
    assert (found.python, found.recipe) == (python, recipe)
    assert found.is_ours == ("-m experiments.trial" in command and ".trials" not in command)


def test_only_what_is_set_before_the_module_is_set_for_it() -> None:
    found = TrialCommand.parse("A=1 B='x y' python -m experiments.trial --recipe C=3")
    assert found.settings == {"A": "1", "B": "x y"}


def test_an_open_quote_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="whose quotes do not match: close them"):
        TrialCommand.parse("python 'x")


def test_the_interpreter_is_found_as_a_shell_in_that_folder_would(tmp_path: Path) -> None:
    environment = {"PATH": str(Path(sys.executable).parent)}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)

    def interpreter(word: str) -> str | None:
        return TrialCommand.parse(f"{word} x.py").interpreter(tmp_path, environment)

    assert interpreter("python") == os.path.join(environment["PATH"], "python")
    assert interpreter("bin/python") == f"{tmp_path}/bin/python"
    assert interpreter(sys.executable) == sys.executable
    assert interpreter("./run.sh") is None
    for missing in ("python2.0", "lib/python", "/nowhere/python"):
        with pytest.raises(ValueError, match=f"calls '{missing}', and there is no such program on"):
            interpreter(missing)
