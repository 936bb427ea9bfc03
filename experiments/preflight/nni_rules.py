"""What NNI would refuse in an experiment.

NNI stops at the first thing it refuses, often with a traceback. Here each is a sentence, and one
that has been said already is put right before NNI is asked for the rest.
"""

import dataclasses
import difflib
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from experiments.preflight.experiment_file import ExperimentFile, loose

_REFERENCE = "https://nni.readthedocs.io/en/stable/reference/experiment_config.html"


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
    names = {loose(field.name): _camel(field.name) for field in known}
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


def _words(error: Exception) -> str:
    """What NNI says, or, of a bare assertion, what it asserts."""
    if isinstance(error, AssertionError) and not str(error):
        line = traceback.extract_tb(error.__traceback__)[-1].line or "assert a valid field"
        words = line.removeprefix("assert ").replace("self.", "") + " does not hold"
    else:
        words = " ".join(str(error).split()).rstrip(".")
    words = re.sub(r"<class '(\w+)'>", r"\1", words.removeprefix("ExperimentConfig: "))
    return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda name: _camel(name[0]), words)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
