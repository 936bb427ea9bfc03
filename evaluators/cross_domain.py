"""The test of one network on any number of data sets, each under its own protocol.

Pictures of other cameras than those it learnt from are the test of a network that will be used
elsewhere (MSINet, CVPR 2023, section 4.3). `CrossDomainEvaluator` is that test as NNI sees it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nni
from jaxtyping import Int
from nni.nas.evaluator import Evaluator
from torch import Tensor

from evaluators.embedding import embed_sightings
from evaluators.gallery_file import Galleries, save_galleries
from evaluators.repeats import Spread, drawn_galleries, retrieve_repeated, spread
from evaluators.retrieval import Features, Retrieval, retrieve
from nas_space.heads import EmbeddingNetwork
from reid_data.records import ReidDataset, Sighting

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

    @property
    def means(self) -> dict[str, float]:
        """Metric -> its mean over the repeats."""
        return {name: metric.mean for name, metric in self.metrics.items()}

    def described(self) -> dict[str, Any]:
        """Plain values for a result file; where galleries are drawn, with deviations.

        Queries are counted in every repeat.
        """
        content: dict[str, Any] = self.means
        if self.galleries is not None:
            content["repeats"] = len(self.repeats)
            content["seed"] = self.galleries.seed
            content["std"] = {name: metric.deviation for name, metric in self.metrics.items()}
        content["queries"] = sum(len(repeat.query) for repeat in self.repeats)
        content["queries_skipped"] = sum(repeat.queries_skipped for repeat in self.repeats)
        return content

    def save_splits(self, file: Path) -> None:
        """Write the drawn galleries, if any, so that others can use the very same ones."""
        if self.galleries is not None:
            save_galleries(file, self.galleries, self.identities)


Tests = Mapping[str, Tested]
"""Name of a data set -> what the test on it found, in the order in which they were tested on."""


class UntestedError(ValueError):
    """Some data sets could not be tested on.

    Attributes:
        tests: those that could.
    """

    def __init__(self, sentence: str, tests: Tests) -> None:
        super().__init__(sentence)
        self.tests = tests


def score_on(
    network: EmbeddingNetwork,
    target: ReidDataset,
    *,
    height: int,
    width: int,
    cached: bool = True,
    called: str = "",
) -> Tested:
    """Score a network on query and gallery.

    Args:
        network: on any device, where it is tested.
        target: has a query part; its protocol holds.
        height: of a picture, pixels.
        width: of a picture, pixels.
        cached: take the decoded pictures from the cache, and put there what it lacks.
        called: what progress bars call the data set, or nothing where there is only one.

    Raises:
        ValueError: if a picture cannot be read, or no query has a relevant picture.
    """
    device = next(network.parameters()).device

    def features(sightings: Sequence[Sighting], part: str) -> Features:
        return embed_sightings(
            network,
            sightings,
            height=height,
            width=width,
            device=device,
            cached=cached,
            progress=f"{called} {part}".lstrip(),
        )

    query, protocol = features(target.query, "query"), target.protocol
    if not protocol.repeats:
        gallery = features(target.gallery, "gallery")
        found = retrieve(query, gallery, protocol, progress="retrieval")
        return Tested((found,), None, query.identities)
    drawn = drawn_galleries(query.identities, repeats=protocol.repeats, seed=protocol.seed)
    repeats = retrieve_repeated(query, protocol, galleries=drawn, progress="repeats")
    return Tested(repeats, Galleries(drawn, protocol.seed), query.identities)


def score_on_all(
    network: EmbeddingNetwork,
    targets: Sequence[ReidDataset],
    *,
    height: int,
    width: int,
    cached: bool = True,
) -> Tests:
    """Score a network on each of several data sets, as ``score_on`` does on that one alone.

    Args:
        network: as for ``score_on``.
        targets: one or more, of different names.
        height: as for ``score_on``.
        width: as for ``score_on``.
        cached: as for ``score_on``.

    Raises:
        UntestedError: if one of several cannot be tested on; the others are, and are in the error.
        ValueError: if there is none, two have one name, or as ``score_on`` of the only one.
    """
    require_different([target.name for target in targets])
    tests: dict[str, Tested] = {}
    failed: dict[str, Exception] = {}
    alone = len(targets) == 1
    for target in targets:
        called = "" if alone else target.name
        try:
            tests[target.name] = score_on(
                network, target, height=height, width=width, cached=cached, called=called
            )
        except (ValueError, OSError) as error:
            if alone:
                raise
            failed[target.name] = error
    if failed:
        raise UntestedError(_in_a_sentence(failed, tests), tests)
    return tests


def require_different(names: Sequence[str]) -> None:
    """Nothing happens where there are targets and their results can be told apart.

    Raises:
        ValueError: if there is none, or two have one name.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not names:
        found = "No data set" if twice is None else f"The data set {twice!r} is named twice"
        raise ValueError(
            f"{found} to be tested on: name one or more, each once, as their results are told"
            " apart by their names."
        )


