"""Small data sets on disk."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest


@pytest.fixture
def market_folder() -> Callable[..., Path]:
    """Writes a folder in Market-1501's layout whose pictures are empty files."""

    def write(
        root: Path,
        *,
        train: Iterable[str] = ("0001_c1s1_000001_00.jpg", "0001_c2s1_000001_00.jpg"),
        query: Iterable[str] = ("0002_c1s1_000001_00.jpg",),
        gallery: Iterable[str] = ("0002_c2s1_000001_00.jpg",),
    ) -> Path:
        parts = {"bounding_box_train": train, "query": query, "bounding_box_test": gallery}
        for folder, names in parts.items():
            (root / folder).mkdir(parents=True)
            for name in names:
                (root / folder / name).touch()
        return root

    return write
