"""The YAML file of an NNI experiment: what it asks for, and what NNI would refuse in it.

NNI stops at the first thing it refuses, often with a traceback. Here each is a sentence, and one
that this file has said already is put right before NNI is asked for the rest.
"""

import dataclasses
import difflib
import json
import logging
import os
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from experiments.guard import own_command
from experiments.preflight.points import count

_REFERENCE = "https://nni.readthedocs.io/en/stable/reference/experiment_config.html"


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
        fields = {_loose(str(name)): value for name, value in found.items()}
        if "trainingserviceplatform" in fields:
            raise ValueError(
                f"{file} is in NNI's old format (trainingServicePlatform): that of version 2 was"
                f" needed, which '{own_command()} nnictl create --no-preflight' prints of it."
            )
        return cls(file, fields)

    def get(self, name: str) -> Any:
        """A field, of ``trainingService`` first and then of the experiment; None if it is unset."""
        return self.service.get(_loose(name), self.fields.get(_loose(name)))

    @property
    def service(self) -> dict[str, Any]:
        """The fields of ``trainingService``; none where there are several."""
        found = self.fields.get("trainingservice")
        if not isinstance(found, dict):
            return {}
        return {_loose(str(name)): value for name, value in found.items()}

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
        name = {_loose(str(key)): value for key, value in fields.items()}.get("name")
        return name.lower().removesuffix("tuner") if isinstance(name, str) else None

    def _folder(self, value: Any, default: str) -> Path:
        named = value if isinstance(value, str) else default
        return Path(os.path.abspath(self.file.parent / os.path.expanduser(named)))


def refusals(experiment: ExperimentFile) -> list[str]:
    """What NNI would refuse in it, in a sentence each."""
    from nni.experiment.config import ExperimentConfig, utils

    said = _algorithms(experiment)
    fields, service = dict(experiment.fields), experiment.service
    said += _put_right_names(fields, dataclasses.fields(ExperimentConfig))
    platform = service.get("platform")
    if isinstance(fields.get("trainingservice"), dict) and not is_platform(platform):
        said.append(
            f"NNI has no platform {platform!r} for trainingService: write 'local' for this machine."
        )
        service = {"platform": "local"}
    if not experiment.code.is_dir():
        said.append(
            f"trialCodeDirectory is {experiment.code}, and there is no such folder: name the one"
            " that trialCommand is to run in, from the YAML's own folder on."
        )
        fields["trialcodedirectory"] = str(experiment.file.parent)
        service.pop("trialcodedirectory", None)
    if experiment.is_local and experiment.get("trialGpuNumber") and not _says_active(service):
        said.append(
            "trialGpuNumber asks for a GPU, and NNI then needs to know whether it may be in use"
            " already: set useActiveGpu under trainingService, or leave trialGpuNumber out, for a"
            " trial takes the GPU by itself."
        )
        service["useactivegpu"] = True
    if service:
        fields["trainingservice"] = service
    utils.set_base_path(experiment.file.parent)
    try:
        with _silence():
            ExperimentConfig(**fields).validate()
    except Exception as error:  # noqa: BLE001 - NNI checks by asserts and errors of every kind
        said.append(
            f"NNI refuses {experiment.file}: {_words(error)}; correct that field, see {_REFERENCE}."
        )
    finally:
        utils.unset_base_path()
    return said


@contextmanager
def _silence() -> Iterator[None]:
    """NNI's advice is for a manager that listens everywhere; ``nnictl`` gives its warnings."""
    logger = logging.getLogger("nni")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _put_right_names(
    fields: dict[str, Any], known: Sequence["dataclasses.Field[Any]"]
) -> list[str]:
    """Give unknown fields the names they most likely were to have; a sentence on each."""
    names = {_loose(field.name): _camel(field.name) for field in known}
    said = []
    for name in sorted(fields.keys() - names.keys()):
        close = difflib.get_close_matches(name, names.keys() - fields.keys(), 1, 0.8)
        remedy = f"write {names[close[0]]} if that was meant" if close else "delete it"
        said.append(f"NNI knows no field '{name}' of an experiment: {remedy}.")
        value = fields.pop(name)
        fields.update(dict.fromkeys(close, value))
    return said


def is_platform(name: Any) -> bool:
    """Whether NNI has a training service of that name."""
    from nni.experiment.config import utils

    try:
        utils.training_service_config_factory(name)
    except ValueError:
        return False
    return True


def _algorithms(experiment: ExperimentFile) -> list[str]:
    """A sentence on each tuner or assessor that goes by a name NNI does not know."""
    from nni.tools.package_utils.config_manager import get_all_algo_meta

    said = []
    for kind in ("tuner", "assessor"):
        algorithm = experiment.fields.get(kind)
        name = algorithm.get("name") if isinstance(algorithm, dict) else None
        metas = [meta for meta in get_all_algo_meta() if meta.algo_type == kind]
        known = [meta.name for meta in metas]
        accepted = {word.lower() for meta in metas for word in (meta.name, meta.alias) if word}
        if isinstance(name, str) and name.lower() not in accepted:
            said.append(f"NNI has no {kind} '{name}': take one of {', '.join(known)}.")
    return said


def _says_active(service: Mapping[str, Any]) -> bool:
    return service.get("useactivegpu") is not None


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


def _words(error: Exception) -> str:
    """What NNI says, or, of a bare assertion, what it asserts."""
    if isinstance(error, AssertionError) and not str(error):
        line = traceback.extract_tb(error.__traceback__)[-1].line or "assert a valid field"
        words = line.removeprefix("assert ").replace("self.", "") + " does not hold"
    else:
        words = " ".join(str(error).split()).rstrip(".")
    words = re.sub(r"<class '(\w+)'>", r"\1", words.removeprefix("ExperimentConfig: "))
    return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda name: _camel(name[0]), words)


def _where(error: Exception) -> str:
    """What is wrong with a YAML file, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _kind(found: object) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"


def _loose(name: str) -> str:
    return name.lower().replace("_", "")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
