"""Pictures become the features of the evaluation, without NNI, Lightning or this project's rest."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas_space.genotype import PUBLISHED
from nas_space.inference import Embedder, Picture
from nas_space.networks import Blueprint, load_network, save_network
from reid_data.decoding import decoded
from reid_data.transforms import normalise

BLUEPRINT = Blueprint(genotype=PUBLISHED["msinet_msmt17"], height=64, width=32, channel_factor=0.25)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose weights and statistics are not those of the start."""
    path = tmp_path_factory.mktemp("network") / "best.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = BLUEPRINT.build()
        network(torch.randn(8, 3, 64, 32))
    save_network(path, network, BLUEPRINT)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five pictures of different size, one grey, one with a palette and one with transparency."""
    folder, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = []
    for number, mode in enumerate(("RGB", "RGB", "L", "P", "RGBA")):
        size = (90 + 31 * number, 45 + 7 * number, 3)
        image = Image.fromarray(generator.integers(0, 256, size, dtype=np.uint8))
        paths.append(folder / f"{number}.png")
        image.convert(mode).save(paths[-1])
    return paths


def test_features_are_those_of_the_evaluation_to_the_bit(file: Path, pictures: list[Path]) -> None:
    x = normalise(torch.from_numpy(np.stack([decoded(p, height=64, width=32) for p in pictures])))
    with torch.no_grad():
        expected = load_network(file)(x)
    features = Embedder.load(file)(pictures)
    assert torch.equal(features, expected)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(5))


def test_a_picture_in_memory_is_its_file(file: Path, pictures: list[Path]) -> None:
    embedder = Embedder.load(file)
    with Image.open(pictures[0]) as first:
        mixed: list[Picture] = [first, str(pictures[1]), *pictures[2:]]
        assert torch.equal(embedder(mixed), embedder(pictures))


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_features_come_in_order_however_many_are_embedded_at_a_time(
    file: Path, pictures: list[Path], batch_size: int
) -> None:
    features = Embedder.load(file, batch_size=batch_size)(pictures)
    torch.testing.assert_close(features, Embedder.load(file)(pictures))


def test_no_pictures_have_no_rows(file: Path) -> None:
    embedder = Embedder.load(file)
    assert embedder([]).shape == (0, embedder.dimensions) == (0, 192)


def test_colours_are_brought_to_what_the_file_says(tmp_path: Path, pictures: list[Path]) -> None:
    network = BLUEPRINT.build().eval()
    colours = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}
    save_network(tmp_path / "n.pt", network, BLUEPRINT, info={"normalisation": colours})
    bytes_ = torch.from_numpy(decoded(pictures[0], height=64, width=32))
    x = torch.stack([(bytes_[c] / 255 - colours["mean"][c]) / colours["std"][c] for c in range(3)])
    with torch.no_grad():
        expected = network(x[None])
    torch.testing.assert_close(Embedder.load(tmp_path / "n.pt")(pictures[:1]), expected)


def test_the_feature_can_be_chosen(file: Path, pictures: list[Path]) -> None:
    network = load_network(file, feature="normalised")
    expected = Embedder(network, height=64, width=32)(pictures)
    assert torch.equal(Embedder.load(file, feature="normalised")(pictures), expected)
    assert not torch.equal(Embedder.load(file)(pictures), expected)


def test_a_picture_that_cannot_be_read_is_named(file: Path, tmp_path: Path) -> None:
    whole, noise = tmp_path / "whole.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    Image.fromarray(noise.astype(np.uint8)).save(whole)
    content = whole.read_bytes()
    (tmp_path / "broken.jpg").write_bytes(content[:4])
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "zeros.jpg").write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    (tmp_path / "padded.jpg").write_bytes(content + bytes(9))
    for name in ("broken.jpg", "gone.jpg", "half.jpg", "zeros.jpg"):
        with pytest.raises(ValueError, match=rf"{name} is no picture that can be read"):
            Embedder.load(file)([tmp_path / name])
    assert torch.equal(Embedder.load(file)([tmp_path / "padded.jpg"]), Embedder.load(file)([whole]))


WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(name + " is not to be imported")

sys.meta_path.insert(0, Refuse())
{program}
"""

