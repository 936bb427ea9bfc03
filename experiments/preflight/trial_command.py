"""A ``trialCommand``, as far as it can be understood without a shell."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TRIAL = "experiments.trial"

_PYTHON = re.compile(r"python[\d.]*$")
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True)
class TrialCommand:
    """What a command says of the trial it starts.

    Attributes:
        python: the word that names its interpreter; None if there is none.
        settings: variables it sets for itself.
        is_ours: whether it runs a trial of this package.
        recipe: what follows ``--recipe``; None if nothing does.
    """

    python: str | None
    settings: Mapping[str, str]
    is_ours: bool
    recipe: str | None

    @classmethod
    def parse(cls, command: str) -> "TrialCommand":
        """Understand ``command``.

        Raises:
            ValueError: if its quotes do not match.
        """
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(
                f"trialCommand is {command!r}, whose quotes do not match: close them."
            ) from error
        ours = [i for i, word in enumerate(words) if word == TRIAL and words[i - 1 : i] == ["-m"]]
        before, after = (words[: ours[0]], words[ours[0] :]) if ours else (words, [])
        pythons = [word for word in before if _PYTHON.match(Path(word).name)]
        matches = [m for word in before if (m := _ASSIGNMENT.fullmatch(word))]
        return cls(
            python=pythons[0] if pythons else None,
            settings={m["name"]: m["value"] for m in matches},
            is_ours=bool(ours),
            recipe=_option(after, "--recipe"),
        )

    def interpreter(self, folder: Path, environment: Mapping[str, str]) -> str | None:
        """The whole path of its Python.

        Args:
            folder: where it is run.
            environment: in which it is run.

        Returns:
            None if it names none.

        Raises:
            ValueError: if there is no such program.
        """
        if self.python is None:
            return None
        named = os.path.expanduser(os.path.expandvars(self.python))
        place = str(folder / named) if os.sep in named else named
        found = shutil.which(place, path=environment.get("PATH"))
        if found is None:
            raise ValueError(
                f"trialCommand calls {self.python!r}, and there is no such program on PATH or in"
                f" {folder}: write 'python' for the Python of this command, or another's path."
            )
        return found


def _option(words: Sequence[str], name: str) -> str | None:
    """What follows ``name``, as the next word or after an equals sign."""
    for place, word in enumerate(words):
        if word == name:
            return next(iter(words[place + 1 :]), None)
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None
