"""A genotype: which candidate every slot of a space holds, as one JSON file for all spaces."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nas_space.interactions import INTERACTIONS

VERSION = 1

MSI_SLOTS = tuple(f"cell{cell}_slot{slot}" for cell in range(6) for slot in range(2))
"""Where the 12 interactions of the MSI space sit, from the input to the output."""

CANDIDATES: Mapping[str, tuple[str, ...]] = {"msi": tuple(INTERACTIONS)}
"""Space -> names a slot of it may hold."""

SLOTS: Mapping[str, tuple[str, ...]] = {"msi": MSI_SLOTS}
"""Space -> labels of its slots, in the order of the forward pass."""

_LETTERS = {"none": "-", "exchange": "E", "channel_gate": "G", "cross_attention": "C"}


@dataclass(frozen=True)
class Genotype:
    """One candidate per slot.

    Attributes:
        space: the space it belongs to, ``"msi"``.
        slots: label -> candidate, complete and in the order of the forward pass.

    Raises:
        ValueError: if the space is unknown, a slot is missing or unknown, or holds a candidate
            the space does not have.
    """

    space: str
    slots: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.space not in SLOTS:
            raise ValueError(
                f"Unknown space {self.space!r} in a genotype: expected one of {sorted(SLOTS)}."
            )
        known = SLOTS[self.space]
        if set(self.slots) != set(known):
            missing, extra = (
                sorted(set(known) - set(self.slots)),
                sorted(set(self.slots) - set(known)),
            )
            raise ValueError(
                f"A genotype of the {self.space} space names each of its {len(known)} slots once:"
                f" missing {missing}, unknown {extra}."
            )
        for label in known:
            if self.slots[label] not in CANDIDATES[self.space]:
                raise ValueError(
                    f"Slot {label} holds {self.slots[label]!r}:"
                    f" expected one of {list(CANDIDATES[self.space])}."
                )
        ordered = {label: self.slots[label] for label in known}
        object.__setattr__(self, "slots", MappingProxyType(ordered))

    def __str__(self) -> str:
        """A letter per slot, two slots a cell: ``GG GG EC GG -G CE``-like, for tables."""
        letters = [_LETTERS[name] for name in self.slots.values()]
        return " ".join(a + b for a, b in zip(letters[::2], letters[1::2], strict=True))

    def to_json(self) -> str:
        """The text of a genotype file."""
        content = {"space": self.space, "version": VERSION, "slots": dict(self.slots)}
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Genotype":
        """Read a genotype file.

        Raises:
            ValueError: if it is not JSON, not of this version, or not a genotype.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"A genotype file holds JSON, and this does not ({error}): give the genotype.json"
                " that a search wrote."
            ) from error
        if not isinstance(content, dict) or not {"space", "slots", "version"} <= set(content):
            raise ValueError(
                "A genotype file holds JSON with space, version and slots, and this holds"
                f" {_found(content)}: give the genotype.json that a search wrote."
            )
        if content["version"] != VERSION:
            raise ValueError(
                f"A genotype file of version {content['version']!r} was found, and this release"
                f" reads {VERSION}: read it with the release that wrote it."
            )
        if not isinstance(content["slots"], dict) or not isinstance(content["space"], str):
            raise ValueError(
                "The space of a genotype is a word and its slots are names with candidates, and"
                " here they are not: give the genotype.json that a search wrote."
            )
        return cls(space=content["space"], slots=content["slots"])

    @classmethod
    def load(cls, name_or_file: str) -> "Genotype":
        """A published or uniform genotype by name, or one from a file.

        Raises:
            ValueError: if it is neither, or the file holds something else.
        """
        if name_or_file in FIXED:
            return FIXED[name_or_file]
        file = Path(name_or_file)
        if not file.is_file():
            raise ValueError(
                f"No genotype {name_or_file!r}: there is no such file, and those known by a name"
                f" are {', '.join(FIXED)}; give one, or the genotype.json of a search."
            )
        try:
            return cls.from_json(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{file.name} is no text: give the genotype.json that a search wrote."
            ) from error
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from error


def _found(content: object) -> str:
    """What JSON holds, in few words."""
    if not isinstance(content, dict):
        return "something else"
    return ", ".join(sorted(content)[:5]) or "nothing"


def _msi(*candidates: str) -> Genotype:
    return Genotype("msi", dict(zip(MSI_SLOTS, candidates, strict=True)))


PUBLISHED: dict[str, Genotype] = {
    # MSINet (CVPR 2023), searched on MSMT17.
    "msinet_msmt17": _msi(
        *("channel_gate", "channel_gate"),
        *("exchange", "channel_gate"),
        *("cross_attention", "channel_gate"),
        *("channel_gate", "none"),
        *("channel_gate", "cross_attention"),
        *("exchange", "cross_attention"),
    )
}
"""Genotypes of papers, by name."""

FIXED: Mapping[str, Genotype] = PUBLISHED | {
    f"uniform_{name}": _msi(*[name] * len(MSI_SLOTS)) for name in CANDIDATES["msi"]
}
"""Genotypes nobody has to search for: those of papers, and one interaction in every slot."""
