"""An experiment's file is read as NNI reads it, and all that NNI would refuse is said at once."""

import logging
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from experiments.preflight.experiment_file import ExperimentFile
from experiments.preflight.nni_rules import refusals

GOOD: dict[str, Any] = {
    "trialCommand": "python trial.py",
    "trialCodeDirectory": ".",
    "trialConcurrency": 1,
    "maxTrialNumber": 3,
    "searchSpace": {"x": {"_type": "choice", "_value": [1, 2]}},
    "tuner": {"name": "GridSearch"},
    "trainingService": {"platform": "local"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yml"


def experiment(file: Path, **changes: Any) -> ExperimentFile:
    file.write_text(yaml.safe_dump({**GOOD, **changes}))
    return ExperimentFile.read(file)


def test_a_good_experiment_is_not_refused(file: Path) -> None:
    assert refusals(experiment(file)) == []


@pytest.mark.parametrize("file_name", ["quickstart", "vehicles", "market1501", "msmt17"])
def test_the_experiments_of_this_package_are_not_refused(file_name: str) -> None:
    folder = Path(__file__).resolve().parents[3] / "experiments"
    found = ExperimentFile.read(folder / f"{file_name}.yml")
    assert refusals(found) == []
    assert found.code == folder.parent
    assert found.is_local


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1", r"cannot be read as YAML \(line 1: expected ',' or '\]'"),
        ("a: '\x00'", "cannot be read as YAML"),
        ("", "holds nothing where the fields of an NNI experiment were needed: begin with"),
        ("- 1", "holds a list where"),
        ("trainingServicePlatform: local", "is in NNI's old format .* create --no-preflight'"),
    ],
)
def test_what_is_no_experiment_is_one_sentence(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        ExperimentFile.read(file)


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"trialConcurrency": 0}, ["trialConcurrency > 0 does not hold; correct"]),
        ({"trialConcurrency": "two"}, ["type of trialConcurrency ('two') is not int; correct"]),
        (
            {"maxTrialNumbers": 3, "maxTrialNumber": None},
            ["no field 'maxtrialnumbers' of an experiment: delete it."],
        ),
        ({"colour": "red"}, ["no field 'colour' of an experiment: delete it."]),
        ({"tuner": {"name": "GridSerch"}}, ["NNI has no tuner 'GridSerch': take one of "]),
        ({"assessor": {"name": "x"}}, ["NNI has no assessor 'x': take one of Medianstop, "]),
        ({"trainingService": {"platform": "lokal"}}, ["NNI has no platform 'lokal' for"]),
        ({"trainingService": {}}, ["NNI has no platform None for trainingService: write 'local'"]),
        ({"trialCodeDirectory": "nowhere"}, ["and there is no such folder: name"]),
        ({"trialGpuNumber": 1}, ["set useActiveGpu under trainingService, or"]),
        ({"searchSpaceFile": "nowhere.json", "searchSpace": None}, ["nowhere.json"]),
        ({"trainingService": {"platform": "local", "x": 1}}, ["does not have field(s) x"]),
    ],
)
def test_each_refusal_is_one_sentence_and_the_only_one(
    file: Path, changes: dict[str, Any], sentences: list[str]
) -> None:
    said = refusals(experiment(file, **changes))
    assert len(said) == len(sentences)
    for words, sentence in zip(said, sentences, strict=True):
        assert sentence in words
        assert "\n" not in words
        assert words.endswith(".") or words.endswith(".html.")


def test_a_misspelt_field_is_not_said_to_be_missing_as_well(file: Path) -> None:
    fields = {name: value for name, value in GOOD.items() if name != "trialConcurrency"}
    file.write_text(yaml.safe_dump(fields | {"trialConcurency": 1}))
    (words,) = refusals(ExperimentFile.read(file))
    assert words.endswith(
        "'trialconcurency' of an experiment: write trialConcurrency if that was meant."
    )


def test_all_refusals_are_said_at_once(file: Path) -> None:
    fields = {name: value for name, value in GOOD.items() if name != "trialConcurrency"}
    file.write_text(
        yaml.safe_dump(
            fields
            | {
                "trialConcurency": 0,  # misspelt, and wrong under its right name as well
                "trialCodeDirectory": "nowhere",
                "trialGpuNumber": 1,
                "tuner": {"name": "GridSerch"},
            }
        )
    )
    said = refusals(ExperimentFile.read(file))
    assert [words.split(" ")[0:3] for words in said] == [
        ["NNI", "has", "no"],
        ["NNI", "knows", "no"],
        ["trialCodeDirectory", "is", f"{file.parent}/nowhere,"],
        ["trialGpuNumber", "asks", "for"],
        ["NNI", "refuses", f"{file}:"],
    ]
    assert "write trialConcurrency if that was meant" in said[1]


