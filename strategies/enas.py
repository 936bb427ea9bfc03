"""ENAS (ICML 2018) on NNI's single-path supernet, with a controller of our own.

One iteration: a path drawn from the controller trains its weights on a train batch; then, a set
number of times per epoch, the controller draws paths and is moved by REINFORCE, the reward being
the rank-1 of retrieval within a val batch. (NNI's own ENAS needs a library that no longer works.)
The likeliest path has in every slot the candidate that is likeliest given those before. An epoch is
one pass over the train side, the val side cycling beside it.
"""

from dataclasses import dataclass

import torch
from nni.nas.evaluator.pytorch.lightning import LightningModule
from torch import Tensor
from torch.optim import Adam, Optimizer

from reid_data.batch import Batch
from reid_data.datamodule import SplitKind
from reid_data.randomness import generator_of
from reid_data.twin_split import TwinShares
from strategies.controller import Baseline, Controller, batch_rank1, policy_loss
from strategies.seams import GenotypeBySlot, Probabilities, TwoSides
from strategies.single_path import SinglePathModule, SinglePathSearch, settle_on, take


@dataclass(frozen=True)
class ControllerSettings:
    """Of the policy and of how it learns.

    Attributes:
        learning_rate: of Adam. The paper's 0.00035 is for 2000 steps an epoch; searches here take
            a few thousand in all.
        steps_per_epoch: of the controller, spread evenly over the epoch; None for one per train
            batch.
        paths_per_step: whose rewards are averaged in one step.
        entropy_weight: of the entropy bonus.
        baseline_decay: of the moving average of rewards.
        hidden: size of the LSTM.
        bound: largest logit.
        temperature: of the logits before they are bounded.
        warmup_epochs: during which the controller does not move.
        calibration_batches: train batches from which running statistics of the likeliest path are
            taken before it is scored; 0 scores it with those of all paths mixed.
    """

    learning_rate: float = 0.0035
    steps_per_epoch: int | None = None
    paths_per_step: int = 4
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.95
    hidden: int = 64
    bound: float = 2.5
    temperature: float = 5.0
    warmup_epochs: int = 0
    calibration_batches: int = 8

    def __post_init__(self) -> None:
        if self.steps_per_epoch == 0 or self.paths_per_step < 1:
            raise ValueError(
                f"{self.steps_per_epoch} steps per epoch of {self.paths_per_step} paths each were"
                " asked for: the controller learns by 1 or more of either."
            )


class EnasModule(SinglePathModule):
    """The step of ENAS around an evaluator's module; the controller is part of its state.

    Args:
        training_module: of the evaluator.
        controller: the policy.
        settings: of its steps.
        seed: of the paths.
    """

    def __init__(
        self,
        training_module: LightningModule,
        controller: Controller,
        settings: ControllerSettings,
        seed: int,
    ) -> None:
        super().__init__(training_module, seed)
        self.controller, self._settings = controller, settings
        self.baseline = Baseline(settings.baseline_decay)

    def configure_architecture_optimizers(self) -> Optimizer:
        """Adam of the controller."""
        return Adam(self.controller.parameters(), lr=self._settings.learning_rate)

    def on_train_start(self) -> None:
        """Makes sure that the policy will move at all.

        Raises:
            ValueError: it would warm up for ever.
        """
        warmup, epochs = self._settings.warmup_epochs, self.trainer.max_epochs
        if warmup >= epochs:
            raise ValueError(
                f"The controller of ENAS warms up for {warmup} of {epochs} epochs and would never"
                " move: set search.controller.warmup_epochs lower."
            )
        super().on_train_start()

    def training_step(self, batch: TwoSides, batch_idx: int) -> dict[str, Tensor]:
        """Weights of one path by the train batch, then the controller by the val batch."""
        with torch.no_grad():
            path = self.controller.sample(self.generator).path
        take(self.model, path)
        loss = self.training_module.training_step(batch["train"], batch_idx)
        self.advance_optimization(loss, batch_idx)
        for _ in range(self._steps_due(batch_idx)):
            self._controller_step(batch["val"])
        self.advance_lr_schedulers(batch_idx)
        return {"loss": loss.detach()}

    def export(self) -> GenotypeBySlot:
        """The likeliest path."""
        return self.controller.greedy().path

    def export_probs(self) -> Probabilities:
        """Probabilities of each slot along the likeliest path."""
        return self.controller.greedy().probabilities

    def settle(self) -> None:
        """Puts the supernet on the likeliest path, with running statistics of that path."""
        settle_on(self, self.export(), batches=self._settings.calibration_batches)

    def _steps_due(self, batch_idx: int) -> int:
        if self.trainer.current_epoch < self._settings.warmup_epochs:
            return 0
        iterations = int(self.trainer.num_training_batches)
        steps = self._settings.steps_per_epoch
        steps = iterations if steps is None else steps
        return (batch_idx + 1) * steps // iterations - batch_idx * steps // iterations

    def _controller_step(self, batch: Batch) -> None:
        optimizer = self.architecture_optimizers()
        optimizer.zero_grad()
        paths = self._settings.paths_per_step
        for _ in range(paths):
            decision = self.controller.sample(self.generator)
            advantage = self.baseline.advantage(self._reward(decision.path, batch))
            loss = policy_loss(decision, advantage, entropy_weight=self._settings.entropy_weight)
            self.manual_backward(loss / paths)
        optimizer.step()

    @torch.no_grad()
    def _reward(self, path: GenotypeBySlot, batch: Batch) -> float:
        take(self.model, path)
        feature = self.training_module.embed(batch.images)
        return batch_rank1(feature, batch.identities, batch.cameras)


class ENAS(SinglePathSearch):
    """Efficient architecture search by a learned policy over paths that share weights.

    Its probabilities are those of each slot along the likeliest path, which is its genotype.

    Args:
        controller: settings of the policy.
        split: by default the same identities on both sides, their pictures divided.
        shares: of the twins, where ``split`` is "twin".
        seed: of the policy's first weights and of the paths.
    """

    def __init__(
        self,
        *,
        controller: ControllerSettings = ControllerSettings(),
        split: SplitKind = "closed_set",
        shares: TwinShares = TwinShares(),
        seed: int = 0,
    ) -> None:
        super().__init__(split=split, shares=shares, seed=seed)
        self.controller = controller

    def configure_oneshot_module(self, training_module: LightningModule) -> EnasModule:
        """The step of ENAS."""
        settings = self.controller
        policy = Controller(
            self.choices,
            generator=generator_of(self.seed, 0),
            hidden=settings.hidden,
            bound=settings.bound,
            temperature=settings.temperature,
        )
        return EnasModule(training_module, policy, settings, self.seed)
