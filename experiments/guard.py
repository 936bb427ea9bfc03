"""The environment in which NNI's manager listens on this machine only.

NNI's manager opens its port on all interfaces without a password. Its Node process inherits the
environment of whoever starts it, so a preload (``guard.cjs``, next to this file) can keep it on
127.0.0.1, and repair its faults (``repairs.cjs``), with no file of NNI touched. Before an
experiment is started from Python, ``guard()`` does it.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

PRELOAD = Path(__file__).resolve().with_name("guard.cjs")
MARK = "REID_NNI_GUARD"
BIND = "REID_NNI_BIND"
SCRIPT = "reid-nas"

_HERE = ("localhost", "127.0.0.1")


def guarded_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment ``env`` for a command that starts NNI's manager, guarded.

    The user's ``NODE_OPTIONS`` stay in front of the preload. The interpreter's folder comes first
    on ``PATH``, so that ``python`` in an experiment's ``trialCommand`` is this one. Calls to this
    machine bypass a proxy. ``REID_NNI_BIND`` (an address to listen on instead of 127.0.0.1, for
    remote training) passes through.

    Args:
        env: what the command would have inherited; not changed.
    """
    guarded = {name: value for name, value in env.items() if name != MARK}
    guarded["NODE_OPTIONS"] = _with_preload(env.get("NODE_OPTIONS", ""))
    guarded["PATH"] = os.pathsep.join(
        _put_first(_interpreter_folder(), env.get("PATH", os.defpath))
    )
    for name in ("no_proxy", "NO_PROXY"):
        known = [host for host in env.get(name, "").split(",") if host]
        guarded[name] = ",".join([*known, *(host for host in _HERE if host not in known)])
    return guarded


def guard() -> None:
    """Guard the managers that this process starts from now on, as ``NasExperiment.run`` does.

    Changes ``os.environ`` into its ``guarded_environment``. A second call changes nothing.
    """
    os.environ.update(guarded_environment(os.environ))


def warn_if_unguarded(env: MutableMapping[str, str] | None = None) -> bool:
    """Say once, on standard error, that NNI runs this trial under an unguarded manager.

    NNI hands the manager's whole environment to a local trial, and the preload leaves its mark
    there. Silent outside NNI, and on remote machines, where trials do not inherit it. A warning
    given leaves a mark as well, so that neither this process nor its children repeat it.

    Args:
        env: the trial's environment, by default the process's own; marked after a warning.

    Returns:
        Whether it warned.
    """
    env = os.environ if env is None else env
    if env.get("NNI_PLATFORM") != "local" or MARK in env:
        return False
    env[MARK] = "warned"
    print(
        "NNI's manager of this experiment is open to the network and asks for no password: start"
        f" it by '{own_command()} nnictl create ...' instead of 'nnictl create ...' to keep it on"
        " this machine.",
        file=sys.stderr,
        flush=True,
    )
    return True


def own_command() -> str:
    """How a shell calls ``reid-nas`` again, quoted: as it was called, relative where that was.

    A process that is not the ``reid-nas`` script, such as a trial, names its interpreter.
    """
    script = sys.argv[0]
    if Path(script).name != SCRIPT:
        return f"{shlex.quote(sys.orig_argv[0])} -m experiments"
    # A script found on PATH is told its whole path, though its bare name was typed.
    return SCRIPT if script == shutil.which(SCRIPT) else shlex.quote(script)


def _with_preload(node_options: str) -> str:
    # Node splits NODE_OPTIONS at spaces outside double quotes; a backslash escapes inside them.
    path = str(PRELOAD).replace("\\", "\\\\").replace('"', '\\"')
    require = f'--require "{path}"'
    return node_options if require in node_options else f"{node_options} {require}".strip()


def _interpreter_folder() -> str:
    # Not resolved: in a virtual environment the interpreter is a link out of it.
    return str(Path(sys.executable).parent)


def _put_first(folder: str, path: str) -> list[str]:
    return [folder, *(entry for entry in path.split(os.pathsep) if entry != folder)]
