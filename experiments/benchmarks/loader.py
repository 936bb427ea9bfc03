"""How many pictures a second does each way of loading give, augmentation included?

``REID_DATA_ROOT=... python -m experiments.benchmarks.loader --out FILE.csv`` loads the training
part of a folder in Market-1501's layout at 256x128 pixels, in batches of 64, with two workers:
``plain`` is torch's ``DataLoader`` over ``Image.open`` and torchvision's transforms, its processes
started beforehand; ``cached`` this package's loader on pictures that lie in the cache, with two
threads; ``cached_0`` the same without any; ``uncached`` the same as ``cached`` without the cache;
``filling`` decodes into an empty cache, without augmentation. The ways take turns, since other
programs disturb all of them.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from experiments.benchmarks.measuring import Record, in_turn, median_ratio, origin_of
from experiments.startup import prepare
from reid_data.batch import Twin
from reid_data.catalog import load_dataset
from reid_data.image_cache import ImageCache
from reid_data.loader import BatchLoader
from reid_data.pictures import Pictures
from reid_data.records import Sighting
from reid_data.transforms import ERASED_AREA, ERASED_ASPECT, Augmentation
from reid_data.whole_batch import ERASED_FILL, IMAGENET_MEAN, IMAGENET_STD

HEIGHT, WIDTH = 256, 128
_IDENTITIES, _IMAGES, _WORKERS, _AUGMENTATION = 16, 4, 2, Augmentation()

COLUMNS = (
    *("round", "way", "pictures_per_second", "pictures"),
    *("commit", "date", "processor", "cores", "threads", "torch", "torchvision"),
)


def main(argv: list[str]) -> int:
    """Measure, write the record and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a CSV file")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", default="market_layout", help="a name of the catalog")
    arguments = parser.parse_args(argv)
    prepare()
    torch.set_num_threads(1)
    ways = ways_of(load_dataset(arguments.data).train)
    ways["plain"]()
    origin, record = origin_of(COLUMNS), Record(arguments.out, COLUMNS)
    for number, way in in_turn(arguments.rounds, ways, progress="measuring"):
        start = time.perf_counter()
        pictures = ways[way]()
        speed = pictures / (time.perf_counter() - start)
        row = {"round": number, "way": way, "pictures_per_second": speed, "pictures": pictures}
        record.add(row | origin)
    for way in ways:
        speeds = [row["pictures_per_second"] for row in record.rows if row["way"] == way]
        ratio = median_ratio(record.rows, way, "plain", "pictures_per_second")
        print(f"{way}: {statistics.median(speeds):.0f} a second, {ratio:.1f} x plain")
    return 0


def ways_of(sightings: Sequence[Sighting]) -> dict[str, Callable[[], int]]:
    """Name -> a pass over all pictures, which says how many there were."""
    cached = Pictures(sightings, height=HEIGHT, width=WIDTH, progress="filling the cache")
    uncached = Pictures(sightings, height=HEIGHT, width=WIDTH, cached=False)
    plain = DataLoader(
        Plain([sighting.path for sighting in sightings]),
        batch_size=_IDENTITIES * _IMAGES,
        shuffle=True,
        num_workers=_WORKERS,
        persistent_workers=True,
    )
    return {
        "plain": lambda: sum(len(images) for images in plain),
        "cached": lambda: _met(_loader(cached, sightings, _WORKERS)),
        "cached_0": lambda: _met(_loader(cached, sightings, 0)),
        "uncached": lambda: _met(_loader(uncached, sightings, _WORKERS)),
        "filling": lambda: _filled(sightings),
    }


class Plain(Dataset[Tensor]):
    """What everybody writes first: open, resize, augment and normalise a picture at a time.

    Args:
        paths: of the pictures.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._transform = v2.Compose(
            [
                v2.Resize((HEIGHT, WIDTH)),
                v2.RandomHorizontalFlip(_AUGMENTATION.flip),
                v2.Pad(_AUGMENTATION.pad),
                v2.RandomCrop((HEIGHT, WIDTH)),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
                v2.RandomErasing(
                    _AUGMENTATION.erasing, ERASED_AREA, ERASED_ASPECT, list(ERASED_FILL)
                ),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self._paths[index]) as image:
            transformed: Tensor = self._transform(image.convert("RGB"))
        return transformed.as_subclass(Tensor)


def _loader(pictures: Pictures, sightings: Sequence[Sighting], workers: int) -> BatchLoader:
    numbers = sorted({sighting.identity for sighting in sightings})
    return BatchLoader(
        pictures,
        sightings,
        {identity: label for label, identity in enumerate(numbers)},
        identities=_IDENTITIES,
        images=_IMAGES,
        augmentation=_AUGMENTATION,
        twin=Twin.TRAIN,
        seed=0,
        workers=workers,
    )


def _met(loader: BatchLoader) -> int:
    return sum(len(batch.images) for batch in loader)


def _filled(sightings: Sequence[Sighting]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        cache = ImageCache(height=HEIGHT, width=WIDTH, folder=Path(folder))
        return len(cache.open([sighting.path for sighting in sightings]).slots)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
