"""Random search with shared weights (Li and Talwalkar, UAI 2019; Bender et al., ICML 2018).

Every iteration trains the weights of a path drawn evenly; nothing of the architecture is learnt.
After the last epoch paths are drawn, each is scored by its retrieval among held-out identities
with running statistics of its own, and the best is the result. (NNI's own exports an arbitrary
path.) An epoch is one pass over the train side; of the val side nothing is used, so that the
weights see as much as those of the other strategies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

import torch
from nni.nas.evaluator.pytorch.lightning import LightningModule
from torch import Tensor

from reid_data.bars import bar
from reid_data.datamodule import SplitKind
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares
from strategies.seams import GenotypeBySlot, Probabilities, TwoSides
from strategies.single_path import SinglePathModule, SinglePathSearch, settle_on, take

_SETTLED = 2
"""Random stream of the paths that are scored; that of the trained ones is 1."""

_BETTER = 0.25
"""Share of the scored paths whose candidates count as the search's probabilities."""


@dataclass(frozen=True)
class RandomOneShotSettings:
    """Of the search over the trained supernet.

    Attributes:
        samples: different paths that are scored after the last epoch; at most all there are.
        calibration_batches: train batches from which running statistics of a path are taken before
            it is scored; 0 scores it with those of all paths mixed.
    """

    samples: int = 32
    calibration_batches: int = 8

    def __post_init__(self) -> None:
        if self.samples < 1 or self.calibration_batches < 0:
            raise ValueError(
                f"{self.samples} samples and {self.calibration_batches} calibration batches were"
                " asked for: at least 1 and at least 0 are needed."
            )


def drawn_path(choices: Mapping[str, Sequence[str]], generator: torch.Generator) -> tuple[int, ...]:
    """The index of a candidate for every slot, in the order of the labels, all equally likely."""
    return tuple(
        int(torch.randint(len(choices[label]), (), generator=generator))
        for label in sorted(choices)
    )


def different_paths(
    choices: Mapping[str, Sequence[str]], count: int, generator: torch.Generator
) -> list[tuple[int, ...]]:
    """So many different paths, in the order in which they were drawn; at most all there are."""
    count = min(count, prod(len(candidates) for candidates in choices.values()))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found[drawn_path(choices, generator)] = None
    return list(found)


