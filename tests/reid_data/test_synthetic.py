"""The embedded data set is the same wherever it is rendered, complete or absent, and hard rightly.

A picture is a function of (seed, kind, domain, identity, camera, shot) alone. Cameras hide the
identity from an untrained network; a small trained one finds it, and leaves room above itself.
"""

import re
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from reid_data import synthetic, synthetic_scene
from reid_data.synthetic import (
    EMBEDDED,
    Split,
    SyntheticSettings,
    contact_sheet,
    main,
    render,
    write,
)
from reid_data.synthetic_person import Person
from reid_data.synthetic_vehicle import Vehicle

SMALL = SyntheticSettings(
    train_identities=3, test_identities=2, cameras=2, shots=3, distractors=2, junk=1
)
MARKET_NAME = re.compile(r"^(-1|\d{4})_c([1-9])s\d_\d{6}_\d{2}\.png$")


@pytest.fixture(autouse=True)
def _without_shape_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing makes hundreds of small calls a picture: checking each takes twenty times as long."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.png")
    }


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures, in grey levels."""
    a, b = (np.asarray(image, dtype=np.float64) for image in (one, other))
    return float(np.abs(a - b).mean())


def test_the_number_of_pictures_is_what_the_settings_say() -> None:
    # train: 3 identities x 2 cameras x 3 shots = 18; query: 2 x 2 x 1 = 4;
    # gallery: 2 x 2 x (3 - 1) = 8, and 2 distractors, and 1 junk = 11
    splits = Counter(split for split, _, _ in render(SMALL))
    assert splits == {Split.TRAIN: 18, Split.QUERY: 4, Split.GALLERY: 11}


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_file_name_is_one_of_market1501_and_occurs_once(name: str) -> None:
    few = replace(EMBEDDED[name], train_identities=2, test_identities=2)
    names = [picture.name for picture in render(few)]
    assert all(MARKET_NAME.match(name) for name in names)
    assert len(set(names)) == len(names)


def test_training_and_test_identities_are_disjoint_and_each_query_has_positives() -> None:
    seen: dict[Split, list[tuple[int, int]]] = {split: [] for split in Split}
    for split, name, _ in render(SMALL):
        identity, camera = name.split("_")[:2]
        seen[split].append((int(identity), int(camera[1])))
    train, query, gallery = (seen[split] for split in Split)
    assert {identity for identity, _ in train} == {1, 2, 3}
    assert {identity for identity, _ in query} == {4, 5}
    assert {identity for identity, _ in gallery} == {4, 5, 0, -1}
    assert sorted(query) == [(4, 1), (4, 2), (5, 1), (5, 2)]  # one per identity and camera
    for asked, near in query:
        assert any(who == asked and where != near for who, where in gallery)


@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from(["persons", "vehicles"]),
    domain=st.sampled_from([0, 1]),
    seed=st.integers(0, 2**31 - 1),
    identity=st.integers(1, 9998),
    camera=st.integers(1, 9),
    shot=st.integers(0, 98),
    size=st.tuples(st.integers(16, 80), st.integers(16, 80)),
)
def test_a_picture_depends_on_its_own_numbers_only(
    kind: str, domain: int, seed: int, identity: int, camera: int, shot: int, size: tuple[int, int]
) -> None:
    base = SyntheticSettings(
        kind=kind,  # type: ignore[arg-type]
        domain=domain,  # type: ignore[arg-type]
        seed=seed,
        height=size[0],
        width=size[1],
    )
    more = replace(base, train_identities=1, test_identities=4999, cameras=9, shots=99, junk=0)
    picture = base.world.picture(identity, camera, shot)
    assert picture.size == (size[1], size[0])
    assert picture.mode == "RGB"
    assert picture.tobytes() == more.world.picture(identity, camera, shot).tobytes()


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_types_of_the_drawing_code_are_true(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", False)
    for identity in range(1, 13):
        EMBEDDED[name].world.picture(identity, 1 + identity % 9, identity)


@pytest.mark.parametrize("name", EMBEDDED)
def test_render_gives_the_pictures_that_are_rendered_alone(name: str) -> None:
    few = replace(EMBEDDED[name], train_identities=2, test_identities=1, shots=2)
    rendered = {picture.name: picture.image for picture in render(few)}
    alone = few.world.picture(3, 4, 1)
    assert rendered["0003_c4s1_000002_00.png"].tobytes() == alone.tobytes()


@pytest.mark.parametrize("name", EMBEDDED)
def test_seeds_domains_and_shots_all_change_the_picture(name: str) -> None:
    world = EMBEDDED[name].world
    picture = world.picture(1, 1, 0)
    others = [
        world.picture(1, 1, 1),
        replace(world, seed=1).picture(1, 1, 0),
        replace(world, domain=0 if world.domain else 1).picture(1, 1, 0),
    ]
    assert all(distance(picture, other) > 5 for other in others)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_identity_looks_the_same_to_all_cameras_and_like_no_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Person | Vehicle] = []
    for drawing in ("draw_person", "draw_vehicle"):
        monkeypatch.setattr(synthetic_scene, drawing, lambda _, who, **__: drawn.append(who))
    world = EMBEDDED[name].world
    looks: list[Person | Vehicle] = []
    for identity in range(1, 41):
        in_all = None
        for camera, shot in ((1, 0), (2, 0), (3, 1), (9, 98)):
            drawn.clear()
            world.picture(identity, camera, shot)  # passers-by are drawn too
            in_all = {*drawn} if in_all is None else in_all & {*drawn}
        assert in_all is not None
        assert len(in_all) == 1
        looks += in_all
    assert len(set(looks)) == 40


@pytest.mark.parametrize("name", EMBEDDED)
def test_cameras_show_one_identity_very_differently(name: str) -> None:
    per_camera = [EMBEDDED[name].world.picture(1, camera, 0) for camera in range(1, 5)]
    pairs = [(a, b) for a in range(4) for b in range(a)]
    assert all(distance(per_camera[a], per_camera[b]) > 10 for a, b in pairs)


def test_written_pictures_are_the_rendered_ones_and_nothing_else_stays(tmp_path: Path) -> None:
    folder = write(SMALL, tmp_path / "made" / "here")
    assert list(folder.parent.iterdir()) == [folder]
    rendered = list(render(SMALL))
    assert len(files_of(folder)) == len(rendered) == 33
    for split, name, image in rendered:
        with Image.open(folder / split / name) as written:
            assert written.tobytes() == image.tobytes()


def test_writing_twice_gives_the_same_folder_and_renders_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(SMALL, tmp_path)
    before = files_of(folder)
    monkeypatch.setattr(synthetic, "render", lambda _: pytest.fail("it was rendered again"))
    assert write(SMALL, tmp_path) == folder
    assert files_of(folder) == before


def test_other_settings_go_to_another_folder_with_other_pictures(tmp_path: Path) -> None:
    folder, other = write(SMALL, tmp_path), write(replace(SMALL, seed=1), tmp_path)
    assert folder != other
    ours, theirs = files_of(folder), files_of(other)
    assert ours.keys() == theirs.keys()
    assert all(ours[name] != theirs[name] for name in ours)


def test_four_processes_that_write_at_once_all_get_one_complete_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        folders = set(pool.map(write, [SMALL] * 4, [tmp_path] * 4))
    assert len(folders) == 1
    assert list(tmp_path.iterdir()) == [*folders]
    assert len(files_of(*folders)) == 33


def test_a_write_that_breaks_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", no_space)
    with pytest.raises(OSError, match="no space left"):
        write(SMALL, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "value"), [("shots", 1), ("cameras", 10), ("height", 0), ("seed", -1), ("junk", -1)]
)
def test_a_number_out_of_range_is_named_with_its_range(wrong: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{wrong} is {value}: choose a number from \d+ to \d+"):
        replace(SMALL, **{wrong: value})  # type: ignore[arg-type]


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no kind 'horses' in domain 0: use 'persons' or 'veh"):
        SyntheticSettings(kind="horses")  # type: ignore[arg-type]


def test_the_contact_sheet_shows_all_four_data_sets_in_under_200_kib(tmp_path: Path) -> None:
    main(["--contact-sheet", str(tmp_path / "sheet.png")])
    assert (tmp_path / "sheet.png").stat().st_size < 200 * 1024
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == contact_sheet().size


@dataclass(frozen=True)
class Part:
    images: Float[Tensor, "N 3 H W"]
    identities: list[int]
    cameras: list[int]


def load(settings: SyntheticSettings) -> dict[Split, Part]:
    """Pictures of half the size: a network learns them in a quarter of the time, and as well."""
    pixels: dict[Split, list[Tensor]] = {split: [] for split in Split}
    words: dict[Split, list[tuple[int, int]]] = {split: [] for split in Split}
    for split, name, image in render(settings):
        identity, camera = name.split("_")[:2]
        if identity != "-1":
            pixels[split].append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
            words[split].append((int(identity), int(camera[1])))
    return {
        split: Part(
            F.avg_pool2d((torch.stack(pixels[split]).float() / 255 - 0.45) / 0.25, 2),
            [identity for identity, _ in words[split]],
            [camera for _, camera in words[split]],
        )
        for split in Split
    }


def mean_average_precision(
    query: Float[Tensor, "Q D"], gallery: Float[Tensor, "G D"], data: dict[Split, Part]
) -> float:
    """As it is defined, one query at a time; the query's identity in its camera is left out."""
    asked, kept = data[Split.QUERY], data[Split.GALLERY]
    similar = F.normalize(query, dim=1) @ F.normalize(gallery, dim=1).T
    precisions = []
    for row, identity, camera in zip(similar, asked.identities, asked.cameras, strict=True):
        found, rank, hits = [], 0, 0
        for column in row.argsort(descending=True, stable=True).tolist():
            same = kept.identities[column] == identity
            if same and kept.cameras[column] == camera:
                continue
            rank += 1
            if same:
                hits += 1
                found.append(hits / rank)
        precisions.append(sum(found) / len(found))
    return sum(precisions) / len(precisions)


