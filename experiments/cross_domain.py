"""Networks that NNI's own strategies propose, trained on one data set and tested on others."""

import os
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nni
from torch import nn

from evaluators.cross_domain import CrossDomainEvaluator
from experiments.config import field_names, override
from experiments.data import data_of
from experiments.device import ask_for_repeatable_kernels, device_of, use_threads
from experiments.kept import Kept, Which, info_of
from experiments.recipe import Recipe
from experiments.run import looked_at
from experiments.train import blueprint_of, network_of, train
from nas_space.genotype import MSI_SLOTS, Genotype
from nas_space.heads import EmbeddingNetwork
from nas_space.interactions import INTERACTIONS
from nas_space.msinet_space import MSINetSpace
from reid_data.records import ReidDataset


def evaluator_of(recipe: Recipe) -> CrossDomainEvaluator:
    """Trains each proposed genotype as the recipe says, and tests it on the recipe's targets.

    ``NasExperiment(MSINetSpace(), evaluator_of(recipe), RegularizedEvolution()).run(port)`` is a
    search. What it finds was chosen by the targets' test pictures: test it on others in the end.

    Args:
        recipe: its ``data``, ``space``, ``retrain``, ``seed``, ``device`` and ``threads``.
    """
    fields = {name: attrgetter(name)(recipe) for name in field_names(recipe)}
    return CrossDomainEvaluator(
        train=RecipeTraining(fields),
        targets=RecipeTargets(fields),
        height=recipe.data.height,
        width=recipe.data.width,
        cached=recipe.data.cached,
    )


@nni.trace
class RecipeTargets:
    """Loads the data sets a recipe is tested on.

    Args:
        fields: dotted field name of a recipe -> value, all that JSON has, as NNI writes it down.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __call__(self) -> tuple[ReidDataset, ...]:
        """The targets; every picture of the recipe is decoded once, to find a broken one now.

        Raises:
            ValueError: as ``looked_at``.
        """
        return looked_at(_recipe_from(self._fields).data).targets


@nni.trace
class RecipeTraining:
    """Trains the plain network of a proposed genotype, as a recipe says.

    In a trial NNI's folder for it gets ``best.pt`` and ``last.pt``, as any run folder.

    Args:
        fields: dotted field name of a recipe -> value, all that JSON has, as NNI writes it down.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __call__(self, proposed: nn.Module) -> EmbeddingNetwork:
        """The trained network.

        Args:
            proposed: a network of the MSI space, for its choices; its weights do not count.

        Raises:
            ValueError: if it is of another space, or as ``train``.
        """
        recipe = _recipe_from(self._fields)
        genotype = genotype_of(proposed)
        use_threads(recipe)
        ask_for_repeatable_kernels(device_of(recipe))
        source = data_of(recipe.data).source
        network = network_of(genotype, recipe)
        with TemporaryDirectory() as folder:
            place = Path(os.environ.get("NNI_OUTPUT_DIR") or folder)
            info = info_of(recipe, source.name)
            kept = Kept(place, network, blueprint_of(genotype, recipe), info)
            train(
                network,
                source.train,
                recipe,
                camera_rule=source.protocol.camera_rule,
                on_epoch=kept.epoch,
            )
            which: Which = "best" if recipe.retrain.held_out else "last"
            kept.choose(which)
        return network


def genotype_of(proposed: nn.Module) -> Genotype:
    """The choices of a network of the MSI space.

    Raises:
        ValueError: if it is of another space, or a slot has not been chosen for.
    """
    if not isinstance(proposed, MSINetSpace):
        raise ValueError(
            f"A {type(proposed).__name__} was proposed, and a network of the MSI space is needed:"
            " hand MSINetSpace to the experiment."
        )
    names = {type(make(1)): name for name, make in INTERACTIONS.items()}
    slots = {}
    for label in MSI_SLOTS:
        cell, slot = label.split("_")
        held = proposed.backbone.cells[int(cell.removeprefix("cell"))].get_submodule(slot)
        if type(held) not in names:
            raise ValueError(
                f"Slot {label} of the network that was proposed holds a {type(held).__name__}: one"
                f" of {', '.join(INTERACTIONS)} is needed; freeze the space by a sample first."
            )
        slots[label] = names[type(held)]
    return Genotype("msi", slots)


def _recipe_from(fields: Mapping[str, Any]) -> Recipe:
    return override(Recipe(name=fields["name"]), fields)
