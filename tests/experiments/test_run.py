"""A run searches, retrains and tests in this order, and leaves what it found in its folder."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from experiments import trial
from experiments.config import override
from experiments.diary import Reporter
from experiments.progress import Progress
from experiments.recipe import Recipe
from experiments.run import run
from experiments.search import Found, search
from experiments.table import Result
from experiments.train import train
from nas_space.genotype import FIXED, Genotype
from nas_space.msinet import MSINet
from nas_space.networks import read_network
from reid_data.catalog import load_dataset
from reid_data.pictures import Pictures
from reid_data.records import Sighting

SEARCHES = ["tcm", "darts", "gumbel_darts", "proxyless", "enas", "random_one_shot"]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.intermediate: list[Mapping[str, float]] = []
        self.final: list[Mapping[str, float]] = []

    def reporter(self) -> Reporter:
        return Reporter(self.intermediate.append, self.final.append)


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def epochs_done(folder: Path) -> int:
    file = folder / "epochs.jsonl"
    return len(file.read_text().splitlines()) if file.is_file() else 0


def test_a_run_leaves_its_configuration_genotype_network_and_metrics(
    tiny: Recipe, tmp_path: Path
) -> None:
    listener = Listener()
    result = run(tiny, tmp_path / "run", listener.reporter())
    folder = tmp_path / "run"
    described = json.loads((folder / "recipe.json").read_text())
    assert described["recipe"]["search"]["epochs"] == 2
    assert {"commit", "date", "processor", "torch", "nni"} <= set(described)
    genotype = Genotype.load(str(folder / "genotype.json"))
    assert str(genotype) == result.genotype
    for name in ("best.pt", "last.pt"):
        saved = read_network(folder / name)
        assert saved.blueprint.genotype == genotype
        MSINet(genotype, width=tiny.space.width).load_state_dict(saved.weights)
    assert saved.info["metrics"]["mAP"] == result.mAP
    assert saved.info["tested_on"] == "market_layout"
    assert Result.read(folder / "metrics.json") == result
    assert Progress.read(folder / "progress.json").stage == "done"
    lines = (folder / "epochs.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in lines]
    assert stages == ["search", "search", "retrain"]
    assert not any(str(tmp_path) in file.read_text() for file in folder.glob("*.json*"))


def test_a_run_leaves_pictures_of_its_search_and_curves_where_it_is_told_to(
    tiny: Recipe, tmp_path: Path
) -> None:
    folder, board = tmp_path / "run", tmp_path / "board"
    run(tiny, folder, Reporter(), board=board)
    with Image.open(folder / "alpha.png") as picture:
        assert min(picture.size) > 300
    slots = Genotype.load(str(folder / "genotype.json")).slots
    drawn = ElementTree.parse(folder / "network.svg").iter()
    found = {e.get("data-slot"): e.get("data-interaction") for e in drawn if e.get("data-slot")}
    assert found == dict(slots)
    curves = EventAccumulator(str(board)).Reload()
    assert [e.step for e in curves.Scalars("search/loss")] == [1, 2]
    assert [e.step for e in curves.Scalars("training/loss")] == [1]
    assert curves.Scalars("test/mAP")[0].value == pytest.approx(
        Result.read(folder / "metrics.json").mAP
    )
    assert curves.Tags()["images"] == ["alpha"]
    assert not (folder / "tensorboard").exists()


def test_a_given_genotype_is_drawn_without_a_search(tiny: Recipe, tmp_path: Path) -> None:
    run(override(tiny, {"strategy": "uniform_exchange"}), tmp_path / "run", Reporter())
    assert not (tmp_path / "run" / "alpha.png").exists()
    assert (tmp_path / "run" / "network.svg").read_text().count('data-interaction="exchange"') >= 12
    assert any((tmp_path / "run" / "tensorboard").iterdir())


def test_a_log_has_a_line_per_epoch_with_its_losses_and_score(
    tiny: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tiny, tmp_path / "run", Reporter())
    lines = capsys.readouterr().out.splitlines()
    score = r"loss \d+\.\d{3}, val loss \d+\.\d{3}, held-out mAP \d+\.\d\d %"
    for epoch in (1, 2):
        assert any(re.match(rf"search {epoch}/2: {score}", line) for line in lines)
    assert any(re.match(r"retrain 1/1: loss \d+\.\d{3}", line) for line in lines)


def test_nni_hears_of_every_search_epoch_and_once_of_the_end(tiny: Recipe, tmp_path: Path) -> None:
    listener = Listener()
    result = run(tiny, tmp_path / "run", listener.reporter())
    keys = {"default", "rank1", "entropy", "none_share", "loss"}
    assert [set(metrics) for metrics in listener.intermediate] == [keys, keys]
    (final,) = listener.final
    assert final["default"] == result.mAP
    assert {"mAP", "rank1", "rank5", "rank10", "mINP", "parameters", "macs"} <= set(final)


def test_the_same_seed_gives_the_same_result_to_the_last_digit(
    tiny: Recipe, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    first = asdict(run(tiny, tmp_path / "a", Reporter()))
    torch.manual_seed(2)  # whatever ran before in this process
    again = asdict(run(tiny, tmp_path / "b", Reporter()))
    assert first | {"minutes": 0} == again | {"minutes": 0}


def test_two_searches_that_find_one_genotype_end_with_one_network(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two strategies search; what they found is replaced by one genotype."""
    one, met = FIXED["msinet_msmt17"], list[Found]()

    def searched(*arguments: Any, **settings: Any) -> Found:
        met.append(search(*arguments, **settings))
        return replace(met[-1], genotype=one)

    monkeypatch.setattr("experiments.run.search", searched)
    results, weights = [], []
    for strategy in ("tcm", "darts"):
        torch.randn(7)
        recipe = override(tiny, {"strategy": strategy})
        results.append(asdict(run(recipe, tmp_path / strategy, Reporter())))
        weights.append(read_network(tmp_path / strategy / "last.pt").weights)
    assert met[0].probabilities != met[1].probabilities
    free = {"strategy": "", "minutes": 0}
    assert results[0] | free == results[1] | free
    assert results[0]["genotype"] == str(one)
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_retraining_sees_all_training_identities_and_the_search_only_its_own(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten training identities; a share of 0.2 is held out of the search: two."""
    seen: dict[str, tuple[Sighting, ...]] = {}

    def searching(recipe: Recipe, pictures: Any, held_out: Any, **settings: Any) -> Found:
        seen["searched"], seen["held out"] = tuple(pictures), tuple(held_out)
        return search(recipe, pictures, held_out, **settings)

    def training(network: Any, sightings: Any, *rest: Any, **settings: Any) -> Any:
        seen["trained"] = tuple(sightings)
        return train(network, sightings, *rest, **settings)

    monkeypatch.setattr("experiments.run.search", searching)
    monkeypatch.setattr("experiments.run.train", training)
    run(tiny, tmp_path / "run", Reporter())
    identities = {part: {s.identity for s in pictures} for part, pictures in seen.items()}
    sizes = {part: len(found) for part, found in identities.items()}
    assert sizes == {"searched": 8, "held out": 2, "trained": 10}
    assert sorted(seen["trained"]) == sorted(seen["searched"] + seen["held out"])


def test_no_picture_of_query_or_gallery_reaches_a_network_before_the_test(
    tiny: Recipe, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_first: list[bool] = []
    read = Pictures.read

    def watched(pictures: Pictures, indices: Tensor) -> Tensor:
        if pictures._paths[0].parent.name != "bounding_box_train":
            trained_first.extend([epochs_done(tmp_path / "run") == 3] * len(indices))
        return read(pictures, indices)

    monkeypatch.setattr(Pictures, "read", watched)
    run(tiny, tmp_path / "run", Reporter())
    tested = len(list((tiny_folder / "query").iterdir()))
    assert len(trained_first) > tested
    assert all(trained_first)


@pytest.mark.parametrize("part", ["bounding_box_train", "query", "bounding_box_test"])
def test_a_broken_picture_is_named_before_the_search_begins(
    tiny: Recipe, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    broken = tmp_path / "data"
    shutil.copytree(tiny_folder, broken)
    victim = min(path for path in (broken / part).iterdir() if not path.name.startswith("-1"))
    victim.write_bytes(victim.read_bytes()[:60])
    monkeypatch.setenv("REID_DATA_ROOT", str(broken))
    listener = Listener()
    with pytest.raises(ValueError, match=victim.name):
        run(tiny, tmp_path / "run", listener.reporter())
    assert listener.intermediate == []
    assert Progress.read(tmp_path / "run" / "progress.json").stage == "failed"


def test_a_search_that_diverges_says_so_and_finds_nothing(tiny: Recipe, tmp_path: Path) -> None:
    wild = {"search.weights.learning_rate": 1e30, "search.weights.schedule": "cosine"}
    for held_out in (0.0, 0.2):
        changes = wild | {"search.weights.warmup_epochs": 0, "data.held_out": held_out}
        folder = tmp_path / str(held_out)
        with pytest.raises(ValueError, match="loss of search epoch"):
            run(override(tiny, changes), folder, Reporter())
        assert not (folder / "genotype.json").exists()


def test_without_held_out_identities_nni_still_hears_of_the_search(
    tiny: Recipe, tmp_path: Path
) -> None:
    listener = Listener()
    run(override(tiny, {"data.held_out": 0.0}), tmp_path / "run", listener.reporter())
    assert [set(metrics) for metrics in listener.intermediate] == [
        {"default", "entropy", "none_share", "loss"}
    ] * 2
    assert all(metrics["default"] == -metrics["loss"] for metrics in listener.intermediate)


def test_identities_seen_by_one_camera_are_scored_without_the_camera_rule(
    tiny: Recipe,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_folder, data)
    for path in (data / "bounding_box_train").glob("*_c2s*"):
        path.unlink()
    monkeypatch.setenv("REID_DATA_ROOT", str(data))
    listener = Listener()
    run(tiny, tmp_path / "run", listener.reporter())
    assert "without the camera rule" in capsys.readouterr().out
    assert all(metrics["default"] > 0 for metrics in listener.intermediate)


def test_a_folder_that_holds_a_run_is_left_as_it_is(tiny: Recipe, tmp_path: Path) -> None:
    drawn = override(tiny, {"strategy": "random"})
    run(drawn, tmp_path / "run", Reporter())
    before = contents(tmp_path / "run")
    with pytest.raises(ValueError, match="'run' holds a run already"):
        run(drawn, tmp_path / "run", Reporter())
    assert contents(tmp_path / "run") == before


def test_a_folder_whose_run_never_began_can_be_used(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, folder = override(tiny, {"strategy": "random"}), tmp_path / "run"
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("REID_DATA_ROOT", str(tmp_path / "nowhere"))
        with pytest.raises(ValueError, match="nowhere"):
            run(drawn, folder, Reporter())
    result = run(drawn, folder, Reporter())
    assert Result.read(folder / "metrics.json") == result
    assert "resumed" not in json.loads((folder / "recipe.json").read_text())


def test_a_gallery_that_is_drawn_is_drawn_for_the_test(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All test pictures are queries; per repeat one of each of the four identities is drawn."""
    given = load_dataset(tiny.data.name)
    pooled = tuple(s for s in (*given.query, *given.gallery) if s.identity > 0)
    protocol = replace(given.protocol, camera_rule=False, repeats=3)
    drawn = replace(given, query=pooled, gallery=(), protocol=protocol)
    monkeypatch.setattr("experiments.data.load_dataset", lambda name, part: drawn)
    run(override(tiny, {"strategy": "random"}), tmp_path / "run", Reporter())
    tested = json.loads((tmp_path / "run" / "test.json").read_text())
    (target,) = tested["targets"]
    assert (target["repeats"], target["queries"]) == (3, 3 * (len(pooled) - 4))
    assert target["std"]["mAP"] >= 0
    splits = json.loads((tmp_path / "run" / "splits.json").read_text())
    assert [len(gallery) for gallery in splits["galleries"]] == [4, 4, 4]


def test_a_data_set_without_queries_is_refused_before_the_search(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load_dataset(tiny.data.name)
    monkeypatch.setattr(
        "experiments.data.load_dataset", lambda name, part: replace(given, query=())
    )
    with pytest.raises(ValueError, match="no query pictures"):
        run(tiny, tmp_path / "run", Reporter())
    assert not (tmp_path / "run" / "search.pt").exists()


def test_a_run_trains_on_its_source_and_is_tested_on_its_target_by_the_targets_rules(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source has nothing to test on, as MSMT17 with all of its pictures; the target no rule."""
    given = load_dataset(tiny.data.name)
    sets = {
        "source": replace(given, name="source", query=(), gallery=()),
        "target": replace(
            given, name="target", train=(), protocol=replace(given.protocol, camera_rule=False)
        ),
    }
    monkeypatch.setattr("experiments.data.load_dataset", lambda name, part="trainval": sets[name])
    recipe = override(
        tiny, {"strategy": "random", "data.name": "source", "data.targets": ["target"]}
    )
    run(recipe, tmp_path / "run", Reporter())
    tested = json.loads((tmp_path / "run" / "test.json").read_text())
    (target,) = tested["targets"]
    assert (tested["trained_on"], target["dataset"]) == ("source", "target")
    assert (tested["train"], target["query"]) == (len(given.train), len(given.query))
    assert target["camera_rule"] is False


@pytest.mark.parametrize("field", ["search.epochs", "retrain.epochs", "data.height", "data.images"])
def test_a_number_below_one_is_refused_by_the_name_of_its_field(tiny: Recipe, field: str) -> None:
    with pytest.raises(ValueError, match=f"field '{field}' is 0"):
        override(tiny, {field: 0})


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.*deterministic:UserWarning")
@pytest.mark.parametrize("strategy", [*SEARCHES, "random"])
def test_a_run_on_a_gpu_goes_the_whole_way(tiny: Recipe, tmp_path: Path, strategy: str) -> None:
    on_gpu = override(tiny, {"device": "cuda", "strategy": strategy})
    result = run(on_gpu, tmp_path / "run", Reporter())
    assert 0 < result.mAP <= 1
    weights = read_network(tmp_path / "run" / "last.pt").weights
    assert {value.device.type for value in weights.values()} == {"cpu"}


def fails(tmp_path: Path, recipe: str, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> str:
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setattr("nni.get_next_parameter", lambda: parameters)
    assert trial.main(["--recipe", recipe]) == 1
    (file,) = tmp_path.glob("*/error.txt")
    return file.read_text().splitlines()[-1]


def test_a_trial_without_its_data_says_what_was_expected_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", str(tmp_path / "nowhere"))
    words = fails(tmp_path, "msmt17", monkeypatch)
    assert "nowhere" in words
    assert "MSMT17" in words or "msmt17" in words


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"strategy": "bayes"}, "'tcm', 'darts', 'gumbel_darts'"),
        ({"sead": 1}, "seed"),
        ({"search.epochs": "many"}, "expected int"),
    ],
)
def test_a_trial_with_a_wrong_parameter_ends_with_one_sentence_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], said: str
) -> None:
    words = fails(tmp_path, "quickstart", monkeypatch, **parameters)
    assert said in words
    assert next(iter(parameters)) in words


def test_an_unforeseen_error_ends_with_a_sentence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down() -> None:
        raise KeyError("slot")

    assert trial.guarded_against_tracebacks(break_down, lambda: tmp_path / "run") == 1
    (file,) = tmp_path.glob("*/error.txt")
    assert "broke with KeyError" in file.read_text()
