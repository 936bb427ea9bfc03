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
IDENTITIES, PICTURES, FIELD = 24, 8, 2
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


@dataclass(frozen=True)
class Planted:
    data: SearchData
    space: Callable[[], PlantedSpace]
    truth: dict[str, str]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    sightings = []
    for identity in range(1, IDENTITIES + 1):
        code = rng.normal(128, 40, (1, SLOTS, 3))
        for picture in range(PICTURES):
            path = folder / f"{identity:02d}_{picture}.png"
            seen = np.repeat(code + rng.normal(0, 30, code.shape), FIELD, axis=1)
            pixels = np.repeat(seen, FIELD, axis=0).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path)
            sightings.append(Sighting(identity, picture % 2, path))
    data = SearchData(
        tuple(sightings),
        (),
        height=FIELD,
        width=FIELD * SLOTS,
        identities=6,
        images=4,
        augmentation=STILL,
    )

    def space() -> PlantedSpace:
        torch.manual_seed(0)
        return PlantedSpace()

    return Planted(data, space, PlantedSpace.truth())
