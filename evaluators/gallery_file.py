"""Drawn galleries in a file, so that others can score their features in the very same ones.

Letters: N test pictures, R repeats.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from nas_space.replacing import replaced

_FIELDS = ("seed", "repeats", "pictures", "identities_sha256", "galleries")


@dataclass(frozen=True)
class Galleries:
    """Which pictures are the gallery of each repeat.

    Attributes:
        chosen: one picture of every identity per repeat.
        seed: they were drawn from.
    """

    chosen: Bool[Tensor, "R N"]
    seed: int


def save_galleries(file: Path, galleries: Galleries, identities: Int[Tensor, " N"]) -> None:
    """Replace ``file`` by a JSON object.

    Its fields are ``seed``, ``repeats`` R, ``pictures`` N, ``identities_sha256`` (of the identities
    in the pictures' order, as decimal numbers with a comma between two) and ``galleries``, R lists
    of rows counted from 0.

    Args:
        file: its folder must exist.
        galleries: of these pictures.
        identities: of the pictures, in the order in which they were drawn from.
    """
    content = {
        "seed": galleries.seed,
        "repeats": len(galleries.chosen),
        "pictures": len(identities),
        "identities_sha256": _digest(identities),
        "galleries": [chosen.nonzero().squeeze(1).tolist() for chosen in galleries.chosen],
    }

    def write(draft: Path) -> None:
        draft.write_text(json.dumps(content) + "\n", encoding="utf-8")

    replaced(file, write)


def load_galleries(file: Path, identities: Int[Tensor, " N"]) -> Galleries:
    """The galleries in ``file``, on the device of ``identities``.

    The identities in their order say whether it belongs to these pictures. That two pictures of
    one identity changed places cannot be seen from them.

    Args:
        file: as `save_galleries` writes it.
        identities: of the pictures that will be scored.

    Raises:
        ValueError: if there is no such file, it was made for other pictures, or a gallery does not
            hold every identity once.
    """
    content = _content(file)
    if content["identities_sha256"] != _digest(identities):
        raise ValueError(
            f"The galleries in {file.name} were drawn from {content['pictures']} other pictures"
            f" than these {len(identities)}: the same identities in the same order are needed."
        )
    who = identities.cpu()
    people = torch.unique(who)
    chosen = torch.zeros((content["repeats"], len(who)), dtype=torch.bool)
    for gallery, drawn in zip(chosen, content["galleries"], strict=True):
        rows = torch.tensor([row for row in drawn if row < len(who)], dtype=torch.long)
        if len(drawn) != len(people) or not torch.equal(who[rows].sort().values, people):
            raise ValueError(
                f"A gallery in {file.name} does not hold each of the {len(people)} identities once:"
                " draw the galleries anew."
            )
        gallery[rows] = True
    return Galleries(chosen.to(identities.device), content["seed"])


def _digest(identities: Int[Tensor, " N"]) -> str:
    return hashlib.sha256(",".join(map(str, identities.tolist())).encode()).hexdigest()


def _content(file: Path) -> dict[str, Any]:
    """The JSON object in ``file``, with fields of the right types and one gallery per repeat."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{file.name} cannot be read as JSON ({type(error).__name__}): a file of drawn"
            " galleries is needed."
        ) from error
    if not _is_galleries(content):
        raise ValueError(
            f"{file.name} holds no drawn galleries: a JSON object with {', '.join(_FIELDS)} is"
            " needed, one list of rows per repeat; draw the galleries anew."
        )
    return dict(content)


def _is_galleries(content: Any) -> bool:
    if not isinstance(content, dict) or not all(field in content for field in _FIELDS):
        return False
    seed, repeats, pictures, _, galleries = (content[field] for field in _FIELDS)
    if not all(map(_counts, (seed, repeats, pictures))) or not isinstance(galleries, list):
        return False
    return 0 < repeats == len(galleries) and all(
        isinstance(rows, list) and all(map(_counts, rows)) for rows in galleries
    )


def _counts(value: Any) -> bool:
    """Whether it is a whole number from 0; JSON's true is none."""
    return type(value) is int and value >= 0