OTHERS = ("nni", "pytorch_lightning", "lightning", "torchvision", "sklearn", "matplotlib")
OURS = ("reid_data", "strategies", "evaluators", "experiments")


def run(program: str, *refused: str) -> str:
    """Its output, where some packages cannot be imported."""
    code = WITHOUT.format(refused=refused, program=program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout.strip()


def test_a_refused_package_cannot_be_imported() -> None:
    program = "try:\n import nni\nexcept ImportError as error:\n print(error)"
    assert run(program, *OTHERS) == "nni is not to be imported"


def test_pictures_are_embedded_without_nni_lightning_and_the_rest_of_the_project(
    file: Path, pictures: list[Path]
) -> None:
    program = f"""
from nas_space import Embedder, load_network
import nas_space.checkpoints, nas_space.peers
load_network({str(file)!r})
print(Embedder.load({str(file)!r})([{str(pictures[0])!r}]).argmax().item())
"""
    expected = Embedder.load(file)(pictures[:1]).argmax().item()
    assert run(program, *OTHERS, *OURS) == str(expected)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_an_empty_picture_is_refused(file: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"^A picture of {size[0]} x {size[1]} pixels"):
        Embedder.load(file)([Image.new("RGB", size)])


def test_a_picture_without_a_list_is_refused(file: Path, pictures: list[Path]) -> None:
    program = f"""
from pathlib import Path
from PIL import Image
from nas_space import Embedder
embedder, name = Embedder.load({str(file)!r}), {str(pictures[0])!r}
for alone in (name, Path(name), Image.open(name)):
    try:
        embedder(alone)
    except ValueError as error:
        print(error)
"""
    sentence = "One picture was handed in alone: put it into a list."
    assert run(program).splitlines() == [sentence] * 3


def test_importing_the_package_alone_imports_nothing_heavy() -> None:
    program = "import nas_space; print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    assert run(program) == "[]"


def test_the_package_has_no_other_names() -> None:
    import nas_space

    with pytest.raises(AttributeError, match="no attribute 'load_networks'"):
        _ = nas_space.load_networks


def test_what_is_no_picture_is_called_by_its_type(file: Path) -> None:
    program = f"""
import numpy as np, torch
from nas_space import Embedder
embedder = Embedder.load({str(file)!r})
for handed_in in (
    [np.zeros((64, 32, 3), np.uint8)], [torch.zeros(3, 64, 32)], [b"xyz"],
    (name for name in ("a.jpg",)), torch.zeros(2, 3, 64, 32),
):
    try:
        embedder(handed_in)
    except ValueError as error:
        print(str(error).partition(":")[0])
"""
    assert run(program).splitlines() == [
        "A picture was handed in as numpy.ndarray",
        "A picture was handed in as torch.Tensor",
        "A picture was handed in as bytes",
        "Pictures were handed in as generator",
        "Pictures were handed in as torch.Tensor",
    ]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_no_picture_at_a_time_is_refused(file: Path, batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"^batch_size is {batch_size}: 1 picture"):
        Embedder.load(file, batch_size=batch_size)


def test_a_feature_that_is_none_is_refused(file: Path) -> None:
    program = f"""
from nas_space.networks import Blueprint, load_network
for ask in (
    lambda: load_network({str(file)!r}, feature="nonsense"),
    lambda: Blueprint(network="resnet50", feature="nonsense"),
):
    try:
        ask()
    except ValueError as error:
        print(error)
"""
    sentence = "No feature 'nonsense': expected one of pooled, normalised."
    assert run(program).splitlines() == [sentence] * 2
