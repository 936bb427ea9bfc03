"""What a run folder is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.config import to_dict
from experiments.points import Point
from experiments.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """All that decides what a run does, and what it is called by.

    Attributes:
        recipe: of the run.
        label: the strategy, or what is trained without a search.
        search_epochs: of a search; 0 where nothing is searched.
        given: what a run without a search was given besides its recipe, as values JSON has.
        point: what results say of the settings that made the recipe, as ``point_of`` has it; it
            decides nothing besides.
    """

    recipe: Recipe
    label: str
    search_epochs: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)
    point: Point = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """The same as values JSON has, without the label, which follows from them."""
        given = {"given": dict(self.given)} if self.given else {}
        return {"recipe": to_dict(self.recipe), **given}
