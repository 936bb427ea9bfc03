"""Recipes by name, and what a trial or a command line makes of one.

Each docstring says what the recipe costs and what it must reach; measured figures stand in
``RESULTS.md`` with commit, hardware and seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from evaluators.optimisation import WeightOptimiser
from experiments.config import override
from experiments.recipe import Alignment, Data, Recipe, Retrain, Search, Space
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
        data=replace(base.data, target=target),
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
        *(quickstart, vehicles, market1501, msmt17, veri776, vehicleid),
        *(vehicles_cross_domain, market1501_cross_domain, msmt17_cross_domain),
        *(veri776_cross_domain, vehicleid_cross_domain),
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
    "sam_authors_code": {
        "retrain.alignment.mode": "pos_neg",
        "retrain.alignment.orientation": "other",
        "retrain.alignment.self_pairs": True,
    },
}
"""Fields of a recipe that belong together.

``paper`` and ``authors_code`` are TCM as the paper has it, and as its authors' code does (decision
19). Recipes follow the paper by themselves and hold out a tenth of the identities, which neither
paper nor code does: naming the preset takes them back into the search.

``sam_authors_code`` is the spatial alignment of the authors' code (decision 34), with all pairs
unless a mode is set beside it.
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
    recipe = override(recipe_named(name), {**PRESETS[preset], **own})
    if preset == "authors_code" and recipe.searches and recipe.strategy != "tcm":
        raise ValueError(
            f"The preset 'authors_code' was asked for with strategy {recipe.strategy!r}: it is how"
            " the authors of TCM run TCM; leave it out, or set strategy to 'tcm'."
        )
    return recipe
