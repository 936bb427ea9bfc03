"""Which gallery pictures a query is looking for, found without comparing everything.

Letters: Q queries, G gallery pictures, R of the queries, B of those that look for something, P the
most gallery pictures that any of their identities has.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Wanted:
    """What each of some queries looks for: at least one picture.

    Attributes:
        rows: of the queries.
        same: gallery pictures of each query's identity, padded by repetition.
        relevant: which of ``same`` count; the others are padding, or left out of the gallery.
    """

    rows: Int[Tensor, " B"]
    same: Int[Tensor, "B P"]
    relevant: Bool[Tensor, "B P"]


class Relevance:
    """Finds what each query looks for: pictures of its own identity, by another camera if asked.

    Args:
        query_identities: of the queries.
        query_cameras: of the queries, on the same device as all others.
        gallery_identities: of the gallery.
        gallery_cameras: of the gallery.
        camera_rule: pictures of the query's own identity and camera are left out.
        itself: query ``i`` is gallery picture ``i``, and does not look for itself.
    """

    def __init__(
        self,
        query_identities: Int[Tensor, " Q"],
        query_cameras: Int[Tensor, " Q"],
        gallery_identities: Int[Tensor, " G"],
        gallery_cameras: Int[Tensor, " G"],
        *,
        camera_rule: bool,
        itself: bool,
    ) -> None:
        self._camera_rule, self._itself = camera_rule, itself
        self._query_camera, self._gallery_camera = query_cameras, gallery_cameras
        identity, self._order = gallery_identities.sort(stable=True)
        wanted = query_identities.contiguous()
        self._start = torch.searchsorted(identity, wanted)
        self._end = torch.searchsorted(identity, wanted, right=True)

    def of(self, rows: Int[Tensor, " R"]) -> Wanted:
        """What these queries look for; those that look for nothing are dropped."""
        start, end = self._start[rows, None], self._end[rows, None]
        widest = int((end - start).max()) if len(rows) else 0
        place = start + torch.arange(widest, device=rows.device)
        relevant = place < end
        same = self._order[place.minimum(end - 1).clamp(min=0)]
        if self._camera_rule:
            relevant &= self._query_camera[rows, None] != self._gallery_camera[same]
        if self._itself:
            relevant &= same != rows[:, None]
        some = relevant.any(1)
        return Wanted(rows[some], same[some], relevant[some])


def among(identities: Int[Tensor, " N"], wanted: Iterable[int]) -> Bool[Tensor, " N"]:
    """Which of the identities are among the wanted ones, which their type need not hold."""
    numbers = torch.tensor(sorted(wanted), dtype=torch.int64, device=identities.device)
    return torch.isin(identities.long(), numbers)