class RandomOneShotModule(SinglePathModule):
    """The step of random one-shot search; the path it stands on is part of its state.

    Args:
        training_module: of the evaluator, with a ``score()``.
        choices: candidates of each slot, by label.
        settings: of the search over the trained supernet.
        seed: of all paths.
    """

    chosen: Tensor
    share: Tensor

    def __init__(
        self,
        training_module: LightningModule,
        choices: Mapping[str, Sequence[str]],
        settings: RandomOneShotSettings,
        seed: int,
    ) -> None:
        super().__init__(training_module, seed)
        self._choices = {label: tuple(choices[label]) for label in sorted(choices)}
        self._settings, self._searched = settings, False
        sizes = torch.tensor([len(candidates) for candidates in self._choices.values()])
        even = (torch.arange(int(sizes.max())) < sizes[:, None]) / sizes[:, None]
        self.register_buffer("chosen", torch.zeros(len(sizes), dtype=torch.long))
        self.register_buffer("share", even)

    def on_train_start(self) -> None:
        """Makes sure, before anything is trained, that paths can be scored in the end.

        Raises:
            ValueError: they cannot.
        """
        self._score()
        super().on_train_start()

    def on_train_epoch_start(self) -> None:
        """Lets the train side draw the batches of this epoch, and the search its paths."""
        self._searched = False
        super().on_train_epoch_start()

    def training_step(self, batch: TwoSides, batch_idx: int) -> dict[str, Tensor]:
        """Weights of one path by the train batch."""
        take(self.model, self._named(drawn_path(self._choices, self.generator)))
        loss = self.training_module.training_step(batch["train"], batch_idx)
        self.advance_optimization(loss, batch_idx)
        self.advance_lr_schedulers(batch_idx)
        return {"loss": loss.detach()}

    def on_train_epoch_end(self) -> None:
        """Searches after the last epoch, even where the evaluator reports nothing."""
        super().on_train_epoch_end()
        if self._ends:
            self.settle()

    def export(self) -> GenotypeBySlot:
        """The path the search stands on: the best of those scored, once they are."""
        return self._named(self.chosen.tolist())

    def export_probs(self) -> Probabilities:
        """Even; after the last epoch, each candidate's share among the best quarter of paths."""
        return {
            label: dict(zip(candidates, share[: len(candidates)], strict=True))
            for (label, candidates), share in zip(
                self._choices.items(), self.share.tolist(), strict=True
            )
        }

    def settle(self) -> None:
        """Puts the supernet on a path, with running statistics of that path.

        Before the last epoch's end it is a freshly drawn one, so that the score is that of a
        random path; then it is the best of those drawn for the end.
        """
        if self._ends and not self._searched:
            self._search()
        elif not self._ends:
            generator = generator_of(self._seed, _SETTLED, self.trainer.current_epoch)
            self._stand_on(drawn_path(self._choices, generator))

    @property
    def _ends(self) -> bool:
        return bool(self.trainer.current_epoch + 1 >= self.trainer.max_epochs)

    def _search(self) -> None:
        generator = generator_of(self._seed, _SETTLED, self.trainer.max_epochs - 1)
        paths = different_paths(self._choices, self._settings.samples, generator)
        scores = []
        for path in bar(paths, total=len(paths), desc="scoring paths of the supernet", unit="path"):
            self._stand_on(path)
            scores.append(self._score())
        ranked = sorted(range(len(paths)), key=lambda i: -scores[i])  # the first drawn of equals
        better = torch.tensor([paths[i] for i in ranked[: ceil(_BETTER * len(paths))]])
        counted = torch.nn.functional.one_hot(better, self.share.shape[1])
        self.share.copy_(counted.float().mean(dim=0))
        self._stand_on(paths[ranked[0]])
        self._searched = True

    def _stand_on(self, path: Sequence[int]) -> None:
        self.chosen.copy_(torch.tensor(path))
        settle_on(self, self.export(), batches=self._settings.calibration_batches)

    def _named(self, path: Sequence[int]) -> GenotypeBySlot:
        slots = zip(self._choices.items(), path, strict=True)
        return {label: candidates[index] for (label, candidates), index in slots}

    def _score(self) -> float:
        score = getattr(self.training_module, "score", None)
        if not callable(score):
            raise TypeError(
                f"The evaluator's module, a {type(self.training_module).__name__}, has no score(),"
                " by which a random one-shot search tells paths apart: give it one that returns an"
                " object with a mAP."
            )
        found = score()
        if found is None:
            raise ValueError(
                "No identities are held out, and a random one-shot search tells paths apart by"
                " their retrieval among held-out identities: set data.held_out above 0."
            )
        return float(found.mAP)


class RandomOneShot(SinglePathSearch):
    """The best of some paths of a supernet trained on evenly drawn ones.

    Its probabilities are even until the end, then the shares among the best quarter of the scored
    paths. The last score reported is that of the best path, on the very pictures it was chosen by:
    the largest of many, not to be compared with the single scores of other strategies.

    Args:
        settings: of the search over the trained supernet.
        split: by default the same identities on both sides, their pictures divided.
        shares: of the twins, where ``split`` is "twin".
        seed: of all paths.

    Raises:
        ValueError: when the search begins and nobody is held out to score paths by.
    """

    def __init__(
        self,
        *,
        settings: RandomOneShotSettings = RandomOneShotSettings(),
        split: SplitKind = "closed_set",
        shares: TwinShares = TwinShares(),
        seed: int = 0,
    ) -> None:
        super().__init__(split=split, shares=shares, seed=seed)
        self.settings = settings

    def configure_oneshot_module(self, training_module: LightningModule) -> RandomOneShotModule:
        """The step of random one-shot search."""
        return RandomOneShotModule(training_module, self.choices, self.settings, self.seed)
