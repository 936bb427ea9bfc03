"""DARTS (ICLR 2019), first order, as NNI runs it, on the data and budget of every other search.

NNI takes the architecture step first and the weight step second, both with the evaluator's loss.
An epoch goes on until the longer side ends, the shorter one beginning again.
"""

from reid_data.datamodule import SplitKind
from reid_data.twin_split import TwinShares
from strategies.differentiable import ArchOptimiser, DifferentiableSearch

DARTS_ARCH = ArchOptimiser(learning_rate=3e-4, milestones=())
"""Adam of the paper: a constant 3e-4, betas (0.5, 0.999), weight decay 1e-3."""


class DARTS(DifferentiableSearch):
    """Differentiable architecture search with one loss for both sides.

    Args:
        arch: optimiser of the alphas.
        split: by default the same identities on both sides, their pictures divided.
        shares: of the twins, where ``split`` is "twin".
        seed: of the first alphas.
    """

    def __init__(
        self,
        *,
        arch: ArchOptimiser = DARTS_ARCH,
        split: SplitKind = "closed_set",
        shares: TwinShares = TwinShares(),
        seed: int = 0,
    ) -> None:
        super().__init__(arch=arch, split=split, shares=shares, longer=True, seed=seed)
