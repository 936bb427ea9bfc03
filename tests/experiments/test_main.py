"""The command line knows its commands, and says which one a wrong word was near to."""

from pathlib import Path

import pytest

from experiments.__main__ import COMMANDS, main


def test_a_wrong_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluat", "--checkpoint", "best.pt"]) == 2
    said = "reid-nas has no command 'evaluat': did you mean 'evaluate'? 'reid-nas --help' lists all"
    assert capsys.readouterr() == ("", f"{said}.\n")


def test_a_word_near_to_none_is_answered_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyz"]) == 2
    assert capsys.readouterr().err == (
        "reid-nas has no command 'xyz': 'reid-nas --help' lists all.\n"
    )


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert all(f"  {name}" in said and does in said for name, does in COMMANDS.items())


@pytest.mark.parametrize("command", ["search", "train", "pretrain"])
def test_help_of_a_run_lists_what_can_be_named_and_has_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"example:\n  reid-nas {command} --recipe " in said
    assert {"vehicles_cross_domain,", "bn_features"} <= set(said.split())
    assert ("vit_tiny" in said) == ("uniform_none," in said) == (command != "search")


@pytest.mark.parametrize(
    "options",
    [
        ["evaluate", "--data", "synthetic_persons", "--checkpoint"],
        ["export", "--format", "pt2", "--out", "network.pt2", "--checkpoint"],
        ["cost", "--checkpoint"],
    ],
    ids=lambda options: options[0],
)
def test_a_command_that_runs_a_network_keeps_large_blocks_before_it_reads_one(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("nas_space.speed.keep_large_blocks", lambda: calls.append("kept"))
    assert main([*options, str(tmp_path / "not_there.pt")]) == 1
    assert calls == ["kept"]
