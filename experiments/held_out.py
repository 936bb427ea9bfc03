"""The score of a training among identities that were put aside."""

from collections.abc import Mapping, Sequence

import torch

from evaluators.embedding import embed
from evaluators.retrieval import retrieve_within
from experiments.recipe import Data
from nas_space.heads import EmbeddingNetwork
from reid_data.pictures import Pictures
from reid_data.records import Sighting


class HeldOut:
    """Pictures of identities that are not trained on; each asks for the others.

    Args:
        sightings: of two identities or more.
        data: their size, and whether they are kept decoded.
        camera_rule: leave out pictures of the query's own identity and camera; there is no such
            rule where no identity was seen by two cameras.

    Raises:
        ValueError: if no identity has two pictures, or a picture cannot be read.
    """

    def __init__(self, sightings: Sequence[Sighting], data: Data, *, camera_rule: bool) -> None:
        if len({sighting.identity for sighting in sightings}) == len(sightings):
            raise ValueError(
                f"Of the {len(sightings)} pictures put aside no two show one identity, so that none"
                " can be found: set retrain.held_out to a larger share, or to 0."
            )
        self._sightings = sightings
        self._camera_rule = camera_rule and seen_twice(sightings)
        self._pictures = Pictures(
            sightings,
            height=data.height,
            width=data.width,
            cached=data.cached,
            progress="held-out pictures",
        )

    def score(self, network: EmbeddingNetwork) -> Mapping[str, float]:
        """Fractions ``mAP`` and ``rank1``; the network is left in the mode it was in."""
        device: torch.device = next(network.parameters()).device
        features = embed(network, self._pictures, self._sightings, device=device)
        found = retrieve_within(features, camera_rule=self._camera_rule)
        return {"mAP": found.mAP, "rank1": found.rank1}


def seen_twice(sightings: Sequence[Sighting]) -> bool:
    """Whether any identity was seen by two cameras."""
    pairs = {(sighting.identity, sighting.camera) for sighting in sightings}
    return len(pairs) > len({identity for identity, _ in pairs})
