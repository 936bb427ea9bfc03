"""What searches over single paths share: a supernet that runs one candidate per slot.

Weights are shared by every path, and so are the running statistics of batch norm, which then
belong to no path: before a path is scored they are taken anew for it (Bender et al., ICML 2018,
section 3.4).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from nni.nas.evaluator.pytorch.lightning import LightningModule
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.strategy import RandomOneShot as NniRandomOneShot
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from reid_data.datamodule import SplitKind
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares
from strategies.seams import GenotypeBySlot, PairedLoader, Probabilities, searching, sides_of

_PATHS = 1
"""Random stream of the paths of an epoch; 0 is that of the policy's first weights."""


def take(model: nn.Module, path: GenotypeBySlot) -> None:
    """Puts a supernet on a path."""
    for module in model.modules():
        if isinstance(module, BaseSuperNetModule):
            module.resample(memo=path)


@contextmanager
def fresh_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norms gather plain averages from nothing; afterwards they follow as before."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def settle_on(module: Any, path: GenotypeBySlot, *, batches: int) -> None:
    """Puts the supernet on a path, with running statistics of that path.

    Training never reads running statistics, so that this leaves no trace in it.

    Args:
        module: of a search, with its loader; in training mode.
        path: slot label -> candidate.
        batches: of the first epoch of the train side, from which the statistics are taken; 0 leaves
            them as they are.
    """
    take(module.model, path)
    if module.loader is None or batches == 0:
        return
    with torch.no_grad(), fresh_statistics(module.model):
        for batch in islice(module.loader.train_batches(epoch=0), batches):
            module.training_module.embed(batch.images.to(module.device))


class SinglePathModule(BaseOneShotLightningModule):  # type: ignore[misc]
    """A search whose ``export`` is the path its supernet stands on between epochs.

    Args:
        training_module: of the evaluator.
        seed: of the paths; those of an epoch depend on it and the epoch's number alone.
    """

    def __init__(self, training_module: LightningModule, seed: int) -> None:
        super().__init__(training_module)
        self._seed = seed
        self.generator = generator_of(seed, _PATHS, 0)
        self.loader: PairedLoader | None = None

    def set_model(self, model: nn.Module) -> None:
        """Takes the supernet, on the path of the untrained search."""
        take(model, self.export())
        super().set_model(model)

    def on_fit_start(self) -> None:
        """Puts the supernet on the path of a search that was restored."""
        take(self.model, self.export())
        super().on_fit_start()

    def on_train_epoch_start(self) -> None:
        """Lets both sides draw the batches of this epoch, and the search its paths."""
        epoch = self.trainer.current_epoch
        self.generator = generator_of(self._seed, _PATHS, epoch)
        if self.loader is not None:
            self.loader.set_epoch(epoch)
        super().on_train_epoch_start()


class SinglePathSearch(NniRandomOneShot):  # type: ignore[misc]
    """A search over the paths of NNI's single-path supernet.

    An epoch is one pass over the train side, the val side cycling beside it.

    Args:
        split: of the searched pictures.
        shares: of the twins, where ``split`` is "twin".
        seed: of the search.
    """

    def __init__(self, *, split: SplitKind, shares: TwinShares, seed: int) -> None:
        super().__init__()
        self.split, self.shares, self.seed = split, shares, seed
        self.choices: dict[str, tuple[str, ...]] = {}

    def mutate_model(self, model: Any) -> Any:
        """NNI's single-path supernet."""
        self.choices = {
            label: tuple(mutable.values) for label, mutable in sorted(model.simplify().items())
        }
        return super().mutate_model(model)

    def mutate_evaluator(self, evaluator: Any) -> Any:
        """Divides the evaluator's pictures and wraps the search around its module."""
        sides = sides_of(evaluator, self.split, self.shares, self)
        module = self.configure_oneshot_module(evaluator.module)
        module.loader = PairedLoader(sides.train.loader, sides.val.loader, longer=False)
        return searching(evaluator, module, module.loader)

    def probabilities(self) -> Probabilities:
        """How likely each candidate of each slot is to the search."""
        found: Probabilities = self.oneshot_module.export_probs()
        return found

    def genotype(self) -> GenotypeBySlot:
        """The path the search would end with now."""
        found: GenotypeBySlot = self.oneshot_module.export()
        return found

    def settle(self) -> None:
        """Puts the supernet on the path it is scored on."""
        self.oneshot_module.settle()