@pytest.mark.parametrize(
    ("changes", "trials"),
    [
        ({}, 2),  # of at most 3, the grid has 2 points
        ({"maxTrialNumber": 1}, 1),
        ({"maxTrialNumber": None}, 2),
        ({"tuner": {"name": "Random"}}, 3),
        ({"tuner": {"name": "Random"}, "maxTrialNumber": None}, None),
        ({"tuner": {"name": "gridsearch"}}, 2),
        ({"tuner": {"Name": "BatchTuner"}}, 2),  # its two points are listed under one key
        ({"tuner": {"class_name": "a.GridSearch"}}, 3),
        ({"tuner": "GridSearch"}, 3),
        ({"searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}}}, 3),
        ({"searchSpace": "x"}, 3),
    ],
)
def test_the_trials_planned_are_as_many_as_nni_will_start(
    file: Path, changes: dict[str, Any], trials: int | None
) -> None:
    assert experiment(file, **changes).trials == trials


def test_a_search_space_may_stand_in_a_file_beside_it(file: Path) -> None:
    (file.parent / "space.json").write_text('{"x": {"_type": "choice", "_value": [1, 2, 3]}}')
    found = experiment(file, searchSpace=None, searchSpaceFile="space.json")
    assert found.space == {"x": {"_type": "choice", "_value": [1, 2, 3]}}
    assert experiment(file, searchSpace=None, searchSpaceFile="nowhere.json").space is None
    (file.parent / "space.json").write_text("x: {_type: choice, _value: [1, a]} # YAML")
    assert found.space == {"x": {"_type": "choice", "_value": [1, "a"]}}
    (file.parent / "space.json").write_text("{")
    assert found.space is None


def test_a_search_space_file_is_json_before_it_is_yaml(file: Path) -> None:
    """In PyYAML 1e-5 is a text, for it has no point."""
    (file.parent / "space.json").write_text('{"x": {"_type": "uniform", "_value": [1e-5, 1E5]}}')
    found = experiment(file, searchSpace=None, searchSpaceFile="space.json")
    assert found.space == {"x": {"_type": "uniform", "_value": [0.00001, 100000.0]}}


@pytest.mark.parametrize(
    ("field", "tuner"),
    [
        ({"tuner": {"name": "TPE_legacy"}}, "tpe_legacy"),
        ({"tuner": {"name": "BATCH"}}, "batch"),
        ({"tuner": {"name": "BatchTuner"}}, "batch"),
        ({"tuner": None, "advisor": {"name": "Hyperband"}}, "hyperband"),
        ({"tuner": {"className": "mine.Tuner"}}, None),
        ({"tuner": None}, None),
    ],
)
def test_a_tuner_is_known_by_the_names_that_nni_knows_it_by(
    file: Path, field: dict[str, Any], tuner: str | None
) -> None:
    assert experiment(file, **field).tuner == tuner


@pytest.mark.parametrize(
    "alias", ["BatchTuner", "PPOTuner", "MetisTuner", "GPTuner", "PBTTuner", "dngotuner"]
)
def test_an_alias_of_a_tuner_is_not_refused(file: Path, alias: str) -> None:
    assert refusals(experiment(file, tuner={"name": alias})) == []


def test_the_training_service_speaks_before_the_experiment(file: Path) -> None:
    service = {"platform": "local", "trial_gpu_number": 2}
    found = experiment(file, trialGpuNumber=1, trainingService=service)
    assert found.get("trialGpuNumber") == 2
    assert found.get("trialCommand") == "python trial.py"
    several = experiment(file, trainingService=[service, service])
    assert several.get("trialGpuNumber") is None
    assert not several.is_local


def test_nni_speaks_through_the_refusals_only(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its advice on nniManagerIp is for a manager that listens on all interfaces."""
    remote = {"platform": "remote", "machineList": [{"host": "a", "user": "b", "password": "c"}]}
    logger = logging.getLogger("nni")
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.INFO, "nni")
    assert refusals(experiment(file, trainingService=remote)) == []
    assert refusals(experiment(file, trainingService=remote, trialConcurrency=0)) != []
    assert caplog.text == ""
    assert logger.level == logging.INFO


@given(st.integers(0, 2**32))
def test_names_are_read_without_case_and_underscores(seed: int) -> None:
    draw = random.Random(seed)
    spelt = "".join(
        draw.choice([letter.upper(), letter, f"_{letter}"]) for letter in "trialcodedirectory"
    )
    with TemporaryDirectory() as folder:
        file = Path(folder, "x.yml")
        file.write_text(yaml.safe_dump({"maxTrialNumber": 3}))
        without = ExperimentFile.read(file)
        file.write_text(yaml.safe_dump({spelt: "/b"}))
        found = ExperimentFile.read(file)
        file.write_text(yaml.safe_dump({"trainingService": {spelt: "/b"}}))
        inside = ExperimentFile.read(file)
    assert without.code == Path(folder)
    assert without.get("trialCodeDirectory") is None
    for read in (found, inside):
        assert read.get("trialCodeDirectory") == read.get(spelt) == "/b"
        assert read.code == Path("/b")
