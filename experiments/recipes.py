"""Recipes: everything that decides what a run does, as functions returning frozen values.

Each docstring says what the recipe costs and what it must reach; measured figures stand in
``RESULTS.md`` with commit, hardware and seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from evaluators.optimisation import WeightOptimiser
from experiments.config import override
from nas_space.genotype import CANDIDATES
from nas_space.heads import Feature
from nas_space.msinet import CellWidth, ResidualStart
from reid_data.catalog import TrainingPart
from reid_data.transforms import Augmentation
from reid_data.twin_split import TwinShares
from strategies.bilevel import Iteration
from strategies.differentiable import ArchOptimiser
from strategies.enas import ControllerSettings
from strategies.gumbel_darts import GumbelTemperature
from strategies.random_one_shot import RandomOneShotSettings
from strategies.tcm import MemorySettings

StrategyName = Literal[
    "tcm",
    "darts",
    "gumbel_darts",
    "proxyless",
    "enas",
    "random_one_shot",
    "random",
    "uniform_none",
    "uniform_exchange",
    "uniform_channel_gate",
    "uniform_cross_attention",
    "msinet_msmt17",
]
"""Ways to come to a genotype: six searches, a random draw, and the names of fixed genotypes."""


def _check_positive(group: str, settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value < 1:
            raise ValueError(
                f"The recipe's field '{group}.{name}' is {value}: 1 or more is needed."
            )


@dataclass(frozen=True)
class Data:
    """Which pictures, and how they are handed out.

    Attributes:
        name: of the data set, as the catalog knows it.
        part: of MSMT17 that is trained on; other sets have "trainval" only.
        height: of a picture, pixels.
        width: of a picture, pixels.
        held_out: share of the training identities that guides the search; never searched on.
        identities: P, identities of a batch.
        images: K, pictures of each.
    """

    name: str = "market1501"
    part: TrainingPart = "trainval"
    height: int = 256
    width: int = 128
    held_out: float = 0.1
    identities: int = 16
    images: int = 4

    def __post_init__(self) -> None:
        _check_positive("data", self, "height", "width", "identities", "images")


@dataclass(frozen=True)
class Space:
    """The MSI space and its network.

    Attributes:
        width: factor on all channels.
        cell_width: what the supernet's branches are a quarter of.
        residual_start: of the supernet and of the network (decision 12).
        candidates: names of the interactions a slot chooses from.
        depths: light 3x3 convolutions per half of either branch, of supernet and network.
        local_branch: whether the network that is retrained has the local head.
        subtract: of cross attention (decision 2), in supernet and network.
    """

    width: float = 1.0
    cell_width: CellWidth = "out"
    residual_start: ResidualStart = "one"
    candidates: tuple[str, ...] = CANDIDATES["msi"]
    depths: tuple[int, int] = (1, 3)
    local_branch: bool = True
    subtract: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.candidates) - set(CANDIDATES["msi"])
        if unknown or not self.candidates:
            raise ValueError(
                f"The recipe's field 'space.candidates' is {self.candidates}: one or more of"
                f" {', '.join(CANDIDATES['msi'])} are needed."
            )
        if min(self.depths) < 1:
            raise ValueError(
                f"The recipe's field 'space.depths' is {self.depths}: 1 or more are needed."
            )


@dataclass(frozen=True)
class Search:
    """How an architecture is searched.

    Attributes:
        epochs: of the search.
        split: of the searched pictures; ``"own"`` is the strategy's: twins for TCM, a closed set
            for the others.
        loss: ``"own"`` is the strategy's: the memories for TCM, ID + triplet for the others.
        genotype: of the last epoch, of the one before, or of the one with the best held-out mAP.
        weights: how the supernet's weights move.
        arch: how alpha moves, for every strategy that has one (decision 5).
        gumbel: of Gumbel-DARTS.
        controller: of ENAS.
        one_shot: of random one-shot.
        augmentation: of both sides.
        smoothing: of the identity labels, where the loss has them.
        triplet: weight of the triplet loss, where there is one.
        margin: of the triplet loss.
    """

    epochs: int = 350
    split: Literal["own", "twin", "closed_set"] = "own"
    loss: Literal["own", "contrastive", "id_triplet"] = "own"
    genotype: Literal["last", "second_last", "best"] = "last"
    weights: WeightOptimiser = WeightOptimiser()
    arch: ArchOptimiser = ArchOptimiser()
    gumbel: GumbelTemperature = GumbelTemperature()
    controller: ControllerSettings = ControllerSettings()
    one_shot: RandomOneShotSettings = RandomOneShotSettings()
    augmentation: Augmentation = Augmentation()
    smoothing: float = 0.1
    triplet: float = 1.0
    margin: float = 0.3

    def __post_init__(self) -> None:
        _check_positive("search", self, "epochs")
        if self.genotype == "second_last" and self.epochs == 1:
            raise ValueError(
                "The recipe asks for search.genotype 'second_last' of one epoch: set search.epochs"
                " to 2 or more, or search.genotype to 'last'."
            )


@dataclass(frozen=True)
class Retrain:
    """How the found network is trained from scratch, on all training identities.

    Attributes:
        epochs: of the training.
        weights: how its weights move.
        augmentation: of the pictures.
        smoothing: of the identity labels.
        triplet: weight of the triplet loss.
        margin: of the triplet loss.
        feature: what an image is described by at the test.
    """

    epochs: int = 350
    weights: WeightOptimiser = WeightOptimiser(learning_rate=0.065)
    augmentation: Augmentation = Augmentation()
    smoothing: float = 0.1
    triplet: float = 1.0
    margin: float = 0.3
    feature: Feature = "pooled"

    def __post_init__(self) -> None:
        _check_positive("retrain", self, "epochs")


@dataclass(frozen=True)
class Recipe:
    """One run: a search, the retraining of what it found, and the test.

    Attributes:
        name: of the recipe.
        strategy: how to search.
        seed: of splits, weights, batches, augmentation and the strategy.
        data: the pictures.
        space: what is searched.
        twin: how TCM divides the identities.
        memory: of TCM.
        iteration: of TCM, what moves when.
        search: the search.
        retrain: the retraining.
        device: where to compute; ``"auto"`` is a GPU where there is one.
        threads: of torch on the CPU, or None for its default. Small networks gain little from a
            second thread, and lose much where another program runs: threads wait for each other.
    """

    name: str
    strategy: StrategyName = "tcm"
    seed: int = 0
    data: Data = Data()
    space: Space = Space()
    twin: TwinShares = TwinShares()
    memory: MemorySettings = MemorySettings()
    iteration: Iteration = Iteration()
    search: Search = Search()
    retrain: Retrain = Retrain()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None


def market1501() -> Recipe:
    """The paper's budgets on Market-1501: 350 epochs of search and 350 of retraining at 256x128.

    Not run here: a GPU and the data set are needed.
    """
    return Recipe(name="market1501", data=Data(name="market1501"))


def msmt17() -> Recipe:
    """The paper's budgets on MSMT17 (train and val lists): 350 + 350 epochs at 256x128.

    Not run here: a GPU and the data set are needed.
    """
    return Recipe(name="msmt17", data=Data(name="msmt17"))


def veri776() -> Recipe:
    """The paper's budgets on VeRi-776: 350 epochs of search and 350 of retraining at 256x256.

    Not run here: a GPU and the data set are needed.
    """
    return Recipe(name="veri776", data=Data(name="veri776", height=256, width=256))


def vehicleid() -> Recipe:
    """The paper's budgets on VehicleID: 350 epochs of search and 350 of retraining at 256x256.

    Not run here: a GPU and the data set are needed.
    """
    return Recipe(name="vehicleid", data=Data(name="vehicleid", height=256, width=256))


def quickstart() -> Recipe:
    """The whole way at toy size: embedded persons at 64x32, a quarter of the channels.

    At most a minute and a half per strategy on one core. It shows that everything works; its
    figures say nothing about which strategy is better.
    """
    fast = WeightOptimiser(learning_rate=0.1, schedule="one_cycle")
    mild = Augmentation(flip=0.5, pad=4, erasing=0.0)
    return Recipe(
        name="quickstart",
        data=Data(name="synthetic_persons", height=64, width=32, held_out=0.15),
        space=Space(width=0.25, residual_start="zero"),
        search=Search(
            epochs=20,
            weights=replace(fast, learning_rate=0.05),
            arch=ArchOptimiser(learning_rate=0.02, milestones=()),
            augmentation=mild,
        ),
        retrain=Retrain(epochs=15, weights=fast, augmentation=mild, feature="normalised"),
        threads=1,
    )


def vehicles() -> Recipe:
    """A folder of vehicles in Market-1501 layout, at 64x64 and half of the channels.

    About ten minutes per strategy on one busy core, three without a search. It must pass the plain
    four-layer network of as many epochs; ``RESULTS.md`` has what it reached, and that in equal time
    it does not. The settings are those ``benchmarks/laptop_recipe.py`` found.
    """
    base = quickstart()
    return replace(
        base,
        name="vehicles",
        data=Data(name="market_layout", height=64, width=64),
        space=replace(base.space, width=0.5),
        search=replace(base.search, epochs=30),
        retrain=replace(base.retrain, epochs=20),
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (quickstart, vehicles, market1501, msmt17, veri776, vehicleid)
}
"""Recipes by name; a new one is a function above and a name here."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in RECIPES:
        raise ValueError(f"No recipe {name!r}: expected one of {', '.join(RECIPES)}.")
    return RECIPES[name]()


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "data.held_out": 0.0,
        "space.cell_width": "out",
        "memory.initialisation": "centroids",
        "iteration.first": "weights",
        "iteration.leak": False,
        "iteration.skip_first": False,
        "search.genotype": "last",
    },
    "authors_code": {
        "data.held_out": 0.0,
        "space.cell_width": "in",
        "memory.initialisation": "zeros",
        "iteration.first": "architecture",
        "iteration.leak": True,
        "iteration.skip_first": True,
        "search.genotype": "second_last",
    },
}
"""TCM as the paper has it, and as its authors' code does: fields of a recipe (decision 19).

Recipes follow the paper by themselves and hold out a tenth of the identities, which neither paper
nor code does: naming the preset takes them back into the search.
"""


def resolve(name: str, settings: Mapping[str, Any]) -> Recipe:
    """The recipe of that name with some fields set: what a trial or a command line runs.

    Args:
        name: of the recipe.
        settings: dotted field name -> value; the key ``preset`` names fields of ``PRESETS``, which
            the others override.

    Raises:
        ValueError: if there is no such recipe, preset or field, or a value is not of its type.
    """
    own = dict(settings)
    preset = own.pop("preset", None)
    if preset is None:
        return override(recipe_named(name), own)
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(f"No preset {preset!r}: expected one of {', '.join(PRESETS)}.")
    return override(recipe_named(name), {**PRESETS[preset], **own})
