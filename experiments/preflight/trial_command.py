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
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_OPERATORS = "();<>|&\n"

_IN_FRONT = ("env", "exec", "export", "nice", "nohup", "stdbuf", "time", "timeout")
"""Programs whose argument is another program, or a setting; their options look like options."""


@dataclass(frozen=True)
class TrialCommand:
    """What a command says of the trial it starts.

    Of the commands that a shell would run one after the other, that of a trial of this package
    counts, with what was set and where ``cd`` went before it. Of another program the first command
    counts: what the later ones find is made by the ones before.

    Attributes:
        python: the word that is run, if that is an interpreter; None if it is not.
        settings: variables it sets for itself, as they are written.
        is_ours: whether it runs a trial of this package.
        recipe: what follows ``--recipe``, as it is written; None if nothing does.
        ways: what ``cd`` is told before, one after the other.
    """

    python: str | None
    settings: Mapping[str, str]
    is_ours: bool
    recipe: str | None
    ways: tuple[str, ...] = ()

    @classmethod
    def parse(cls, command: str) -> "TrialCommand":
        """Understand ``command``.

        Raises:
            ValueError: if its quotes do not match.
        """
        try:
            commands = _simple_commands(command)
        except ValueError as error:
            raise ValueError(
                f"trialCommand is {command!r}, whose quotes do not match: close them."
            ) from error
        ours = [place for place, words in enumerate(commands) if _arguments(words) is not None]
        place = ours[0] if ours else 0
        before = [_begin(words) for words in commands[:place]]
        own = commands[place] if commands else []
        settings, program = _begin(own)
        kept = [found for found, other in before if not other]
        return cls(
            python=next((word for word in program[:1] if _PYTHON.match(Path(word).name)), None),
            settings={name: value for found in (*kept, settings) for name, value in found.items()},
            is_ours=bool(ours),
            recipe=_option(_arguments(own) or (), "--recipe"),
            ways=tuple((*other[1:], "~")[0] for _, other in before if other[:1] == ["cd"]),
        )

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """``inherited`` with its own settings, in which variables stand for their values."""
        found = dict(inherited)
        for name, value in self.settings.items():
            found[name] = expanded(value, found)
        return found

    def folder(self, start: Path, environment: Mapping[str, str]) -> Path:
        """Where it is run if its shell starts in ``start``."""
        return start.joinpath(*(expanded(way, environment) for way in self.ways))

    def is_known(self, environment: Mapping[str, str]) -> bool:
        """Whether its program and all it sets are told without a shell.

        Args:
            environment: in which it is run, its own settings among it.
        """
        if self.python is None:
            return False
        words = [expanded(word, environment) for word in (self.python, *self.ways)]
        return not any(map(_is_open, (*words, *(environment[name] for name in self.settings))))

    def interpreter(self, folder: Path, environment: Mapping[str, str]) -> str | None:
        """The whole path of its Python.

        Args:
            folder: where it is run.
            environment: in which it is run.

        Returns:
            None if it names none, or one that only a shell knows.

        Raises:
            ValueError: if there is no such program.
        """
        if self.python is None:
            return None
        named = expanded(self.python, environment)
        if _is_open(named):
            return None
        place = str(folder / named) if os.sep in named else named
        found = shutil.which(place, path=environment.get("PATH"))
        if found is None:
            raise ValueError(
                f"trialCommand calls {self.python!r}, and there is no such program on PATH or in"
                f" {folder}: write 'python' for the Python of this command, or another's path."
            )
        return found


def expanded(word: str, environment: Mapping[str, str]) -> str:
    """``word`` with a home folder in front and variables as a shell reads them, unless quoted."""
    named = _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], ""), word)
    return os.path.expanduser(named)


def _is_open(word: str) -> bool:
    """Whether something is left in ``word`` that only a shell knows."""
    return "$" in word or "`" in word


def _simple_commands(command: str) -> list[list[str]]:
    """The words of each command that a shell would run, without what is redirected."""
    lexer = shlex.shlex(command.replace("\\\n", ""), posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    commands: list[list[str]] = [[]]
    redirects = False
    for word in lexer:
        if word and set(word) <= set(_OPERATORS):
            redirects = "<" in word or ">" in word
            commands += [] if redirects else [[]]
        elif redirects:
            redirects = False
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def _begin(words: Sequence[str]) -> tuple[dict[str, str], Sequence[str]]:
    """What a simple command sets, and its program with the arguments; empty if it only sets."""
    settings: dict[str, str] = {}
    for place, word in enumerate(words):
        if match := _ASSIGNMENT.fullmatch(word):
            settings[match["name"]] = match["value"]
        elif not (Path(word).name in _IN_FRONT or (place and re.match(r"[-+\d]", word))):
            return settings, words[place:]
    return settings, []


def _arguments(words: Sequence[str]) -> Sequence[str] | None:
    """What follows ``-m experiments.trial``; None if that is not called."""
    for place, word in enumerate(words):
        if word == TRIAL and words[place - 1 : place] == ["-m"]:
            return words[place + 1 :]
    return None


def _option(words: Sequence[str], name: str) -> str | None:
    """What follows ``name``, as the next word or after an equals sign."""
    for place, word in enumerate(words):
        if word == name:
            return next(iter(words[place + 1 :]), None)
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None
