"""``reid-nas export``: there is a file if and only if it scores what the checkpoint scores."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from evaluators.embedding import embed_sightings
from evaluators.metrics import METRICS, metrics_of
from evaluators.retrieval import retrieve
from evaluators.thresholds import similarity_thresholds
from experiments import export_formats, export_run
from experiments.evaluate_targets import Target
from experiments.export_command import main
from experiments.export_formats import FORMATS
from experiments.export_graph import Shipped, ship
from experiments.export_parity import require_equal_map
from experiments.export_run import evaluation_set
from experiments.exported import Exported, read_metadata
from experiments.provenance import provenance
from nas_space.genotype import PUBLISHED
from nas_space.networks import (
    Blueprint,
    load_network,
    network_from,
    read_network,
    save_network,
)
from reid_data.catalog import load_dataset

Export = Callable[..., int]
HEIGHT, WIDTH = 32, 16
INFO = {"trained_on": "another", "tested_on": "market_layout", "epochs": 3}


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network that has seen nothing, said to be tested on the tiny data set."""
    monkeypatch.setenv("REID_DATA_ROOT", str(tiny_folder))
    blueprint = Blueprint(
        genotype=PUBLISHED["msinet_msmt17"],
        height=HEIGHT,
        width=WIDTH,
        channel_factor=0.125,
        depths=(1, 1),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = blueprint.build()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
    g = torch.Generator().manual_seed(0)
    network.train()(torch.randn(16, 3, HEIGHT, WIDTH, generator=g))
    file = tmp_path / "best.pt"
    save_network(file, network, blueprint, info=INFO)
    return file


@pytest.fixture
def export(checkpoint: Path) -> Export:
    """Runs the command on the checkpoint and returns its exit status."""

    def run(out: Path, *options: str, file_format: str = "torchscript") -> int:
        arguments = ["--checkpoint", str(checkpoint), "--out", str(out), *options]
        return main([*arguments, "--format", file_format])

    return run


def refused(status: int, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which an export fails, behind those that say what it does."""
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    *steps, line = err.splitlines()
    assert [step.split()[0] for step in steps] == ["Writing", "Reading", "Scoring"][: len(steps)]
    assert line.endswith(".")
    return line


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_scores_what_the_checkpoint_scores_and_says_so(
    export: Export, checkpoint: Path, tmp_path: Path, file_format: str
) -> None:
    out = tmp_path / "network.bin"
    assert export(out, file_format=file_format) == 0
    dataset, network = load_dataset("market_layout"), load_network(checkpoint)
    query, gallery = (
        embed_sightings(network, part, height=HEIGHT, width=WIDTH, device="cpu")
        for part in (dataset.query, dataset.gallery)
    )
    expected = metrics_of(retrieve(query, gallery, dataset.protocol))
    said = read_metadata(out)
    assert said["metrics"] == pytest.approx(expected)
    assert said["checkpoint_mAP"] == expected["mAP"]
    assert list(said["metrics"]) == list(METRICS)
    assert 0 <= said["largest_cosine_distance"] < 1e-10
    exported = Exported.load(out)
    mine = exported.features(dataset.query, batch_size=3)
    torch.testing.assert_close(
        mine.vectors, nn.functional.normalize(query.vectors), rtol=0, atol=1e-5
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["best.pt", "network.bin"]


def test_the_metadata_say_all_that_a_user_needs(
    export: Export, checkpoint: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    out = tmp_path / "network.ts"
    assert export(out, "--feature", "normalised", "--normalise", "outside") == 0
    said = read_metadata(out)
    assert (said["network"], said["input_size"], said["colour_order"]) == (
        "msinet",
        [32, 16],
        "RGB",
    )
    assert said["genotype"] == json.loads(PUBLISHED["msinet_msmt17"].to_json())
    assert said["normalisation"] == {
        "where": "outside",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    assert (said["feature"], said["feature_dimension"]) == ("normalised", 64 + 32)
    assert (said["training_data"], said["training"]["epochs"]) == ("another", 3)
    assert said["evaluation_data"] == "market_layout"
    assert said["protocol"] == {
        "camera_rule": True, "junk": [-1], "distractors": [0], "repeats": 0, "seed": 0,
    }  # fmt: skip
    origin = provenance()
    assert (said["commit"], said["torch_version"]) == (origin["commit"], origin["torch"])
    assert said["package_version"] == origin["nni-reid"]
    assert said["input_range"] == "[0, 1], then normalised"
    assert said["resize"].startswith("bilinear, antialiased")
    assert said["thresholds"]["rates_of"] == "pairs of a query and a gallery picture"
    dataset, network = load_dataset("market_layout"), load_network(checkpoint, feature="normalised")
    query, gallery = (
        embed_sightings(network, part, height=HEIGHT, width=WIDTH, device="cpu")
        for part in (dataset.query, dataset.gallery)
    )
    expected = similarity_thresholds(query, gallery, dataset.protocol)
    assert [at["rate"] for at in said["thresholds"]["at"]] == [0.001, 0.01]
    for at, threshold in zip(said["thresholds"]["at"], expected.chosen, strict=True):
        assert at["similarity"] == pytest.approx(threshold.similarity, abs=1e-5)
    text = json.dumps(said)
    assert str(tiny_folder) not in text
    assert str(tmp_path) not in text


def test_data_may_be_named(
    export: Export, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REID_DATA_ROOT")
    out = tmp_path / "network.ts"
    named = f"market_layout={tiny_folder}"
    assert export(out, "--data", named, "--precision", "16") == 0
    said = read_metadata(out)
    assert said["precision"] == "16"
    assert said["largest_cosine_distance"] > 1e-10


class Broken(nn.Module):
    """A shipped network whose features are changed at the end."""

    def __init__(self, shipped: Shipped, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.shipped, self.change = shipped, change

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        features: Tensor = self.change(self.shipped(images))
        return features


def constant(features: Tensor) -> Tensor:
    return torch.full_like(features, features.shape[1] ** -0.5)


def noisy(features: Tensor) -> Tensor:
    return nn.functional.normalize(features + 0.5 * torch.sin(1e4 * features), dim=1)


def other_order(features: Tensor) -> Tensor:
    return features.flip(1)


def of_the_batch(features: Tensor) -> Tensor:
    return nn.functional.normalize(features - features.mean(dim=0) / 2, dim=1)


def not_finite(features: Tensor) -> Tensor:
    return features * float("nan")


@pytest.mark.parametrize(
    ("file_format", "change", "words"),
    [
        ("torchscript", constant, "differ from the checkpoint's"),
        ("torchscript", other_order, "differ from the checkpoint's"),
        ("torchscript", of_the_batch, "differ between batches of 1 and of 7"),
        ("torchscript", not_finite, "differ between batches"),
        *((file_format, noisy, "differ from the checkpoint's") for file_format in FORMATS),
    ],
)
def test_a_graph_that_computes_something_else_leaves_no_file(
    export: Export,
    tmp_path: Path,
    file_format: str,
    change: Callable[[Tensor], Tensor],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*arguments: Any, **settings: Any) -> nn.Module:
        return Broken(ship(*arguments, **settings), change).eval()

    monkeypatch.setattr(export_run, "ship", broken)
    assert words in refused(export(tmp_path / "network", file_format=file_format), capsys)
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]


def test_a_file_that_is_not_the_one_that_was_tested_is_not_handed_over(
    export: Export,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second time its content is asked for, its features stand backwards."""
    convert = FORMATS["torchscript"].convert

    def two_faced(shipped: nn.Module, images: Tensor, opset: int) -> Callable[[str], bytes]:
        good = convert(shipped, images, opset)
        assert isinstance(shipped, Shipped)
        bad = convert(Broken(shipped, other_order).eval(), images, opset)
        contents = iter([good, bad])

        def written(metadata: str) -> bytes:
            return next(contents)(metadata)

        return written

    changed = FORMATS["torchscript"]._replace(convert=two_faced)
    monkeypatch.setattr(export_run, "FORMATS", {**FORMATS, "torchscript": changed})
    assert "computes something else than the one" in refused(export(tmp_path / "f"), capsys)
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]


def test_a_network_sees_the_colours_it_was_trained_with(
    export: Export, checkpoint: Path, tmp_path: Path
) -> None:
    """Mean 0.5 and deviation 0.25 of every colour; ImageNet's would be refused by the test."""
    saved, half = read_network(checkpoint), {"mean": [0.5] * 3, "std": [0.25] * 3}
    save_network(
        checkpoint, network_from(saved), saved.blueprint, info=INFO | {"normalisation": half}
    )
    out = tmp_path / "network.ts"
    assert export(out) == 0
    said = read_metadata(out)
    assert said["normalisation"] == {"where": "inside", **half}
    assert (said["input_range"], said["training"]) == ("[0, 1]", INFO)
    pixels = torch.randint(
        0, 256, (2, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    expected = load_network(checkpoint)((pixels / 255 - 0.5) / 0.25)
    torch.testing.assert_close(Exported.load(out)(pixels), expected, rtol=0, atol=1e-5)


def test_a_pre_trained_network_needs_the_name_of_a_data_set(
    export: Export, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = read_network(checkpoint)
    info = {"trained_on": "imagenet", "training": "classification"}
    save_network(checkpoint, network_from(saved), saved.blueprint, info=info)
    assert "pre-trained on classes" in refused(export(tmp_path / "f"), capsys)
    assert export(tmp_path / "f", "--data", "market_layout") == 0


def test_what_takes_long_is_said_in_a_log_too(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path / "network.ts") == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "Writing network.ts as torchscript.",
        "Reading network.ts back in its own runtime.",
        "Scoring the checkpoint and network.ts on market_layout.",
    ]
    pairs = read_metadata(tmp_path / "network.ts")["thresholds"]["pairs_of_two"]
    *_, low, _ = out.splitlines()
    assert low.startswith(f"no false accept of {pairs} pairs of two identities, too few for 0.1 %")


def test_a_file_that_kills_its_runtime_is_refused(
    export: Export,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deadly = FORMATS["torchscript"]._replace(rehearsal="import os; os.abort()")
    monkeypatch.setattr(export_formats, "FORMATS", {**FORMATS, "torchscript": deadly})
    assert "cannot open what was exported (status -6" in refused(export(tmp_path / "f"), capsys)
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]


def test_a_tenth_of_a_point_is_the_limit() -> None:
    require_equal_map(0.5, 0.5009)
    require_equal_map(0.5, 0.4991)
    for wrong in (0.5011, 0.4989, float("nan")):
        with pytest.raises(ValueError, match=r"0\.1 points are allowed"):
            require_equal_map(0.5, wrong)


def test_an_earlier_file_stays_until_a_whole_one_takes_its_place(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "network.ts"
    out.write_bytes(b"earlier")

    def stopped(*_arguments: Any, **_settings: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export_run, "compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(out)
    assert out.read_bytes() == b"earlier"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["best.pt", "network.ts"]


def test_what_cannot_be_exported_is_refused_in_a_sentence(
    export: Export,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "--out names a file in missing" in refused(export(tmp_path / "missing" / "f"), capsys)
    assert "both name best.pt" in refused(export(checkpoint), capsys)
    assert "is no network" not in refused(export(tmp_path / "f", "--data", "nothing"), capsys)
    blueprint = Blueprint("mobilenet_v3", height=HEIGHT, width=WIDTH)
    save_network(checkpoint, blueprint.build(), blueprint)
    assert "name one with --data NAME=ROOT" in refused(export(tmp_path / "f"), capsys)
    torch.save({"weights": 1}, checkpoint)
    assert "best.pt is not a network" in refused(export(tmp_path / "f"), capsys)
    with pytest.raises(SystemExit, match="2"):
        export(tmp_path / "f", "--opset", "18")
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]


def test_a_file_of_something_else_has_no_metadata(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="was not written by reid-nas export"):
        read_metadata(checkpoint)
    with pytest.raises(ValueError, match="There is no file"):
        read_metadata(tmp_path / "missing")


class Means(nn.Module):
    """Of the colours: converted in no time."""

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3"]:
        return images.mean(dim=(2, 3))


def test_an_opset_that_torch_cannot_write_is_no_other_opset(
    export: Export,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(export_run, "ship", lambda *_, **__: Means())
    status = export(tmp_path / "f", "--opset", "99", file_format="onnx")
    assert "where 99 was asked for" in refused(status, capsys)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The labels of the targets that were to be opened; none is."""
    labels: list[str] = []

    def opened(target: Target) -> None:
        labels.append(target.label)
        raise ValueError("Far enough.")

    monkeypatch.setattr(export_run, "open_target", opened)
    return labels


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("market_layout:vehicles_a", "market_layout:vehicles_a"),
        ("msmt17_v2", "msmt17"),
        ("vehicleid_800", "vehicleid"),
        ("vehicleid_1600", "vehicleid_1600"),
        ("msmt17_v1:mine", "msmt17:mine"),
        ("somebody_s", "somebody_s"),
    ],
)
def test_an_edition_is_found_under_the_name_of_its_data_set(
    said: str, known: str, asked: list[str]
) -> None:
    with pytest.raises(ValueError, match="Far enough"):
        evaluation_set(None, {"trained_on": "x", "tested_on": said})
    assert asked == [known]


@pytest.mark.parametrize(
    ("said", "asked_for"),
    [
        ({"tested_on": "personx", "targets": ["msmt17"]}, "personx"),
        ({"targets": ["msmt17", "personx"]}, "msmt17"),
        ({"targets": []}, "market1501"),
    ],
)
def test_a_file_that_was_not_tested_is_so_on_its_runs_target(
    said: dict[str, Any], asked_for: str, asked: list[str]
) -> None:
    """best.pt of a cross-domain run, say, whose last.pt was tested."""
    with pytest.raises(ValueError, match="Far enough"):
        evaluation_set(None, {"trained_on": "market1501", **said})
    assert asked == [asked_for]
