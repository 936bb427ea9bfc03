"""A training without labels learns the groups it finds, and no true identity reaches it."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from evaluators.camera_standardisation import standardised_by_camera
from evaluators.embedding import embed
from evaluators.pseudo_labels import pseudo_labels
from experiments import unsupervised
from experiments.config import override
from experiments.recipe import Recipe
from experiments.unsupervised import UnsupervisedEpoch, train_unsupervised
from experiments.unsupervised_settings import Unsupervised
from nas_space.heads import Description, EmbeddingNetwork, Head
from reid_data.catalog import load_dataset
from reid_data.loader import BatchLoader
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from strategies.contrastive_memory import ContrastiveMemory

COSINE = Unsupervised(cameras="ignored", distance="cosine", eps=0.02, min_samples=2, batches=3)

Labels = Callable[..., Tensor]


class Small(EmbeddingNetwork):
    """One head on one convolution."""

    channels, dimensions = 8, 8

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.filters = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8))
            self.head = Head(8)

    def describe(self, images: Tensor) -> Description:
        maps = self.filters(images)
        return Description((self.head(maps.mean(dim=(2, 3))),), maps)


@pytest.fixture
def recipe(tiny: Recipe) -> Recipe:
    return override(
        tiny, {"retrain.weights.learning_rate": 0.05, "retrain.epochs": 2, "data.identities": 3}
    )


@pytest.fixture
def sightings(recipe: Recipe) -> list[Sighting]:
    return list(load_dataset(recipe.data.name).train)


def trained(
    sightings: list[Sighting],
    recipe: Recipe,
    settings: Unsupervised = COSINE,
    *,
    network: EmbeddingNetwork | None = None,
    **kwargs: Any,
) -> tuple[EmbeddingNetwork, list[UnsupervisedEpoch]]:
    epochs: list[UnsupervisedEpoch] = []
    kwargs.setdefault("on_epoch", epochs.append)
    network = Small() if network is None else network
    train_unsupervised(network, sightings, recipe, settings=settings, **kwargs)
    return network, epochs


def state(network: EmbeddingNetwork) -> Tensor:
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def told(epochs: list[UnsupervisedEpoch]) -> list[UnsupervisedEpoch]:
    return [replace(epoch, seconds=0.0) for epoch in epochs]


def test_true_identities_and_ignored_cameras_change_no_bit(
    recipe: Recipe, sightings: list[Sighting]
) -> None:
    """Shuffled or all equal, and the pictures in another order as well: only the report differs."""
    network, epochs = trained(sightings, recipe)
    assert epochs[-1].groups > 1
    drawn = random.Random(0)
    numbers = [sighting.identity for sighting in sightings]
    drawn.shuffle(numbers)
    shuffled = [
        replace(sighting, identity=number, camera=number % 3)
        for sighting, number in zip(sightings, numbers, strict=True)
    ]
    drawn.shuffle(shuffled)
    nobody = [replace(sighting, identity=-1, camera=-1) for sighting in sightings]
    for others in (shuffled, nobody):
        network_again, epochs_again = trained(others, recipe)
        assert torch.equal(state(network), state(network_again))
        assert [epoch.loss for epoch in epochs] == [epoch.loss for epoch in epochs_again]
        assert [epoch.rand for epoch in epochs] != [epoch.rand for epoch in epochs_again]


def test_groups_are_those_of_features_without_their_cameras(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no true identity changes a bit then either."""
    compared: list[Tensor] = []

    def seen(vectors: Tensor, **settings: Any) -> Tensor:
        compared.append(vectors)
        return pseudo_labels(vectors, **settings)

    monkeypatch.setattr(unsupervised, "pseudo_labels", seen)
    settings = replace(COSINE, cameras="standardised", eps=0.2)
    ordered = sorted(sightings, key=lambda sighting: sighting.path)
    pictures = Pictures(ordered, height=recipe.data.height, width=recipe.data.width)
    start = embed(Small(), pictures, ordered, device=torch.device("cpu"))
    network, epochs = trained(sightings, recipe, settings)
    assert epochs[-1].groups > 1
    expected = standardised_by_camera(start.vectors, start.cameras)
    assert torch.allclose(compared[0], expected, atol=1e-4)  # memory formats round differently
    assert not torch.allclose(compared[0], start.vectors, atol=0.1)
    others = [replace(sighting, identity=n % 5) for n, sighting in enumerate(sightings)]
    assert torch.equal(state(trained(others, recipe, settings)[0]), state(network))


