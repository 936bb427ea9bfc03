"""Every name that a command line takes is known, and a wrong one is refused with the nearest."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import names
from experiments.names import genotype_name, meant, peer_name, recipe_name
from experiments.recipes import RECIPES
from nas_space.genotype import FIXED
from nas_space.peers import PEERS


def test_the_names_are_those_that_are_there_in_their_order() -> None:
    assert tuple(RECIPES) == names.RECIPE_NAMES
    assert tuple(PEERS) == names.PEER_NAMES
    assert tuple(FIXED) == names.GENOTYPE_NAMES


def test_a_known_name_is_taken_as_it_is() -> None:
    assert [recipe_name(name) for name in RECIPES] == list(RECIPES)
    assert [peer_name(name) for name in PEERS] == list(PEERS)
    assert [genotype_name(name) for name in FIXED] == list(FIXED)


def test_a_wrong_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(
        argparse.ArgumentTypeError,
        match=r"no recipe 'quikstart': did you mean 'quickstart'\? take one of quickstart, veh",
    ):
        recipe_name("quikstart")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'msinet': .*vit_tiny; MSINet is tra"):
        peer_name("msinet")


def test_a_genotype_is_a_name_or_a_file_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "genotype.json"
    with pytest.raises(argparse.ArgumentTypeError, match=r"or give the genotype\.json of a search"):
        genotype_name(str(file))
    file.touch()
    assert genotype_name(str(file)) == str(file)
    with pytest.raises(argparse.ArgumentTypeError, match="no genotype"):
        genotype_name(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"), [("evaluat", "did you mean 'evaluate'? "), ("x", ""), ("", "")]
)
def test_only_a_near_name_is_meant(text: str, words: str) -> None:
    assert meant(text, ["train", "evaluate"]) == words


def test_names_are_refused_before_torch_and_nni_are_imported() -> None:
    code = """
import sys
sys.modules["torch"] = sys.modules["nni"] = None
from experiments.__main__ import main
main(sys.argv[1:])
"""
    for command in ("train", "search", "pretrain"):
        ended = subprocess.run(
            [sys.executable, "-c", code, command, "--recipe", "vehicle", "--out", "nowhere"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2
        assert ended.stderr.count("\n") > 1
        assert "did you mean 'vehicles'?" in ended.stderr.splitlines()[-1]
