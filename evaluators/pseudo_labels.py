r"""Groups of pictures that seem to show one identity, found without any label.

DBSCAN (Ester et al., KDD 1996) over the distances of k-reciprocal encoding (Zhong et al., CVPR
2017), as in unsupervised re-identification since SpCL (Ge et al., NeurIPS 2020).

Letters: N pictures, U different vectors among them, D dimensions, B rows of one block, E pairs.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor

from evaluators.neighbours import BLOCK_CELLS, find_neighbours
from evaluators.reciprocal import encode
from evaluators.similarity import Similarity, check_finite, unit
from reid_data.bars import bar

OUTLIER = -1
"""Label of a picture that is in no group."""

Distance = Literal["jaccard", "cosine"]
"""``1 - `` the share of neighbours two pictures have in common, or ``1 - cos``."""

_MOST_PAIRS = 1 << 26
"""Pairs of near pictures that are kept: 0.25 GiB, and four times as much in scikit-learn."""

_Distances = Callable[[Int64[Tensor, " B"]], Float32[Tensor, "B U"]]


def pseudo_labels(
    vectors: Float[Tensor, "N D"],
    *,
    eps: float = 0.6,
    min_samples: int = 4,
    distance: Distance = "jaccard",
    k1: int = 30,
    k2: int = 6,
    progress: str | None = None,
) -> Int64[Tensor, " N"]:
    r"""A label for every picture: the number of its group from 0 on, or -1 for an outlier.

    A picture with ``min_samples`` pictures within ``eps``, itself one of them, is the core of a
    group; cores within ``eps`` of each other share theirs; a picture that is no core belongs to
    the first group that has a core within ``eps`` of it, and to none if there is none.

    .. math:: J(p, g) = 1 - \frac{\sum_z \min(V_{p, z}, V_{g, z})}{\sum_z \max(V_{p, z}, V_{g, z})}

    ``V`` is what ``reciprocal.encode`` makes of the pictures, the mean over a picture and its
    ``k2 - 1`` nearest. Nothing is drawn, and the order of the pictures changes neither groups nor
    their numbers: they are worked on in lexicographic order of their vectors. Copies of one vector
    are one point, which counts as many times as there are copies.

    Memory grows with the pairs that are within ``eps``, not with all pairs.

    Args:
        vectors: of any length but finite; their device does the work.
        eps: in (0, 1).
        min_samples: 1 or more.
        distance: between pictures.
        k1: others in a neighbourhood, 1 or more; for the Jaccard distance, as ``k2``.
        k2: pictures in a mean, 1 or more.
        progress: what to call the work in progress bars, or None for no bars.

    Raises:
        ValueError: if there is no picture, a vector is not finite, a setting is out of its range,
            or so many pictures are near each other that they show nothing.
    """
    check_settings(eps=eps, min_samples=min_samples, distance=distance, k1=k1, k2=k2)
    if not len(vectors):
        raise ValueError("There are no pictures to group: hand in at least one vector.")
    check_finite(vectors, "training")
    points, point, copies = torch.unique(
        unit(vectors), dim=0, return_inverse=True, return_counts=True
    )
    stage = (lambda name: f"{progress}, {name}") if progress else (lambda name: None)
    distances = (
        _cosine(points)
        if distance == "cosine"
        else _jaccard(points, k1, k2, stage("neighbours"), stage("reciprocal sets"))
    )
    near = _near(distances, points, eps, stage("distances"))
    label = _groups(near, copies.cpu(), min_samples)
    return label.to(vectors.device)[point]


def check_settings(*, eps: float, min_samples: int, distance: str, k1: int, k2: int) -> None:
    """Refuse settings with which nothing can be grouped.

    Raises:
        ValueError: if one is out of its range.
    """
    if distance not in get_args(Distance):
        raise ValueError(
            f"Pictures were to be grouped by the distance {distance!r}: use one of"
            f" {', '.join(get_args(Distance))}."
        )
    if not 0 < eps < 1 or min(min_samples, k1, k2) < 1:
        raise ValueError(
            f"Pictures were to be grouped with eps = {eps}, min_samples = {min_samples}, k1 = {k1}"
            f" and k2 = {k2}: an eps above 0 and below 1 and whole numbers from 1 on are needed;"
            " 0.6, 4, 30 and 6 are usual."
        )


def _cosine(points: Float32[Tensor, "U D"]) -> _Distances:
    similarity = Similarity(points)
    return lambda row: 1 - similarity.of(points[row])


def _jaccard(
    points: Float32[Tensor, "U D"], k1: int, k2: int, finding: str | None, encoding: str | None
) -> _Distances:
    near = find_neighbours(points, max(k1 + 1, k2), progress=finding)
    V = encode(points, near, k1=k1, progress=encoding).mean(near.nearest[:, :k2])
    U, device = len(points), points.device
    inverse = V.transposed(torch.ones(U, dtype=torch.bool, device=device))
    place = torch.arange(U, device=device)

    def distances(row: Int64[Tensor, " B"]) -> Float32[Tensor, "B U"]:
        common = V.common(row, inverse, place, U)
        return 1 - common / (2 - common)  # both rows sum to 1: sum max = 2 - sum min

    return distances


class _Near(NamedTuple):
    """Who is within ``eps`` of whom, as compressed rows on the CPU."""

    start: Int64[Tensor, " S"]
    column: Int32[Tensor, " E"]


def _near(
    distances: _Distances, points: Float32[Tensor, "U D"], eps: float, progress: str | None
) -> _Near:
    U, pairs = len(points), 0
    length, column = [], []
    with bar(total=U, desc=progress, unit="picture") as done:
        for row in torch.split(torch.arange(U, device=points.device), max(1, BLOCK_CELLS // U)):
            within = distances(row) <= eps
            length.append(within.sum(1).cpu())
            column.append(within.nonzero()[:, 1].int().cpu())
            pairs += len(column[-1])
            if pairs > _MOST_PAIRS:
                raise ValueError(
                    f"More than {_MOST_PAIRS:,} pairs of the {U:,} training pictures are within"
                    f" eps = {eps} of each other, so that nothing tells them apart: lower eps, or"
                    " begin with a network that was trained."
                )
            done.update(len(row))
    start = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cat(length).cumsum(0)])
    return _Near(start, torch.cat(column))


def _groups(near: _Near, copies: Int64[Tensor, " U"], min_samples: int) -> Int64[Tensor, " U"]:
    from scipy.sparse import csr_array
    from sklearn.cluster import DBSCAN

    U = len(copies)
    # All that is stored counts as near, so that its value does not matter and is in order; that
    # everyone is near oneself scikit-learn adds where it is missing.
    entries = torch.zeros(len(near.column)).numpy(), near.column.numpy(), near.start.int().numpy()
    graph = csr_array(entries, shape=(U, U))
    found = DBSCAN(eps=1.0, min_samples=min_samples, metric="precomputed")
    return torch.from_numpy(found.fit(graph, sample_weight=copies.numpy()).labels_).long()
