"""Small data sets on disk."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

PUBLISHED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Market-1501-v15.09.15": {
        "bounding_box_train/": [
            "0002_c1s1_000451_03.jpg",
            "0002_c2s1_000301_01.jpg",
            "Thumbs.db",
        ],
        "query/": ["0003_c1s6_015971_00.jpg"],
        "bounding_box_test/": [
            "-1_c1s1_000401_03.jpg",
            "0000_c1s1_000151_01.jpg",
            "0003_c3s3_064744_00.jpg",
            "Thumbs.db",
        ],
        "gt_bbox/": ["0003_c1s6_015971_00.jpg"],
        "": ["readme.txt"],
    },
    "MSMT17_V1": {
        "train/0000/": [
            "0000_000_01_0303morning_0015_0.jpg",
            "0000_001_05_0303noon_0009_0.jpg",
        ],
        "test/0000/": [
            "0000_000_02_0303morning_0008_0.jpg",
            "0000_001_03_0303morning_0008_0.jpg",
        ],
        "list_train.txt": ["0000/0000_000_01_0303morning_0015_0.jpg 0"],
        "list_val.txt": ["0000/0000_001_05_0303noon_0009_0.jpg 0"],
        "list_query.txt": ["0000/0000_000_02_0303morning_0008_0.jpg 0"],
        "list_gallery.txt": ["0000/0000_001_03_0303morning_0008_0.jpg 0"],
    },
    "MSMT17_V2": {
        "mask_train_v2/0000/": [
            "0000_000_01_0303morning_0015_0_ex.jpg",
            "0000_001_05_0303noon_0009_0_ex.jpg",
        ],
        "mask_test_v2/0000/": [
            "0000_000_02_0303morning_0008_0_ex.jpg",
            "0000_001_03_0303morning_0008_0_ex.jpg",
        ],
        "list_train.txt": ["0000/0000_000_01_0303morning_0015_0_ex.jpg 0"],
        "list_val.txt": ["0000/0000_001_05_0303noon_0009_0_ex.jpg 0"],
        "list_query.txt": ["0000/0000_000_02_0303morning_0008_0_ex.jpg 0"],
        "list_gallery.txt": ["0000/0000_001_03_0303morning_0008_0_ex.jpg 0"],
    },
    "VeRi": {
        "image_train/": ["0001_c001_00016450_0.jpg", "0001_c002_00016460_0.jpg"],
        "image_query/": ["0002_c002_00030600_0.jpg"],
        "image_test/": ["0002_c002_00030600_0.jpg", "0002_c003_00084280_0.jpg"],
        "name_train.txt": ["0001_c001_00016450_0.jpg", "0001_c002_00016460_0.jpg"],
        "name_query.txt": ["0002_c002_00030600_0.jpg"],
        "name_test.txt": ["0002_c002_00030600_0.jpg", "0002_c003_00084280_0.jpg"],
        "": ["train_label.xml", "test_label.xml"],
    },
    "VehicleID_V1.0": {
        "image/": ["0000003.jpg", "0000010.jpg", "0000020.jpg", "0000021.jpg"],
        "train_test_split/train_list.txt": ["0000003 2", "0000010 2"],
        "train_test_split/test_list_800.txt": ["0000020 30", "0000021 30"],
        "train_test_split/test_list_1600.txt": ["0000020 30", "0000021 30"],
        "train_test_split/test_list_2400.txt": ["0000020 30", "0000021 30"],
        "attribute/model_attr.txt": ["2 0"],
    },
    "cuhk03-np/detected": {
        "bounding_box_train/": ["0001_c1_1.png", "0001_c2_6.png"],
        "query/": ["0003_c1_22.png"],
        "bounding_box_test/": ["0003_c2_27.png"],
    },
    "cuhk03-np/labeled": {
        "bounding_box_train/": ["0001_c1_1.png", "0001_c2_6.png", "0001_c2_7.png"],
        "query/": ["0003_c1_22.png"],
        "bounding_box_test/": ["0003_c2_27.png"],
    },
    "PersonX": {
        "bounding_box_train/": ["0001_c3_1.jpg", "0001_c12_2.jpg"],
        "query/": ["0411_c4_3.jpg"],
        "bounding_box_test/": ["0411_c8_4.jpg"],
    },
    "PersonX_v1/1": {
        "bounding_box_train/": ["0001_c1_1.jpg", "0001_c2_2.jpg"],
        "query/": ["0411_c1_3.jpg"],
        "bounding_box_test/": ["0411_c2_4.jpg"],
    },
}
"""Folder of a published data set -> its folders with the names of files, its lists with their
lines."""


@pytest.fixture
def published() -> Callable[[Path, str], Path]:
    """Writes a few files of a published data set, laid out and named as its own are."""

    def write(root: Path, layout: str) -> Path:
        for place, names in PUBLISHED[layout].items():
            below = root / layout / place
            if place.endswith(".txt"):
                below.parent.mkdir(parents=True, exist_ok=True)
                below.write_text("\n".join(names) + "\n")
                continue
            below.mkdir(parents=True, exist_ok=True)
            for name in names:
                (below / name).touch()
        return root / layout

    return write


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
