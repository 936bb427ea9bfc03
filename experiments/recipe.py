"""A recipe: everything that decides what a run does, as frozen values checked as a whole."""

from dataclasses import dataclass, field
from math import inf
from typing import Literal

from evaluators.course import Precision
from evaluators.objectives import TripletOn
from evaluators.optimisation import WeightOptimiser
from experiments.unsupervised_settings import Unsupervised
from nas_space.alignment import AlignmentMode, Orientation
from nas_space.genotype import CANDIDATES, FIXED
from nas_space.heads import Feature
from nas_space.msinet import CellWidth, ResidualStart
from nas_space.networks import MSINET
from nas_space.peers import PEERS
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

_FEWEST_CANDIDATES = 2


def _check_positive(group: str, settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value < 1:
            raise ValueError(
                f"The recipe's field '{group}.{name}' is {value}: 1 or more is needed."
            )


def _check_range(group: str, settings: object, *names: str, most: float = inf) -> None:
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value <= most or value == inf:
            raise ValueError(
                f"The recipe's field '{group}.{name}' is {value}: a finite number of 0 or more"
                f"{'' if most == inf else f', at most {most}'} is needed."
            )


def _check_share(field: str, share: float) -> None:
    if not 0 <= share < 1:
        raise ValueError(
            f"The recipe's field {field!r} is {share}: a share from 0 to below 1 is needed."
        )


@dataclass(frozen=True)
class Data:
    """Which pictures, and how they are handed out.

    Attributes:
        name: of the data set, as the catalog knows it.
        part: of MSMT17 that is trained on; other sets have "trainval" only.
        targets: the data sets that are tested on, each under its own protocol; none for the source
            itself. In words a JSON list, as ``["msmt17", "market_layout:shop"]``.
        height: of a picture, pixels.
        width: of a picture, pixels.
        held_out: share of the training identities that guides the search; never searched on.
        identities: P, identities of a batch.
        images: K, pictures of each.
        cached: decode every picture once, into a cache that all runs share; else at every use.
    """

    name: str = "market1501"
    part: TrainingPart = "trainval"
    targets: tuple[str, ...] = ()
    height: int = 256
    width: int = 128
    held_out: float = 0.1
    identities: int = 16
    images: int = 4
    cached: bool = True

    def __post_init__(self) -> None:
        _check_positive("data", self, "height", "width", "identities", "images")
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(
                f"The recipe's field 'data.targets' is {self.targets}: name each data set once."
            )
        _check_share("data.held_out", self.held_out)


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
        different = set(self.candidates)
        known = different <= set(CANDIDATES["msi"]) and len(different) == len(self.candidates)
        if not known or len(different) < _FEWEST_CANDIDATES:
            raise ValueError(
                f"The recipe's field 'space.candidates' is {self.candidates}: two or more different"
                f" ones of {', '.join(CANDIDATES['msi'])} are needed."
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
        _check_range("search", self, "smoothing", most=1)
        _check_range("search", self, "margin", "triplet")
        if self.genotype == "second_last" and self.epochs == 1:
            raise ValueError(
                "The recipe asks for search.genotype 'second_last' of one epoch: set search.epochs"
                " to 2 or more, or search.genotype to 'last'."
            )


@dataclass(frozen=True)
class Alignment:
    """The spatial alignment (SAM), which is part of the training and of no network.

    Attributes:
        mode: pairs that are aligned: those of one identity (``"pos"``), of others (``"neg"``),
            both, or ``"none"``.
        ratio: weight of the penalty, which is added once.
        orientation: on whose positions a pair's map lies (decision 34).
        self_pairs: whether a picture is its own pair (decision 34).
    """

    mode: AlignmentMode = "none"
    ratio: float = 2.0
    orientation: Orientation = "own"
    self_pairs: bool = False

    def __post_init__(self) -> None:
        _check_range("retrain.alignment", self, "ratio")


@dataclass(frozen=True)
class Retrain:
    """How the found network, or a known one, is trained.

    Attributes:
        network: ``"msinet"``, which takes a genotype, or the name of a peer.
        epochs: of the training.
        weights: how its weights move.
        augmentation: of the pictures.
        smoothing: of the identity labels.
        triplet: weight of the triplet loss.
        margin: of the triplet loss.
        triplet_on: which feature the triplet loss sees: before a head's neck, or behind it.
        alignment: of the last map.
        feature: what an image is described by at the test.
        precision: of the arithmetic; ``"bf16"`` and ``"16"`` where the device has it.
        accumulate: batches of a step.
        devices: GPUs (or processes on a CPU) that train together.
        held_out: share of the training identities that is put aside to tell the best epoch by its
            mAP among them; 0 trains on all, and the best epoch is that of the lowest loss. The
            network of the best epoch is tested where identities are put aside, else the last.
        score_every: epochs between two scores among those put aside.
        unsupervised: of a training without labels.
    """

    network: str = MSINET
    epochs: int = 350
    weights: WeightOptimiser = WeightOptimiser(learning_rate=0.065)
    augmentation: Augmentation = Augmentation()
    smoothing: float = 0.1
    triplet: float = 1.0
    margin: float = 0.3
    triplet_on: TripletOn = "pooled"
    alignment: Alignment = Alignment()
    feature: Feature = "pooled"
    precision: Precision = "32"
    accumulate: int = 1
    devices: int = 1
    held_out: float = 0.0
    score_every: int = 1
    unsupervised: Unsupervised = field(default_factory=Unsupervised)

    def __post_init__(self) -> None:
        _check_positive("retrain", self, "epochs", "accumulate", "devices", "score_every")
        _check_range("retrain", self, "smoothing", most=1)
        _check_range("retrain", self, "margin", "triplet")
        _check_share("retrain.held_out", self.held_out)
        if self.network != MSINET and self.network not in PEERS:
            raise ValueError(
                f"The recipe's field 'retrain.network' is {self.network!r}: one of {MSINET},"
                f" {', '.join(PEERS)} is needed."
            )


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

    def __post_init__(self) -> None:
        if self.search.loss == "contrastive" and self.strategy != "tcm" and self.searches:
            raise ValueError(
                f"The recipe asks for search.loss 'contrastive' with strategy {self.strategy!r}:"
                " the memories belong to TCM; set search.loss to 'id_triplet' or 'own', or strategy"
                " to 'tcm'."
            )
        aligned = self.retrain.alignment
        if "pos" in aligned.mode and not aligned.self_pairs and self.data.images == 1:
            raise ValueError(
                f"The recipe asks for retrain.alignment.mode {aligned.mode!r} with one picture of"
                " an identity in a batch, where there are no such pairs: set data.images to 2 or"
                " more, or the mode to 'neg' or 'none'."
            )
        blind = self.data.held_out == 0 and self.searches
        if blind and self.search.genotype == "best":
            raise ValueError(
                "The recipe asks for search.genotype 'best' and holds out no identities to tell it"
                " by: set data.held_out above 0, or search.genotype to 'last'."
            )
        if blind and self.strategy == "random_one_shot":
            raise ValueError(
                "The recipe holds out no identities, and strategy 'random_one_shot' tells paths"
                " apart by their retrieval among these: set data.held_out above 0."
            )

    @property
    def searches(self) -> bool:
        """Whether the strategy trains a supernet; a random or fixed genotype needs none."""
        return self.strategy != "random" and self.strategy not in FIXED
