"""A task with a planted truth: tiny pictures of four fields, each with a part of the identity."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from PIL import Image
from torch import Tensor, nn

from reid_data.datamodule import SearchData
from reid_data.records import Sighting
from reid_data.transforms import Augmentation

SLOTS = 4
IDENTITIES, HELD_OUT, PICTURES, FIELD = 24, 12, 8, 2
STILL = Augmentation(flip=0.0, pad=0, erasing=0.0)


class Noise(nn.Module):
    """Numbers as large as the field's, that change wildly with its smallest change."""

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.frequency * x.detach())


class PlantedSpace(ModelSpace):  # type: ignore[misc]
    """Slot i sees field i only; the one candidate that lets it through has another name in each."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = nn.ModuleList(
            LayerChoice(
                {name: self._candidate(name, slot) for name in ("a", "b", "c")}, label=f"slot{slot}"
            )
            for slot in range(SLOTS)
        )
        self.weights = nn.Linear(3 * SLOTS, 3 * SLOTS, bias=False)

    @staticmethod
    def truth() -> dict[str, str]:
        return {f"slot{slot}": "abc"[slot % 3] for slot in range(SLOTS)}

    @classmethod
    def _candidate(cls, name: str, slot: int) -> nn.Module:
        role = (ord(name) - ord("a") - slot) % 3
        return (nn.Identity(), Noise(7e3), Noise(9e3))[role]

    def forward(self, images: Tensor) -> Tensor:
        fields = images.unfold(3, FIELD, FIELD).mean(dim=(2, 4))
        seen = [slot(fields[:, :, i]) for i, slot in enumerate(self.slots)]
        features: Tensor = self.weights(torch.cat(seen, dim=1))
        return features


Pair = tuple[Tensor, Tensor]


class Keep(nn.Module):
    def forward(self, pair: Pair) -> Pair:
        return pair


class Swap(nn.Module):
    def forward(self, pair: Pair) -> Pair:
        return pair[1], pair[0]


class Mix(nn.Module):
    """The one candidate with a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, pair: Pair) -> Pair:
        return pair[0] + self.weight * pair[1], pair[1] - self.weight * pair[0]


class PairSpace(ModelSpace):  # type: ignore[misc]
    """Two slots that map a pair to a pair, as those of the MSI space do, and batch norms."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stems = nn.ModuleList(nn.Linear(3 * FIELD * FIELD * SLOTS, width) for _ in "ab")
        self.slots = nn.ModuleList(
            LayerChoice({"keep": Keep(), "swap": Swap(), "mix": Mix()}, label=label)
            for label in ("z_first", "a_second")
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in "ab")
        self.weights = nn.Linear(2 * width, 2 * width)

    def forward(self, images: Tensor) -> Tensor:
        a, b = (stem(images.flatten(1)) for stem in self.stems)
        first, second = self.slots
        a, b = first((a, b))
        a, b = second((self.norms[0](a).relu(), self.norms[1](b).relu()))
        features: Tensor = self.weights(torch.cat([a, b], dim=1))
        return features


@dataclass(frozen=True)
class Planted:
    data: SearchData
    space: Callable[[], PlantedSpace]
    truth: dict[str, str]
    pairs: Callable[[], PairSpace]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    sightings = []
    for identity in range(1, IDENTITIES + HELD_OUT + 1):
        code = rng.normal(128, 40, (1, SLOTS, 3))
        for picture in range(PICTURES):
            path = folder / f"{identity:02d}_{picture}.png"
            seen = np.repeat(code + rng.normal(0, 30, code.shape), FIELD, axis=1)
            pixels = np.repeat(seen, FIELD, axis=0).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path)
            sightings.append(Sighting(identity, picture % 2, path))
    data = SearchData(
        tuple(s for s in sightings if s.identity <= IDENTITIES),
        tuple(s for s in sightings if s.identity > IDENTITIES),
        height=FIELD,
        width=FIELD * SLOTS,
        identities=6,
        images=4,
        augmentation=STILL,
    )

    def space() -> PlantedSpace:
        torch.manual_seed(0)
        return PlantedSpace()

    return Planted(data, space, PlantedSpace.truth(), PairSpace)