def test_centroids_begin_as_means_of_the_features_with_their_cameras(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standardised features only group: a batch's are compared with means of what it has itself."""
    labels: list[Tensor] = []
    begun: list[Tensor] = []
    original = ContrastiveMemory.initialise

    def group(feature: Tensor, **kwargs: Any) -> Tensor:
        labels.append(pseudo_labels(feature, **kwargs))
        return labels[-1]

    def initialise(self: ContrastiveMemory, batches: Any) -> None:
        original(self, batches)
        begun.append(self.centroid.clone())

    monkeypatch.setattr(unsupervised, "pseudo_labels", group)
    monkeypatch.setattr(ContrastiveMemory, "initialise", initialise)
    ordered = sorted(sightings, key=lambda sighting: sighting.path)
    pictures = Pictures(ordered, height=recipe.data.height, width=recipe.data.width)
    start = embed(Small(), pictures, ordered, device=torch.device("cpu"))

    def means(feature: Tensor) -> Tensor:
        unit = nn.functional.normalize(feature, dim=1)
        groups = range(int(labels[0].max()) + 1)
        total = torch.stack([unit[labels[0] == group].sum(dim=0) for group in groups])
        return nn.functional.normalize(total, dim=1)

    trained(sightings, recipe, replace(COSINE, cameras="standardised", eps=0.2))
    torch.testing.assert_close(begun[0], means(start.vectors), rtol=0, atol=1e-4)
    standardised = means(standardised_by_camera(start.vectors, start.cameras))
    assert not torch.allclose(begun[0], standardised, atol=0.1)


def test_the_network_learns_with_its_weights_in_channels_last_order(
    recipe: Recipe, sightings: list[Sighting]
) -> None:
    network = Small()
    weights = [part.weight for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert [weight.is_contiguous() for weight in weights] == [True]
    trained(sightings, override(recipe, {"retrain.epochs": 1}), network=network)
    (conv,) = (part for part in network.modules() if isinstance(part, nn.Conv2d))
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert not conv.weight.is_contiguous()


def contrast(feature: Tensor, group: list[int], centroid: list[Tensor], tau: float) -> float:
    """Minus the log-likelihood of the own centroid among all."""
    total = 0.0
    for f, y in zip(feature, group, strict=True):
        e = [float(torch.exp(f @ c / tau)) for c in centroid]
        total -= float(np.log(e[y] / sum(e)))
    return total / len(group)


def test_the_loss_is_the_contrast_with_centroids_that_begin_as_means_and_move(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are caught in the run: features that are grouped, and those of every batch."""
    grouped: list[tuple[Tensor, Tensor]] = []
    seen: list[tuple[Tensor, list[int]]] = []
    original = ContrastiveMemory.loss

    def group(feature: Tensor, **kwargs: Any) -> Tensor:
        labels = pseudo_labels(feature, **kwargs)
        grouped.append((feature.double(), labels))
        return labels

    def loss(self: ContrastiveMemory, feature: Tensor, identity: Tensor) -> Tensor:
        seen.append((feature.detach().double(), identity.tolist()))
        return original(self, feature, identity)

    monkeypatch.setattr(unsupervised, "pseudo_labels", group)
    monkeypatch.setattr(ContrastiveMemory, "loss", loss)
    settings = replace(COSINE, temperature=0.3, momentum=0.4)
    _, epochs = trained(sightings, recipe, settings)
    for number, epoch in enumerate(epochs):
        feature, labels = grouped[number]
        mean = [feature[labels == y].mean(dim=0) for y in range(int(labels.max()) + 1)]
        centroid = [m / m.norm() for m in mean]
        losses = []
        for f, identity in seen[3 * number : 3 * number + 3]:
            losses.append(contrast(f, identity, centroid, tau=0.3))
            for row, y in zip(f, identity, strict=True):
                moved = 0.4 * centroid[y] + 0.6 * row
                centroid[y] = moved / moved.norm()
        assert epoch.loss == pytest.approx(sum(losses) / 3, rel=1e-4)


def test_features_are_those_the_network_is_tested_by(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In evaluation mode, of every picture in the order of their files, without augmentation."""
    grouped: list[Tensor] = []

    def group(feature: Tensor, **kwargs: Any) -> Tensor:
        grouped.append(feature.clone())
        return pseudo_labels(feature, **kwargs)

    monkeypatch.setattr(unsupervised, "pseudo_labels", group)
    trained(sightings, override(recipe, {"retrain.epochs": 1}))
    size = recipe.data.width, recipe.data.height
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    expected = []
    for path in sorted(sighting.path for sighting in sightings):
        with Image.open(path) as picture:
            pixels = np.array(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR))
        x = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - mean) / std
        with torch.no_grad():
            expected.append(Small().eval()(x[None])[0])
    torch.testing.assert_close(grouped[0], torch.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every epoch's loader was made with."""
    found: list[dict[str, Any]] = []

    class Caught(BatchLoader):
        def __init__(self, pictures: Any, sightings: Any, labels: Any, **kwargs: Any) -> None:
            found.append({"sightings": sightings, **kwargs})
            super().__init__(pictures, sightings, labels, **kwargs)

    monkeypatch.setattr(unsupervised, "BatchLoader", Caught)
    return found


def given_labels(monkeypatch: pytest.MonkeyPatch, labels: list[int]) -> None:
    monkeypatch.setattr(unsupervised, "pseudo_labels", lambda _, **__: torch.tensor(labels))


def test_outliers_are_left_out_and_counted(
    recipe: Recipe,
    sightings: list[Sighting],
    batches: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten outliers, then groups of five."""
    count = len(sightings)
    labels = [-1] * 10 + [i // 5 for i in range(count - 10)]
    given_labels(monkeypatch, labels)
    _, epochs = trained(sightings, recipe)
    assert [epoch.outliers for epoch in epochs] == [10, 10]
    assert [epoch.groups for epoch in epochs] == [(count - 10) // 5] * 2
    paths = sorted(sighting.path for sighting in sightings)
    for epoch in batches:
        learnt = [(sighting.path, sighting.identity) for sighting in epoch["sightings"]]
        assert learnt == list(zip(paths, labels, strict=True))[10:]


def test_a_batch_has_all_groups_where_there_are_fewer_than_it_asks_for(
    recipe: Recipe,
    sightings: list[Sighting],
    batches: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_labels(monkeypatch, [i % 2 for i in range(len(sightings))])
    trained(sightings, recipe)
    assert [epoch["identities"] for epoch in batches] == [2, 2]


def test_every_epoch_has_as_many_batches_whatever_is_found(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 3 x 2 pictures: 40 show every picture once in 6 batches; eight in groups are repeated."""
    assert len(sightings) == 40
    given_labels(monkeypatch, [0, 0, 0, 0, 1, 1, 1, 1] + [-1] * 32)
    for batches, expected in ((0, 6), (11, 11)):
        done: list[tuple[int, int]] = []
        trained(
            sightings,
            override(recipe, {"retrain.epochs": 1}),
            replace(COSINE, batches=batches),
            on_batch=lambda *of, done=done: done.append(of),
        )
        assert done == [(i + 1, expected) for i in range(expected)]


def test_a_run_that_broke_off_goes_on_as_if_it_had_not(
    recipe: Recipe, sightings: list[Sighting], tmp_path: Path
) -> None:
    recipe = override(recipe, {"retrain.epochs": 3, "retrain.weights.schedule": "one_cycle"})
    straight, epochs = trained(sightings, recipe)
    heard: list[UnsupervisedEpoch] = []

    def breaks(epoch: UnsupervisedEpoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt
        heard.append(epoch)

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        trained(sightings, recipe, checkpoint=tmp_path / "state.pt", on_epoch=breaks)
    assert [epoch.epoch for epoch in heard] == [1]
    again, rest = trained(sightings, recipe, checkpoint=tmp_path / "state.pt")
    assert told(heard + rest) == told(epochs)
    assert torch.equal(state(again), state(straight))


def test_the_seed_decides_and_nothing_that_ran_before(
    recipe: Recipe, sightings: list[Sighting]
) -> None:
    found = []
    for disturbance, seed in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(disturbance)
        found.append(state(trained(sightings, override(recipe, {"seed": seed}))[0]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_pictures_anybody_can_tell_apart_are_grouped_by_identity_and_learnt(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Four colours, six pictures of each with a little noise."""
    noise = np.random.default_rng(0)
    sightings = []
    for identity, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)], start=1):
        for number in range(6):
            path = tmp_path / f"{number}_{identity}.png"
            pixels = np.clip(np.array(colour) + noise.integers(-9, 9, (32, 16, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            sightings.append(Sighting(identity, 1, path))
    network, epochs = trained(sightings, override(recipe, {"retrain.epochs": 8}))
    assert {(epoch.groups, epoch.outliers, epoch.rand) for epoch in epochs} == {(4, 0, 1.0)}
    assert epochs[-1].loss < 0.7 * epochs[0].loss
    assert not network.training


def test_the_last_epoch_is_always_the_best(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its loss is larger than an earlier one's, as where nothing moves."""
    given_labels(monkeypatch, [i % 4 for i in range(len(sightings))])
    changes = {"retrain.epochs": 6, "retrain.weights.learning_rate": 1e-9}
    _, epochs = trained(sightings, override(recipe, changes))
    losses = [epoch.loss for epoch in epochs]
    assert losses != sorted(losses, reverse=True)
    assert [epoch.best for epoch in epochs] == [True] * 6


def test_agreement_with_true_identities_worked_out_by_hand() -> None:
    """Groups {1, 1} and {1, 2}, and an outlier: of 6 pairs 2 share a group, 3 an identity, 1 both.

    By chance 2 * 3 / 6 = 1 pair shares both, at most (2 + 3) / 2: (1 - 1) / (2.5 - 1) = 0.
    """
    labels = torch.tensor([0, 0, 1, 1, -1])
    assert unsupervised._rand(labels, [1, 1, 1, 2, 9]) == pytest.approx(0)
    assert unsupervised._rand(labels, [1, 1, 2, 2, 1]) == 1


def test_too_few_groups_are_refused_in_a_sentence(
    recipe: Recipe, sightings: list[Sighting], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_labels(monkeypatch, [0] * 30 + [-1] * 10)
    with pytest.raises(ValueError, match=r"^Before epoch 1 .* 1 group.* 10 outliers .*\.$"):
        trained(sightings, recipe)


@pytest.mark.parametrize(
    "change", [{"devices": 2}, {"held_out": 0.2}, {"alignment.mode": "pos_neg"}]
)
def test_what_needs_labels_is_refused(
    change: dict[str, Any], recipe: Recipe, sightings: list[Sighting]
) -> None:
    fields = {f"retrain.{name}": value for name, value in change.items()}
    with pytest.raises(ValueError, match=r"^A training without labels .* are needed"):
        trained(sightings, override(recipe, fields))


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"momentum": 1.5},
        {"momentum": -0.1},
        {"batches": -1},
        {"eps": 2.0},
    ],
)
def test_settings_out_of_their_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needed"):
        Unsupervised(**change)
