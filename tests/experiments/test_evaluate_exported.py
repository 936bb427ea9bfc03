"""``reid-nas evaluate`` scores an exported file by running that file, and nothing else."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

from evaluators.feature_file import read_features
from evaluators.metrics import METRICS, metrics_of
from evaluators.retrieval import MARKET_RULES, Features, retrieve
from experiments import exported as exported_module
from experiments.evaluate_command import main
from experiments.export_command import main as export_main
from experiments.export_formats import FORMATS
from experiments.export_parity import LARGEST_MAP_DIFFERENCE
from experiments.exported import Exported, is_exported, read_metadata
from experiments.scoring import reranked_by
from nas_space import networks
from nas_space.genotype import FIXED
from nas_space.msinet import MSINet
from nas_space.networks import Blueprint, save_network
from reid_data.catalog import load_dataset
from reid_data.pictures import Pictures
from reid_data.records import ReidDataset

Evaluate = Callable[..., dict[str, Any]]
CHECKPOINT = "checkpoint"
RERANKING = {"k1": 3, "k2": 2, "lambda": 0.3}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Mapping[str, Path]:
    """A checkpoint, and its exports by their format; no name says what a file is."""
    folder = tmp_path_factory.mktemp("files")
    blueprint = Blueprint(
        genotype=FIXED["uniform_none"], height=32, width=16, channel_factor=0.125, depths=(1, 1)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = blueprint.build()
    made = {name: folder / f"file{place}.bin" for place, name in enumerate((CHECKPOINT, *FORMATS))}
    save_network(made[CHECKPOINT], network, blueprint, info={"trained_on": "somewhere"})
    for name in FORMATS:
        options = ["--checkpoint", made[CHECKPOINT], "--out", made[name], "--format", name]
        data = ["--data", f"market_layout={tiny_folder}"]
        assert export_main([*map(str, options), *data]) == 0
    return MappingProxyType(made)


@pytest.fixture(scope="session")
def evaluate(
    files: Mapping[str, Path], tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Evaluate:
    """Runs the command on the tiny data set and returns its JSON."""

    def run(name: str, *options: str | Path) -> dict[str, Any]:
        result = tmp_path_factory.mktemp("scores") / "scores.json"
        arguments = ["--checkpoint", files[name], "--data", f"market_layout={tiny_folder}"]
        assert main([str(one) for one in (*arguments, "--json", result, *options)]) == 0
        return dict(json.loads(result.read_text()))

    return run


@pytest.fixture(scope="session")
def of_checkpoint(evaluate: Evaluate) -> dict[bool, dict[str, Any]]:
    """What the command says of the checkpoint, without and with the mirror image."""
    return {flip: evaluate(CHECKPOINT, "--device", "cpu", *words(flip)) for flip in (False, True)}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it impossible to build or to load the network."""

    def never(*_arguments: Any, **_settings: Any) -> None:
        pytest.fail("the network was built")

    monkeypatch.setattr(Blueprint, "build", never)
    monkeypatch.setattr(MSINet, "__init__", never)
    monkeypatch.setattr(networks, "read_tensors", never)


def words(flip: bool) -> list[str]:
    return ["--flip"] if flip else []


def parts_of(exported: Exported, dataset: ReidDataset, *, flip: bool) -> tuple[Features, Features]:
    """What the file gives for each part, in batches of the command's size."""
    query, gallery = (
        exported.features(part, batch_size=128, flip=flip)
        for part in (dataset.query, dataset.gallery)
    )
    return query, gallery


@pytest.mark.parametrize(
    ("name", "flip"), [*((name, False) for name in FORMATS), ("onnx", True), ("torchscript", True)]
)
def test_the_scores_are_those_of_what_the_file_gives_and_no_network_is_built(
    evaluate: Evaluate,
    of_checkpoint: dict[bool, dict[str, Any]],
    files: Mapping[str, Path],
    tiny_folder: Path,
    tmp_path: Path,
    no_network: None,
    name: str,
    flip: bool,
) -> None:
    features, rows = tmp_path / "f.npz", tmp_path / "rows.csv"
    options = ["--features", features, "--per-query", rows, "--rerank", "--k1", "3", "--k2", "2"]
    (got,) = evaluate(name, *options, *words(flip))["results"]
    dataset = load_dataset("market_layout", tiny_folder)
    parts = parts_of(Exported.load(files[name]), dataset, flip=flip)
    for found, part in zip(read_features(features, MARKET_RULES), parts, strict=True):
        assert torch.equal(found.vectors, part.vectors)
        assert torch.equal(found.identities, part.identities)
        assert torch.equal(found.cameras, part.cameras)
    plain = retrieve(*parts, dataset.protocol)
    assert {metric: got[metric] for metric in METRICS} == metrics_of(plain)
    reranked = metrics_of(reranked_by(RERANKING)(*parts, dataset.protocol))
    assert {metric: got["rerank"][metric] for metric in METRICS} == reranked
    assert rows.read_text().count("\n") == 1 + len(plain.query)
    (expected,) = of_checkpoint[flip]["results"]
    assert (got["flip"], got["counts"]) == (flip, expected["counts"])
    for metric in METRICS:
        assert got[metric] == pytest.approx(expected[metric], abs=LARGEST_MAP_DIFFERENCE)


