"""The README's listings for a network's user do what they say, word for word."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas_space import Embedder
from nas_space.genotype import PUBLISHED
from nas_space.networks import Blueprint, save_network

README = Path(__file__).parents[2] / "README.md"

WITHOUT_NNI = """
import sys
for package in ("nni", "pytorch_lightning", "experiments"):
    sys.modules[package] = None
"""


def listing(word: str) -> str:
    """The only Python listing of the README that has this word."""
    listings = README.read_text(encoding="utf-8").split("```python\n")[1:]
    (code,) = (text.partition("```")[0] for text in listings if word in text.partition("```")[0])
    return code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a network where the README has it, and pictures to look at."""
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
    run = tmp_path / "runs" / "found"
    run.mkdir(parents=True)
    save_network(run / "best.pt", network, blueprint, info={})
    (tmp_path / "gallery").mkdir()
    noise = np.random.default_rng(0)
    for number in range(7):
        pixels = noise.integers(0, 256, (32, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "gallery" / f"{number}.jpg", quality=100)
    (tmp_path / "query.jpg").write_bytes((tmp_path / "gallery" / "3.jpg").read_bytes())
    return tmp_path


def test_the_nearest_picture_is_found_without_nni(folder: Path) -> None:
    code = listing("features = embedder(gallery)")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NNI + code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 5
    assert said[0] == "1.000  3.jpg"


def test_a_tracker_gets_the_features_of_its_boxes(folder: Path) -> None:
    names: dict[str, object] = {}
    exec(listing("class Appearance"), names)
    appearance = names["Appearance"](folder / "runs" / "found" / "best.pt")  # type: ignore[operator]
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8))
    frame = np.asarray(picture)[..., ::-1]
    boxes = [(10, 20, 26, 52), (-30, -5, 12, 30), (70, 50, 10**5, 10**5), (200, 10, 210, 20)]
    features = appearance(frame, np.array(boxes, dtype=float))
    assert features.shape == (4, appearance.embedder.network.dimensions)
    crops = [(10, 20, 26, 52), (0, 0, 12, 30), (70, 50, 80, 60), (79, 10, 80, 20)]
    expected = Embedder.load(folder / "runs" / "found" / "best.pt")(
        [picture.crop(corners) for corners in crops]
    )
    assert np.array_equal(features, expected.numpy())
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


def test_a_frame_without_boxes_has_no_features(folder: Path) -> None:
    names: dict[str, object] = {}
    exec(listing("class Appearance"), names)
    appearance = names["Appearance"](folder / "runs" / "found" / "best.pt")  # type: ignore[operator]
    assert appearance(np.zeros((60, 80, 3), np.uint8), []).shape[0] == 0
