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
        ("time -p env A=1 python3 -m experiments.trial --recipe a", "python3", "a"),
        ("timeout 3h python -m experiments.trial --recipe a>log", "python", "a"),
        ("cd x&&python -m experiments.trial --recipe a;echo --recipe b", "python", "a"),
        ("python prepare.py\npython3 -m experiments.trial \\\n --recipe a", "python3", "a"),
        ("docker run i python -m experiments.trial --recipe a", None, "a"),
        ("cd sub && ./venv/bin/python trial.py", None, None),
        ("docker run img /opt/conda/bin/python x.py", None, None),
        ("A=1 nice -n 5 python trial.py", "python", None),
        ("(python trial.py)", "python", None),
        ("> log python trial.py", "python", None),
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


def test_what_is_exported_before_is_set_and_what_another_program_is_given_is_not() -> None:
    found = TrialCommand.parse(
        "A=1; export B=2 C='x;y'; D=4 make E=5; F=6 python -m experiments.trial --recipe a G=7"
    )
    assert found.settings == {"A": "1", "B": "2", "C": "x;y", "F": "6"}


def test_settings_are_expanded_in_their_order_as_a_shell_does() -> None:
    found = TrialCommand.parse("export A=$HOME/x B=${A}/y; C=$A$Z D=~/d E='a b' python x.py")
    ours = TrialCommand.parse("export A=$HOME/x; B=${A}/y C=$A$Z python -m experiments.trial")
    inherited = {"HOME": "/h", "A": "before"}
    assert ours.environment(inherited) == {"HOME": "/h", "A": "/h/x", "B": "/h/x/y", "C": "/h/x"}
    assert inherited["A"] == "before"
    # of another program only the first command is looked at
    assert found.python is None
    assert found.environment({"HOME": "/h"}) == {"HOME": "/h", "A": "/h/x", "B": "/h/x/y"}


def test_it_runs_where_cd_went(tmp_path: Path) -> None:
    trial = "python -m experiments.trial"
    environment = {"S": "sub"}

    def folder(command: str) -> Path:
        return TrialCommand.parse(command).folder(tmp_path, environment)

    assert folder(trial) == tmp_path
    assert folder(f"cd $S && cd deep; {trial}") == tmp_path / "sub" / "deep"
    assert folder(f"cd a && cd /b && {trial}") == Path("/b")
    assert folder(f"cd; {trial}") == Path.home()
    assert folder(f"{trial}; cd sub") == tmp_path


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
    environment["V"] = f"{tmp_path}/bin"
    assert interpreter("$V/python") == f"{tmp_path}/bin/python"
    assert interpreter("${V:-/x}/python") is None  # only a shell knows
    for missing in ("python2.0", "lib/python", "/nowhere/python"):
        with pytest.raises(ValueError, match=f"calls '{missing}', and there is no such program on"):
            interpreter(missing)