def test_with_the_mirror_image_a_feature_is_the_mean_of_both(
    files: Mapping[str, Path], tiny_folder: Path
) -> None:
    exported = Exported.load(files["torchscript"])
    query = load_dataset("market_layout", tiny_folder).query
    got = exported.features(query, batch_size=3, flip=True, cached=False).vectors
    for row, one in enumerate(query):
        pixels = Pictures([one], height=32, width=16, cached=False).read(torch.tensor([0]))
        mirrored = torch.stack([pixels[..., 15 - column] for column in range(16)], dim=-1)
        expected = (exported(pixels) + exported(mirrored))[0] / 2
        torch.testing.assert_close(got[row], expected)
    plain = exported.features(query, batch_size=3, cached=False).vectors
    assert not torch.allclose(got, plain, atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_says_what_was_scored(
    evaluate: Evaluate,
    of_checkpoint: dict[bool, dict[str, Any]],
    files: Mapping[str, Path],
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    got, checkpoint = evaluate(name), of_checkpoint[False]["checkpoint"]
    said = got["checkpoint"]
    assert said["file"] == files[name].name
    assert (said["file_format"], checkpoint["file_format"]) == (name, CHECKPOINT)
    assert (said["feature"], said["precision"], said["input_size"]) == ("pooled", "32", [32, 16])
    assert said["genotype"] == json.loads(FIXED["uniform_none"].to_json())
    assert said["blueprint"] == checkpoint["blueprint"]
    assert said["info"] == checkpoint["info"]
    assert str(files[name].parent) not in json.dumps(got)
    headline, *_ = capsys.readouterr().out.splitlines()
    assert headline.endswith(f", feature pooled, exported as {name} in 32 bit")


@pytest.mark.usefixtures("no_network")
def test_ranked_lists_are_drawn_of_an_exported_file(evaluate: Evaluate, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    evaluate("onnx", "--gallery-html", folder, "--ranks", "3")
    page = (folder / "index.html").read_text()
    assert "exported as onnx in 32 bit" in page
    assert "msinet, 32 x 16 pixels, trained on somewhere" in page
    assert all(f"pictures/{file.name}" in page for file in (folder / "pictures").iterdir())
    assert page.count("<article") == 3 * 8  # worst, best and random; eight queries


def test_stored_thresholds_are_measured_on_the_pictures_that_are_scored(
    evaluate: Evaluate,
    files: Mapping[str, Path],
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pair by pair; the threshold lies between two similarities about which no rounding decides."""
    metadata = read_metadata(files["onnx"])
    assert "thresholds" not in evaluate("onnx")["results"][0]
    dataset = load_dataset("market_layout", tiny_folder)
    query, gallery = parts_of(Exported.load(files["onnx"]), dataset, flip=False)
    pairs: dict[bool, list[float]] = {True: [], False: []}
    for q, asked in zip(query.vectors, dataset.query, strict=True):
        for g, other in zip(gallery.vectors, dataset.gallery, strict=True):
            same = asked.identity == other.identity
            if other.identity != -1 and not (same and asked.camera == other.camera):
                pairs[same].append(float(q @ g))
    ordered = sorted(pairs[True] + pairs[False])
    place = max(range(20, len(ordered) - 20), key=lambda n: ordered[n] - ordered[n - 1])
    bound = (ordered[place] + ordered[place - 1]) / 2
    true, false = (sum(s > bound for s in pairs[kind]) / len(pairs[kind]) for kind in (True, False))
    assert 0 < false < 1
    of_two = len(pairs[False])
    metadata["thresholds"]["at"] = [
        {"rate": 0.001, "similarity": None},
        {"rate": 0.25, "similarity": bound},
    ]
    monkeypatch.setattr(exported_module, "read_metadata", lambda _file: metadata)
    capsys.readouterr()
    (got,) = evaluate("onnx", "--thresholds")["results"]
    assert got["thresholds"] == [
        {"rate": 0.001, "similarity": None, "false_accepts": 0.0, "true_accepts": 0.0}
        | {"impostors": of_two},
        {"rate": 0.25, "similarity": bound, "false_accepts": false, "true_accepts": true}
        | {"impostors": of_two},
    ]
    *_, low, high, see = capsys.readouterr().out.splitlines()
    assert (
        low == "threshold for 0.1 % false accepts: none was high enough when the file was exported"
    )
    assert high == (
        f"threshold for 25 % false accepts: similarity {bound:.4f} and more accepts"
        f" {100 * false:.3g} % of the {of_two} pairs of two identities here, and"
        f" {100 * true:.1f} % of those of one"
    )
    assert see.endswith("scores.json.")


def status_of(*options: str | Path) -> int:
    return main([str(one) for one in options])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--feature", "normalised"], "all that FILE gives is 'pooled': leave --feature out, or"),
        (["--maps-html", "maps"], "--maps-html needs the maps within a network, and FILE is an"),
        (["--device", "cuda"], "FILE is an exported file, which is scored on the processor"),
    ],
)
def test_what_an_exported_file_cannot_do_is_refused_before_the_work(
    files: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of("--checkpoint", files[name], "--data", "nowhere", *options) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words.replace("FILE", files[name].name) in err
    assert not [*tmp_path.iterdir()]


def test_what_is_not_exported_has_no_thresholds_and_an_exported_file_no_maps(
    files: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, exported = files[CHECKPOINT], files["pt2"]
    data = "--data", "nowhere", "--device", "cpu"
    assert status_of("--checkpoint", checkpoint, *data, "--thresholds") == 1
    assert f"{checkpoint.name} holds none" in capsys.readouterr().err
    maps = "--maps-html", tmp_path / "maps", "--maps-against", exported
    assert status_of("--checkpoint", checkpoint, *data, *maps) == 1
    assert f"{exported.name} is an exported file" in capsys.readouterr().err


def test_its_own_feature_may_be_asked_for(evaluate: Evaluate) -> None:
    alone, named = (evaluate("onnx", *asked) for asked in ([], ["--feature", "pooled"]))
    assert alone == named


def test_content_and_not_the_name_says_what_a_file_is(
    files: Mapping[str, Path], tmp_path: Path
) -> None:
    for name, file in files.items():
        assert is_exported(file) == (name != CHECKPOINT)
    for content in (b"", b"no network", b"PK\x03\x04", files[CHECKPOINT].read_bytes()[:-100]):
        (tmp_path / "reid.onnx").write_bytes(content)
        assert not is_exported(tmp_path / "reid.onnx")
    assert not is_exported(tmp_path)
    assert not is_exported(tmp_path / "missing")


def test_a_file_that_cannot_be_opened_is_refused_in_a_sentence(
    files: Mapping[str, Path],
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said(content: bytes) -> str:
        file = tmp_path / "reid.bin"
        file.write_bytes(content)
        assert status_of("--checkpoint", file, "--data", tiny_folder) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "reid.bin" in err
        return err

    import onnx

    trace: Any = torch.jit.trace
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(trace(torch.nn.ReLU(), torch.zeros(1)), tmp_path / "other.bin")
    assert "was not written by reid-nas export" in said((tmp_path / "other.bin").read_bytes())
    strange = onnx.helper.make_model(onnx.helper.make_graph([], "of somebody", [], []))
    assert "was not written by reid-nas export" in said(strange.SerializeToString())
    assert "neither ONNX nor a file of torch's" in said(files["onnx"].read_bytes()[:-2000])
    without = onnx.load_model(str(files["onnx"]))
    del without.graph.node[3:]
    assert "The runtime of onnx cannot open reid.bin" in said(without.SerializeToString())
    assert "not a whole file: give what a training wrote" in said(
        files["torchscript"].read_bytes()[:-100]
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    shutil.copyfile(files["onnx"], tmp_path / "reid.onnx")
    assert status_of("--checkpoint", tmp_path / "reid.onnx", "--data", tiny_folder) == 1
    assert "needs the package onnxruntime" in capsys.readouterr().err