def four_layers() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width in (32, 64, 128, 256):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels))


@torch.no_grad()
def score(network: nn.Sequential, data: dict[Split, Part]) -> float:
    network.eval()
    query, gallery = (
        torch.cat([network(images[at : at + 128]) for at in range(0, len(images), 128)])
        for images in (data[Split.QUERY].images, data[Split.GALLERY].images)
    )
    return mean_average_precision(query, gallery, data)


def train(network: nn.Sequential, part: Part, *, epochs: int) -> None:
    labels = torch.tensor(part.identities) - 1
    classifier = nn.Linear(256, int(labels.max()) + 1)
    optimiser = torch.optim.Adam([*network.parameters(), *classifier.parameters()], lr=1e-3)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for at in range(0, len(labels), 64):
            batch = order[at : at + 64]
            images, mirrored = part.images[batch], torch.rand(len(batch), 1, 1, 1) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
            loss = F.cross_entropy(classifier(network(images)), labels[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDED)
def test_an_untrained_network_sees_little_and_a_small_trained_one_much_but_not_all(
    name: str,
) -> None:
    torch.manual_seed(0)
    data = load(EMBEDDED[name])
    network = four_layers()
    untrained = score(network, data)
    chance = mean_average_precision(
        torch.randn(len(data[Split.QUERY].identities), 64),
        torch.randn(len(data[Split.GALLERY].identities), 64),
        data,
    )
    train(network, data[Split.TRAIN], epochs=8)
    trained = score(network, data)
    assert untrained <= max(3 * chance, trained / 3)
    assert trained >= 6 * chance  # after these few epochs; it still climbs
    assert trained <= 0.75
