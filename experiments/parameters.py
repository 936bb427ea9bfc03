"""The parameters of a trial, read as plain JSON.

NNI decodes what its manager sends by a loader that unpickles and imports whatever the text names:
who can put a parameter into an experiment runs code in every trial. Here the text is data.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


def next_parameters() -> dict[str, Any]:
    """What NNI's tuner chose for this trial; nothing outside NNI.

    NNI takes note of it as in ``nni.get_next_parameter``, so that the trial's metrics are booked
    on it.

    Raises:
        ValueError: if NNI sent something other than a JSON object of parameters.
    """
    import nni

    with _plain_decoder():
        return nni.get_next_parameter() or {}


def decode(text: str | None = None, *, fp: IO[str] | None = None) -> dict[str, Any]:
    """A parameter record of NNI's, by the signature of ``nni.load``: a text, or a file.

    Raises:
        ValueError: if it is not a JSON object whose ``parameters`` are one.
    """
    text = fp.read() if fp is not None else text or ""
    try:
        record = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _refusal(text) from error
    if not isinstance(record, dict) or not isinstance(record.get("parameters"), dict):
        raise _refusal(text)
    return record


def _refusal(text: str) -> ValueError:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return ValueError(
        f"NNI sent this trial {shown!r}, but a JSON object with the object 'parameters' was needed:"
        " check the experiment's tuner and search space."
    )


@contextmanager
def _plain_decoder() -> Iterator[None]:
    """NNI's channels to the manager decode by ``decode`` meanwhile."""
    import nni
    from nni.runtime.trial_command_channel import local_legacy

    loaders = [(module, module.load) for module in (nni, local_legacy)]
    for module, _ in loaders:
        module.load = decode
    try:
        yield
    finally:
        for module, loader in loaders:
            module.load = loader
