"""The YAML file of an NNI experiment, and what it asks for."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from experiments.guard import own_command
from experiments.preflight.points import count


@dataclass(frozen=True)
class ExperimentFile:
    """What stands in the file, however wrong.

    Attributes:
        file: the YAML file.
        fields: its fields by their names without case and underscores, as NNI reads them.
    """

    file: Path
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> "ExperimentFile":
        """The experiment in ``file``.

        Raises:
            ValueError: if it is no YAML, or no experiment of NNI's version 2.
        """
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise ValueError(
                f"{file} cannot be read as YAML ({_where(error)}): mend it."
            ) from error
        if not isinstance(found, dict):
            raise ValueError(
                f"{file} holds {_kind(found)} where the fields of an NNI experiment were needed:"
                " begin with a copy of experiments/quickstart.yml."
            )
        fields = {loose(str(name)): value for name, value in found.items()}
        if "trainingserviceplatform" in fields:
            raise ValueError(
                f"{file} is in NNI's old format (trainingServicePlatform): that of version 2 was"
                f" needed, which '{own_command()} nnictl create --no-preflight' prints of it."
            )
        return cls(file, fields)

    def get(self, name: str) -> Any:
        """A field, of ``trainingService`` first and then of the experiment; None if it is unset."""
        return self.service.get(loose(name), self.fields.get(loose(name)))

    @property
    def service(self) -> dict[str, Any]:
        """The fields of ``trainingService``; none where there are several."""
        found = self.fields.get("trainingservice")
        if not isinstance(found, dict):
            return {}
        return {loose(str(name)): value for name, value in found.items()}

    @property
    def is_local(self) -> bool:
        """Whether trials run on this machine."""
        return bool(self.service.get("platform") == "local")

    @property
    def code(self) -> Path:
        """The folder trials run in."""
        return self._folder(self.get("trialCodeDirectory"), ".")

    @property
    def experiments(self) -> Path:
        """The folder with NNI's folder of each experiment."""
        return self._folder(self.get("experimentWorkingDirectory"), "~/nni-experiments")

    @property
    def space(self) -> Any:
        """The search space; None where there is none to be read."""
        named = self.fields.get("searchspacefile")
        if named is None:
            return self.fields.get("searchspace")
        try:
            text = self._folder(named, ".").read_text(encoding="utf-8")
            return _json_or_yaml(text)
        except (yaml.YAMLError, UnicodeDecodeError, OSError):
            return None  # NNI says why

    @property
    def trials(self) -> int | None:
        """How many trials are planned; None if nothing but time limits them."""
        limits = [self.fields.get("maxtrialnumber")]
        if self.tuner in ("gridsearch", "batch"):
            limits.append(_points(self.space))
        return min((limit for limit in limits if isinstance(limit, int)), default=None)

    @property
    def tuner(self) -> str | None:
        """NNI's tuner in small letters, without "tuner" at its end; None for a class of one's own.

        Without that end, an alias of NNI's is its name.
        """
        found = self.fields.get("tuner") or self.fields.get("advisor")
        fields = found if isinstance(found, dict) else {}
        name = {loose(str(key)): value for key, value in fields.items()}.get("name")
        return name.lower().removesuffix("tuner") if isinstance(name, str) else None

    def _folder(self, value: Any, default: str) -> Path:
        named = value if isinstance(value, str) else default
        return Path(os.path.abspath(self.file.parent / os.path.expanduser(named)))


def _json_or_yaml(text: str) -> Any:
    """As NNI reads a search space: in JSON 1e-5 is a number, in PyYAML's YAML it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _points(space: Any) -> int | None:
    try:
        return count(space)
    except (AttributeError, KeyError, TypeError):
        return None


def _where(error: Exception) -> str:
    """What is wrong with a YAML file, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _kind(found: object) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"


def loose(name: str) -> str:
    """A field's name as NNI compares it."""
    return name.lower().replace("_", "")
