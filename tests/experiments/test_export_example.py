"""An exported ONNX file is used, and scored, with ONNX Runtime, numpy and Pillow alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from evaluators.feature_file import read_features
from evaluators.retrieval import retrieve
from experiments.export_command import main
from experiments.exported import read_metadata
from nas_space.genotype import PUBLISHED
from nas_space.networks import Blueprint, save_network
from reid_data.catalog import load_dataset

README = Path(__file__).parents[2] / "README.md"
FIRST_LINE = "# embed.py: ONNX Runtime, numpy and Pillow"

WITHOUT_TORCH = """
import sys
for package in ("torch", "torchvision", "nni", "pytorch_lightning", "nas_space", "experiments"):
    sys.modules[package] = None
"""

SCORING = """
def part(folder):
    files = sorted(pathlib.Path(folder).glob("[0-9]*.png"))
    names = [file.name.split("_") for file in files]
    return embed(files), [int(n[0]) for n in names], [int(n[1][1]) for n in names]

q, g = part("query"), part("bounding_box_test")
np.savez("features.npz", query_features=q[0], query_ids=q[1], query_cameras=q[2],
         gallery_features=g[0], gallery_ids=g[1], gallery_cameras=g[2])
"""


def example() -> str:
    """The README's listing that begins with the line above, for pictures that are PNG files."""
    listings = README.read_text(encoding="utf-8").split("```")
    (code,) = (text for text in listings if text.startswith(f"python\n{FIRST_LINE}"))
    return code.removeprefix("python\n").replace("*.jpg", "*.png")


@pytest.fixture(scope="module", params=["inside", "outside"])
def folder(
    tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """With an exported network, colours normalised inside it or not, and the tiny data set."""
    root: Path = tmp_path_factory.mktemp("example")
    blueprint = Blueprint(
        genotype=PUBLISHED["msinet_msmt17"],
        height=32,
        width=16,
        channel_factor=0.125,
        depths=(1, 1),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = blueprint.build()
    save_network(root / "best.pt", network, blueprint, info={"trained_on": "market_layout"})
    for part in ("query", "bounding_box_test"):
        (root / part).symlink_to(next(tiny_folder.rglob(part)))
    arguments = ["--checkpoint", str(root / "best.pt"), "--out", str(root / "reid.onnx")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_DATA_ROOT", str(tiny_folder))
        assert main([*arguments, "--format", "onnx", "--normalise", request.param]) == 0
        yield root


def ran(code: str, folder: Path) -> str:
    """What a fresh Python prints in which torch cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_example_finds_the_nearest_picture(folder: Path) -> None:
    said = ran(example(), folder).splitlines()
    names = {file.name for file in (folder / "bounding_box_test").iterdir()}
    queries = len(list((folder / "query").glob("*.png")))
    assert all(any(name in line for name in names) for line in said[:queries])
    accepts = read_metadata(folder / "reid.onnx")["thresholds"]["at"][1]["similarity"]
    assert len(said[queries:]) == (accepts is not None)


def test_features_of_the_example_score_what_the_file_says(folder: Path) -> None:
    ran(example() + SCORING, folder)
    protocol = load_dataset("market_layout").protocol
    parts = read_features(folder / "features.npz", protocol)
    said = read_metadata(folder / "reid.onnx")
    assert retrieve(*parts, protocol).mAP == pytest.approx(said["metrics"]["mAP"], abs=1e-9)
