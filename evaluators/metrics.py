"""What is reported of a retrieval, by name."""

from evaluators.retrieval import Retrieval

METRICS = ("mAP", "mAP_trapezoid", "mINP", "rank1", "rank5", "rank10")
"""Properties of a ``Retrieval``, as result files name them; fractions in [0, 1]."""


def metrics_of(retrieval: Retrieval) -> dict[str, float]:
    """Metric -> its mean over the queries, in the order of ``METRICS``."""
    return {name: float(getattr(retrieval, name)) for name in METRICS}
