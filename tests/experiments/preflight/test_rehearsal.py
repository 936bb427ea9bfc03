"""A rehearsal finds in the trial's own Python what would fail a trial, and runs none."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from experiments.preflight.rehearsal import Findings, findings, interpreter_problems, rehearse
from experiments.preflight.trial_command import TrialCommand
from reid_data.records import ReidDataset, Sighting

ROOT = Path(__file__).resolve().parents[3]


def choices(**keys: list[Any]) -> dict[str, Any]:
    """A search space; a double underscore stands for the dot of a field's name."""
    return {
        name.replace("__", "."): {"_type": "choice", "_value": values}
        for name, values in keys.items()
    }


def test_a_good_space_is_told_by_its_points_and_its_data() -> None:
    space = choices(strategy=["tcm", "random"], seed=[0, 1, 2])
    assert findings("quickstart", space) == Findings([], 6, ["synthetic_persons"])


def test_every_typo_is_said_at_once_and_the_rest_is_looked_at() -> None:
    space = choices(stratgy=["tcm"], seed=[0, "one"], search__epochs=[5, 0], device=["cpu"])
    space["threads"] = {"_type": "choise", "_value": [1]}
    found = findings("quickstart", space)
    assert [words.split(":")[0] for words in found.problems] == [
        "Key 'threads'",
        "The recipe has no field 'stratgy'",
        "The recipe's field 'seed' is 'one', which is str",
        "The recipe's field 'search.epochs' is 0",
    ]


def test_no_recipe_of_that_name_is_said_once() -> None:
    found = findings("quikstart", choices(strategy=["tcm", "darts"]))
    assert len(found.problems) == 1
    assert found.problems[0].startswith("No recipe 'quikstart': expected one of quickstart, ")


def test_presets_are_part_of_the_space() -> None:
    assert not findings("quickstart", choices(preset=["paper", "authors_code"])).problems
    (words,) = findings("quickstart", choices(preset=["papers"])).problems
    assert words.startswith("No preset 'papers': ")


@pytest.mark.parametrize("space", [None, 3, [], "strategy"])
def test_what_is_no_space_is_one_sentence(space: Any) -> None:
    (words,) = findings("quickstart", space).problems
    assert words.endswith(", and a mapping of fields was needed.")


def test_each_data_set_a_point_can_name_is_looked_for(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REID_DATA_ROOT", "FASTREID_DATASETS"):
        monkeypatch.delenv(variable, raising=False)
    names = ["market_layout", "synthetic_vehicles", "market1501"]
    space = choices(data__name=names, seed=[0, 1])
    unset = findings("quickstart", space)
    assert unset.datasets == sorted(names)
    assert [words.split("'")[1] for words in unset.problems] == ["market1501", "market_layout"]
    assert all("REID_DATA_ROOT" in words for words in unset.problems)

    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path))
    assert "lies nothing" in findings("quickstart", choices(data__name=names[:1])).problems[0]
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    assert findings("quickstart", space).problems == []
    unknown = findings("quickstart", choices(data__name=["market"])).problems
    assert unknown[0].startswith("Data set 'market' is unknown: take one of ")


def test_every_target_of_a_point_is_looked_for(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).symlink_to(tiny_folder)
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path))
    source, *there = (f"market_layout:{name}" for name in "abc")
    space = choices(data__name=[source], data__targets=[there, there[:1]], seed=[0, 1])
    assert findings("quickstart", space) == Findings([], 4, [source, *there])
    for lost in (["veri776", *there], [*there, "veri776"]):
        space = choices(data__name=[source], data__targets=[lost])
        (words,) = findings("quickstart", space).problems
        assert "VeRi" in words


def test_a_peer_in_which_a_strategy_would_search_is_said_once() -> None:
    space = choices(strategy=["tcm"], retrain__network=["resnet50", "msinet"], seed=[0, 1])
    (words,) = findings("quickstart", space).problems
    assert "nothing to choose" in words
    space["strategy"] = {"_type": "choice", "_value": ["msinet_msmt17"]}
    assert findings("quickstart", space) == Findings([], 4, ["synthetic_persons"])


def test_data_and_devices_elsewhere_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("REID_DATA_ROOT", raising=False)
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    space = choices(device=["cuda"])
    here = findings("vehicles", space)
    assert [words.split(" ")[0] for words in here.problems] == ["Data", "This"]
    assert "asks for device 'cuda' and torch sees none" in here.problems[1]
    assert findings("vehicles", space, elsewhere=True) == Findings([], 1, [])