def mean_metrics(tests: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Metric -> its plain mean over the data sets, so that a small one counts as much.

    Args:
        tests: name of a data set -> metric -> score; one or more, with the same metrics.
    """
    first, *_ = tests.values()
    return {name: sum(test[name] for test in tests.values()) / len(tests) for name in first}


def final_metrics(tests: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What NNI is told of a network in the end.

    Args:
        tests: as for ``mean_metrics``.

    Returns:
        The means, of which the mAP is also the ``default`` that tuners and strategies go by; and
        where there are several data sets, each score as ``NAME/mAP`` and so on.
    """
    means = mean_metrics(tests)
    each = {f"{name}/{k}": v for name, test in tests.items() for k, v in test.items()}
    return {"default": means["mAP"], **means, **(each if len(tests) > 1 else {})}


@nni.trace
class CrossDomainEvaluator(Evaluator):  # type: ignore[misc]
    """Trains what NNI proposes on one data set, and tests it on any number of others.

    ``NasExperiment(MSINetSpace(), evaluator, RegularizedEvolution()).run()`` evolves the network
    that is best elsewhere. NNI writes the evaluator down for a trial, which is another process:
    ``train`` and ``targets`` are functions of a module, or made by a class that is traced
    (``nni.trace``) from plain values.

    Args:
        train: makes a trained network of what NNI proposes; called once for each.
        targets: gives the data sets to test on, before there is any work; one or more.
        height: of a picture, pixels.
        width: of a picture, pixels.
        cached: as for ``score_on``.

    Attributes:
        tests: what the last test found, also where it failed on some data sets.
    """

    def __init__(
        self,
        train: Callable[[Any], EmbeddingNetwork],
        targets: Callable[[], Sequence[ReidDataset]],
        height: int = 256,
        width: int = 128,
        cached: bool = True,
    ) -> None:
        self._train, self._targets = train, targets
        self._height, self._width, self._cached = height, width, cached
        self.tests: Tests = MappingProxyType({})

    def evaluate(self, model: Any) -> Tests:
        """Train and test one model, and report to NNI.

        Args:
            model: as NNI proposes it, with the choices of its space made.

        Raises:
            UntestedError: if it cannot be tested on one of several data sets.
            ValueError: as ``train``, ``targets`` and ``score_on``.
        """
        targets = tuple(self._targets())
        require_different([target.name for target in targets])
        self.tests = MappingProxyType({})
        network = self._train(model)
        try:
            self.tests = score_on_all(
                network, targets, height=self._height, width=self._width, cached=self._cached
            )
        except UntestedError as error:
            self.tests = error.tests
            raise
        means = {name: tested.means for name, tested in self.tests.items()}
        nni.report_final_result(final_metrics(means))
        return self.tests


def _in_a_sentence(failed: Mapping[str, Exception], tests: Tests) -> str:
    """What failed and why, and what the others reached."""
    whys = "; ".join(f"{name!r} ({str(error).rstrip('.')})" for name, error in failed.items())
    scores = ", ".join(f"{name!r} mAP {100 * t.means['mAP']:.2f} %" for name, t in tests.items())
    return (
        f"There is no score on {whys}: repair or leave out what failed and test again"
        f"{f'; the others have theirs, {scores}' if scores else ''}."
    )
