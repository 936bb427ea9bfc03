"""Recipes by name, and what a trial or a command line makes of one.

Each docstring says what the recipe costs and what it must reach; measured figures stand in
``RESULTS.md`` with commit, hardware and seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from evaluators.optimisation import WeightOptimiser
from experiments.config import override
from experiments.points import Setting
from experiments.presets import fields_of, presets_in
from experiments.recipe import Alignment, Data, Recipe, Retrain, Search, Space
from nas_space.genotype import FIXED
from nas_space.networks import MSINET
from reid_data.transforms import Augmentation
from strategies.differentiable import ArchOptimiser


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


def peers() -> Recipe:
    """Networks of any kind from random weights, on data as ``vehicles`` has it, for ten epochs.

    AdamW trains them all: the rate of ``vehicles`` was found for MSINet, whose branches start at
    zero, and the loss of other networks rises under it for many epochs. A minute for MSINet on one
    core, a quarter of an hour for the ResNet-101.
    """
    base = vehicles()
    weights = WeightOptimiser(
        name="adamw", learning_rate=1e-3, weight_decay=0.05, schedule="one_cycle"
    )
    return replace(
        base,
        name="peers",
        strategy="msinet_msmt17",
        retrain=replace(base.retrain, epochs=10, weights=weights),
    )


def pretraining() -> Recipe:
    """Classes of pictures at 224x224, for ``reid-nas pretrain``: 100 epochs in batches of 256.

    SGD from a rate of 0.1 along a cosine behind five epochs of warm-up, as is usual for ImageNet
    (He et al., "Bag of Tricks for Image Classification", CVPR 2019, sections 3.1 and 5.1). Not run
    here: a GPU and the pictures are needed.
    """
    weights = WeightOptimiser(
        learning_rate=0.1, weight_decay=1e-4, schedule="cosine", warmup_epochs=5
    )
    return Recipe(
        name="pretraining",
        data=Data(height=224, width=224, identities=64, images=4),
        retrain=Retrain(epochs=100, weights=weights),
    )


def _to_another(base: Recipe, target: str) -> Recipe:
    """MSINet's training for pictures of other cameras (CVPR 2023, section 4.1): no erasing.

    Colours are jittered instead, and the last maps aligned.
    """
    augmentation = replace(
        base.retrain.augmentation, erasing=0.0, brightness=0.4, contrast=0.4, saturation=0.3
    )
    return replace(
        base,
        name=f"{base.name}_cross_domain",
        data=replace(base.data, targets=(target,)),
        retrain=replace(
            base.retrain,
            augmentation=augmentation,
            alignment=Alignment(mode="pos_neg", ratio=2.0),
        ),
    )


def _for_250_epochs(recipe: Recipe) -> Recipe:
    return replace(recipe, retrain=replace(recipe.retrain, epochs=250))


def market1501_cross_domain() -> Recipe:
    """Trained on Market-1501 for 250 epochs, tested on MSMT17; a search is ``market1501``'s.

    Not run here: a GPU and the data sets are needed.
    """
    return _for_250_epochs(_to_another(market1501(), "msmt17"))


def msmt17_cross_domain() -> Recipe:
    """Trained on MSMT17 for 250 epochs, tested on Market-1501; a search is ``msmt17``'s.

    Not run here: a GPU and the data sets are needed.
    """
    return _for_250_epochs(_to_another(msmt17(), "market1501"))


def veri776_cross_domain() -> Recipe:
    """Trained on VeRi-776 for 250 epochs, tested on VehicleID; a search is ``veri776``'s.

    Not run here: a GPU and the data sets are needed.
    """
    return _for_250_epochs(_to_another(veri776(), "vehicleid"))


def vehicleid_cross_domain() -> Recipe:
    """Trained on VehicleID for 250 epochs, tested on VeRi-776; a search is ``vehicleid``'s.

    Not run here: a GPU and the data sets are needed.
    """
    return _for_250_epochs(_to_another(vehicleid(), "veri776"))


def vehicles_cross_domain() -> Recipe:
    """Trained on ``vehicles_a`` and tested on ``vehicles_b``, folders below one data root.

    As long as ``vehicles``, about three minutes without a search on one busy core.
    """
    base = vehicles()
    at_home = replace(base, data=replace(base.data, name="market_layout:vehicles_a"))
    return _to_another(at_home, "market_layout:vehicles_b")


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(quickstart, vehicles, peers, market1501, msmt17, veri776, vehicleid),
        *(vehicles_cross_domain, market1501_cross_domain, msmt17_cross_domain),
        *(veri776_cross_domain, vehicleid_cross_domain, pretraining),
    )
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


def resolve(name: str, settings: Mapping[str, Any]) -> Recipe:
    """The recipe of that name with some fields set: what a trial or a command line runs.

    Args:
        name: of the recipe.
        settings: dotted field name -> value; the key ``preset`` names one of ``PRESETS``, or
            several with ``+`` between them, whose fields the others override.

    Raises:
        ValueError: if there is no such recipe, preset or field, two presets set a field
            differently, or a value is not of its type.
    """
    own = dict(settings)
    presets = presets_in(own.pop("preset", None))
    recipe = override(recipe_named(name), {**fields_of(presets), **own})
    if "authors_code" in presets and recipe.searches and recipe.strategy != "tcm":
        raise ValueError(
            f"The preset 'authors_code' was asked for with strategy {recipe.strategy!r}: it is how"
            " the authors of TCM run TCM; leave it out, or set strategy to 'tcm'."
        )
    return recipe


def require_network_of_search(recipe: Recipe) -> None:
    """Nothing happens where a trial can come to the network that is to be trained.

    Raises:
        ValueError: if there is nothing to search or to draw in it.
    """
    network = recipe.retrain.network
    if network != MSINET and recipe.strategy not in FIXED:
        raise ValueError(
            f"The recipe's field 'retrain.network' is {network!r}, in which strategy"
            f" {recipe.strategy!r} finds nothing to choose: set strategy to 'msinet_msmt17', which"
            f" searches nothing, or train it by 'reid-nas train --network {network}'."
        )


def point_of(recipe: Recipe, settings: Mapping[str, Any]) -> dict[str, Setting]:
    """What a result says of the settings its recipe was made with.

    Args:
        recipe: that was made.
        settings: as for ``resolve``.

    Returns:
        Name -> value as the recipe has it, a list as ``"a:b"``; without strategy and seed.
    """
    return {
        name: _said(value if name == "preset" else attrgetter(name)(recipe))
        for name, value in settings.items()
        if name not in ("strategy", "seed")
    }


def _said(value: Any) -> Setting:
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return value if isinstance(value, str | int | float | bool) else "none"
