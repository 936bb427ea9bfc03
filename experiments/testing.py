"""The test of a network on the query and gallery of a data set, under its own protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from evaluators.embedding import embed_sightings
from evaluators.gallery_file import Galleries, save_galleries
from evaluators.repeats import Spread, drawn_galleries, retrieve_repeated, spread
from evaluators.retrieval import Features, Retrieval, retrieve
from experiments.device import device_of
from experiments.recipe import Recipe
from nas_space.heads import EmbeddingNetwork
from reid_data.records import ReidDataset, Sighting

SPLITS_FILE = "splits.json"

# N test pictures


@dataclass(frozen=True)
class Tested:
    """What a test found.

    Attributes:
        repeats: one score, or one per repeat where the protocol draws the gallery.
        galleries: which were drawn, of pictures of these identities; None for a fixed gallery.
        identities: of the pictures the galleries were drawn from.
    """

    repeats: tuple[Retrieval, ...]
    galleries: Galleries | None
    identities: Int[Tensor, " N"]

    @property
    def metrics(self) -> Mapping[str, Spread]:
        """Metric -> mean and deviation over the repeats."""
        return spread(self.repeats)

    def described(self) -> dict[str, Any]:
        """Plain values for a result file; where galleries are drawn, with deviations.

        Queries are counted in every repeat.
        """
        metrics = self.metrics
        content: dict[str, Any] = {name: metric.mean for name, metric in metrics.items()}
        if self.galleries is not None:
            content["repeats"] = len(self.repeats)
            content["seed"] = self.galleries.seed
            content["std"] = {name: metric.deviation for name, metric in metrics.items()}
        content["queries"] = sum(len(repeat.query) for repeat in self.repeats)
        content["queries_skipped"] = sum(repeat.queries_skipped for repeat in self.repeats)
        return content

    def save_splits(self, folder: Path) -> None:
        """Write the drawn galleries, if any, so that others can use the very same ones."""
        if self.galleries is not None:
            save_galleries(folder / SPLITS_FILE, self.galleries, self.identities)


def test(network: EmbeddingNetwork, dataset: ReidDataset, recipe: Recipe) -> Tested:
    """Score a network on query and gallery.

    Args:
        network: on the recipe's device.
        dataset: has a query part; its protocol holds.
        recipe: its ``data`` and ``device``.

    Raises:
        ValueError: if a picture cannot be read, or no query has a relevant picture.
    """

    def features(sightings: Sequence[Sighting], called: str) -> Features:
        return embed_sightings(
            network,
            sightings,
            height=recipe.data.height,
            width=recipe.data.width,
            device=device_of(recipe),
            cached=recipe.data.cached,
            progress=called,
        )

    query, protocol = features(dataset.query, "query"), dataset.protocol
    if not protocol.repeats:
        gallery = features(dataset.gallery, "gallery")
        found = retrieve(query, gallery, protocol, progress="retrieval")
        return Tested((found,), None, query.identities)
    drawn = drawn_galleries(query.identities, repeats=protocol.repeats, seed=protocol.seed)
    repeats = retrieve_repeated(query, protocol, galleries=drawn, progress="repeats")
    return Tested(repeats, Galleries(drawn, protocol.seed), query.identities)