def test_a_part_that_a_data_set_lacks_is_told_of_folders_and_of_embedded_sets(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    names = ["synthetic_persons", "market1501"]
    space = choices(data__name=names, data__part=["trainval", "train"])
    found = findings("quickstart", space)
    assert [words.split(": take")[0] for words in found.problems] == [
        f"Data set '{name}' has no training part 'train'" for name in sorted(names)
    ]
    assert found.datasets == sorted(names)
    assert findings("quickstart", choices(data__name=names)).problems == []
    assert findings("quickstart", space, elsewhere=True).problems == []


def test_a_part_that_leaves_nothing_to_test_on_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    one = Sighting(1, 1, Path("one.jpg"))

    def load(name: str, *, part: str) -> ReidDataset:
        asked.append((name, part))
        tested = () if part == "all" else (one,)
        return ReidDataset("msmt17_v2_all", train=(), query=tested, gallery=tested)

    monkeypatch.setattr("experiments.data.load_dataset", load)
    found = findings("msmt17", choices(data__part=["all", "train"], device=["cpu"]))
    assert asked == [("msmt17", "all"), ("msmt17", "train")]
    (words,) = found.problems
    assert words.startswith("The data set 'msmt17_v2_all' has no query pictures to test on: set")


def test_a_tuner_that_gives_out_no_points_is_told_beside_what_else_is_wrong() -> None:
    space = choices(strategy=["tcm", "tmc"], seed=[0])
    batch, strategy = findings("quickstart", space, tuner="batch").problems
    assert "one key whose choices are the points" in batch
    assert "'tmc'" in strategy
    listed = choices(combine_params=[{"seed": 0}, {"seed": 1}])
    assert findings("quickstart", listed, tuner="batch") == Findings([], 2, ["synthetic_persons"])
    (words,) = findings("quickstart", listed, tuner="gridsearch").problems
    assert words.endswith("and this is gridsearch: take Batch.")
    (words,) = findings("quickstart", choices(seed=[0]), tuner="bohb").problems
    assert words.startswith("The tuner bohb adds TRIAL_BUDGET to every point, and a recipe has no")
    # a key that is no part of a search space is not counted as a missing one as well
    assert len(findings("quickstart", {"c": {"_type": "choise"}}, tuner="batch").problems) == 1


def test_without_a_space_the_recipe_itself_is_tried() -> None:
    assert findings("quickstart", {}) == Findings([], 0, ["synthetic_persons"])
    assert len(findings("quickstart", choices(seed=[0])).datasets) == 1


def test_a_python_of_another_version_or_without_nni_is_one_sentence_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert interpreter_problems() == []
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setattr("experiments.preflight.rehearsal.version", lambda _: "2.10")
    version, nni = interpreter_problems()
    assert f"{sys.executable} is Python 3.13, and 3.11 or 3.12 is needed: make" in version
    assert nni.startswith(f"NNI is 2.10 for {sys.executable}, and 3.0 is needed: run '")
    assert findings("quickstart", {}).problems == [version, nni]


def ask(
    command: str, folder: Path = ROOT, tuner: str | None = None, **environment: str
) -> Findings:
    space = choices(strategy=["tcm"], seed=[0, 1])
    inherited: Mapping[str, str] = os.environ | environment
    return rehearse(
        TrialCommand.parse(command), space, folder=folder, environment=inherited, tuner=tuner
    )


def test_a_trial_is_rehearsed_by_its_own_python_in_its_own_folder_with_its_own_settings(
    tmp_path: Path,
) -> None:
    """A program of that name that says how it was called, and one that breaks in a traceback."""
    said = tmp_path / "said"
    program = tmp_path / "python"
    answer = json.dumps({"problems": ["p"], "points": 1, "datasets": ["d"]})
    program.write_text(
        f"#!/bin/bash\necho $PWD $A $* $(cat) > {said}\necho a line of somebody\necho '{answer}'\n"
    )
    program.chmod(0o755)
    command = "A=b ./python -m experiments.trial --recipe quickstart"
    assert ask(command, tmp_path) == Findings(["p"], 1, ["d"])
    place, setting, *words = said.read_text().split(maxsplit=6)
    assert (place, setting) == (str(tmp_path), "b")
    assert words[:4] == ["-m", "experiments.preflight.rehearsal", "--recipe", "quickstart"]
    assert json.loads(words[4])["seed"]["_value"] == [0, 1]

    program.write_text("#!/bin/bash\necho 'Traceback (most' >&2\necho 'KeyError: 3' >&2\nexit 1\n")
    (words_said,) = ask(command, tmp_path).problems
    assert words_said.startswith(f"{program}, which trialCommand calls in {tmp_path}, ")
    assert "cannot run a trial (KeyError: 3): install NNI-ReID for it, or" in words_said
    program.write_text("#!/bin/bash\nexit 3\n")
    assert "(it ended with 3)" in ask(command, tmp_path).problems[0]
    program.write_text("#!/nowhere/bash\n")
    assert "(No such file or directory)" in ask(command, tmp_path).problems[0]


def test_what_a_shell_would_make_of_the_words_is_asked_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program says where it is, what it has as A and B, and how it was called."""
    place = tmp_path / "sub"
    place.mkdir()
    program = place / "python"
    program.write_text(
        '#!/bin/bash\nproblems="$PWD|$A|$B|$*"\necho "{\\"problems\\": [\\"$problems\\"]}"\n'
    )
    program.chmod(0o755)
    called = "./python -m experiments.trial --recipe $R"
    command = f"export A=$HOME/x; cd sub && B=${{A}}y nice -n 5 {called} 2>&1 | tee log"
    answer = ask(command, tmp_path, tuner="batch", HOME="/h", R="quickstart").problems
    module = "-m experiments.preflight.rehearsal"
    assert answer == [f"{place}|/h/x|/h/xy|{module} --recipe quickstart --tuner batch"]
    # where only a shell knows the program or what it is told, this Python speaks for it
    monkeypatch.setattr(sys, "executable", str(program))
    for unknown in (
        f"cd sub && B=$(cat b) {called}",
        f"cd sub && B=${{b:-c}} {called}",
        f"docker run image {called}",
        f"cd $(mktemp -d) && {called}",
        called.replace("./", "${V:-x}/"),
    ):
        (said,) = ask(unknown, tmp_path, R="quickstart").problems
        where, *_, words = said.split("|")
        assert where == str(tmp_path)
        assert words == f"{module} --recipe quickstart --elsewhere"


def test_a_command_without_a_recipe_is_one_sentence() -> None:
    assert ask("python -m experiments.trial").problems == [
        "trialCommand names no recipe: write 'python -m experiments.trial --recipe quickstart'."
    ]


@pytest.mark.slow
def test_the_rehearsal_of_this_package_answers() -> None:
    command = f"{sys.executable} -m experiments.trial --recipe quickstart"
    assert ask(command) == Findings([], 2, ["synthetic_persons"])
