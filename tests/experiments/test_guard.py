"""Guarded, no Node process of an experiment listens beyond this machine, however it asks."""

import json
import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.guard import (
    BIND,
    MARK,
    PRELOAD,
    guard,
    guarded_environment,
    own_command,
    warn_if_unguarded,
)

NODE = str(Path(find_spec("nni_node").origin).with_name("node"))  # type: ignore[union-attr,arg-type]

EVERY_SHAPE = [
    "s.listen()",
    "s.listen(() => 0)",
    "s.listen(null, () => 0)",
    "s.listen(0)",
    "s.listen('0')",
    "s.listen(0, () => 0)",
    "s.listen(0, 5)",
    "s.listen(0, undefined, 5)",
    "s.listen(0, undefined, undefined, () => 0)",
    "s.listen(undefined, undefined, () => 0)",
    "s.listen(0, '0.0.0.0')",
    "s.listen(0, '0.0.0.0', 5, () => 0)",
    "s.listen(0, '::')",
    "s.listen(0, '')",
    "s.listen(0, 'localhost')",
    "s.listen({ port: 0 })",
    "s.listen({ port: 0 }, () => 0)",
    "s.listen({ port: undefined })",
    "s.listen({ port: null, host: '::' })",
    "s.listen({ port: 0, host: '::', ipv6Only: true })",
    "s.listen({ port: 0, path: '/a/path/loses/against/a/port' })",
    "s.listen(Object.create({ port: 0, host: '0.0.0.0' }))",
]


def node(script: str, env: dict[str, str]) -> str:
    done = run(script, env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [NODE, "-e", script]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def listening(env: dict[str, str], shapes: list[str]) -> dict[str, str]:
    """The address, or the pipe's path, that each call of ``listen`` ends up on."""
    servers = "".join(
        f"""{{ const s = require('http').createServer();
        s.on('listening', () => {{ found[{json.dumps(shape)}] = s.address(); s.close(); }});
        s.on('error', (e) => {{ found[{json.dumps(shape)}] = {{ address: e.code }}; }});
        {shape}; }}"""
        for shape in shapes
    )
    out = node(
        f"const found = {{}}; {servers}"
        "process.on('exit', () => console.log(JSON.stringify(found)));",
        env,
    )
    return {
        shape: at if isinstance(at, str) else at["address"] for shape, at in json.loads(out).items()
    }


def test_every_way_to_listen_ends_on_loopback() -> None:
    found = listening(guarded_environment(os.environ), EVERY_SHAPE)
    assert found == dict.fromkeys(EVERY_SHAPE, "127.0.0.1")


def test_without_the_guard_most_of_them_are_open_to_the_network() -> None:
    found = listening(dict(os.environ), EVERY_SHAPE)
    assert sum(address in ("::", "0.0.0.0") for address in found.values()) >= 18


def test_pipes_and_adopted_sockets_are_left_alone(tmp_path: Path) -> None:
    shapes = [f"s.listen('{tmp_path}/a')", f"s.listen({{ path: '{tmp_path}/b' }})"]
    found = listening(guarded_environment(os.environ), shapes)
    assert list(found.values()) == [f"{tmp_path}/a", f"{tmp_path}/b"]
    adopted = """const net = require('net'); const first = net.createServer();
    first.listen(0, () => { const second = net.createServer();
        second.listen(first, () => { console.log(second.address().port === first.address().port);
            process.exit(); }); });"""
    assert node(adopted, guarded_environment(os.environ)) == "true\n"


def test_callbacks_and_backlogs_survive() -> None:
    script = """const s = require('net').createServer();
    s._listen2 = new Proxy(s._listen2, { apply: (f, self, args) => {
        console.log(args[3]); return Reflect.apply(f, self, args); } });
    s.listen(0, undefined, 7, () => { console.log('called'); s.close(); });"""
    assert node(script, guarded_environment(os.environ)) == "7\ncalled\n"


def test_a_named_bind_address_opens_what_did_not_ask_for_loopback() -> None:
    shapes = ["s.listen(0)", "s.listen({ port: 0 })", "s.listen(0, 'localhost')"]
    found = listening(guarded_environment(os.environ) | {BIND: "0.0.0.0"}, shapes)
    assert list(found.values()) == ["0.0.0.0", "0.0.0.0", "127.0.0.1"]


def test_a_bind_address_that_is_none_stops_the_process_with_one_sentence() -> None:
    done = run("", guarded_environment(os.environ) | {BIND: "everywhere"})
    assert done.returncode != 0
    assert 'REID_NNI_BIND is "everywhere", but an IP address' in done.stderr


@pytest.mark.parametrize(
    ("call", "heard"),
    [
        # as NNI does: two flags in one word, for a shell to split
        (
            "'tensorboard', ['--bind_all --logdir_spec=0-a:/x', '--port=6006'], { shell: true }",
            ["--host=127.0.0.1", "--logdir_spec=0-a:/x", "--port=6006"],
        ),
        (
            "'tensorboard', ['--bind_all --logdir_spec=0-a:/x y', '--port=6006'], { shell: true }",
            ["--host=127.0.0.1", "--logdir_spec=0-a:/x y", "--port=6006"],
        ),
        ("'tensorboard', ['--bind_all', '--port=1']", ["--host=127.0.0.1", "--port=1"]),
        ("'tensorboard --bind_all --port=1', { shell: true }", ["--host=127.0.0.1", "--port=1"]),
        ("'tensorboard', ['--logdir', '/--bind_all']", ["--logdir", "/--bind_all"]),
        ("'another', ['--bind_all']", ["--bind_all"]),
        ("'another'", []),
    ],
)
def test_a_tensorboard_child_is_given_a_host_and_other_children_their_own_words(
    call: str, heard: list[str], tmp_path: Path
) -> None:
    for name in ("tensorboard", "another"):
        echo = tmp_path / name
        echo.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\n")
        echo.chmod(0o755)
    env = guarded_environment(os.environ)
    env["PATH"] = f"{tmp_path}{os.pathsep}{env['PATH']}"
    script = f"require('child_process').spawn({call}).stdout.pipe(process.stdout);"
    assert node(script, env) == f"{heard}\n"


def test_the_users_node_options_stay_and_a_second_guard_adds_nothing() -> None:
    once = guarded_environment({"NODE_OPTIONS": "--no-warnings"})
    assert once["NODE_OPTIONS"] == f'--no-warnings --require "{PRELOAD}"'
    assert guarded_environment(once) == once


def test_a_process_that_guards_itself_passes_the_guard_on_and_may_do_so_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NODE_OPTIONS", "PATH", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # taken back after the test
    wanted = guarded_environment(os.environ)
    guard()
    assert dict(os.environ) == wanted
    script = "require('net').createServer().listen(0, function () {"
    script += " console.log(this.address().address); process.exit(); });"
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True)
    assert done.stdout == "127.0.0.1\n"
    guard()
    assert dict(os.environ) == wanted


def test_a_path_with_spaces_quotes_and_backslashes_reaches_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / 'a "quoted" folder\\with spaces' / "guard.cjs"
    odd.parent.mkdir()
    for file in PRELOAD.parent.glob("*.cjs"):
        (odd.parent / file.name).write_text(file.read_text())
    monkeypatch.setattr("experiments.guard.PRELOAD", odd)
    assert node(f"console.log(process.env.{MARK})", guarded_environment(os.environ)) == "1\n"


@given(
    st.dictionaries(
        st.sampled_from(["PATH", "NODE_OPTIONS", "no_proxy", "NO_PROXY", MARK, BIND, "X"]),
        st.text(st.sampled_from("ab,: ./"), max_size=12),
    )
)
def test_whatever_the_environment_python_is_this_one_and_this_machine_needs_no_proxy(
    env: dict[str, str],
) -> None:
    before = dict(env)
    guarded = guarded_environment(env)
    assert env == before
    assert guarded["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    for name in ("no_proxy", "NO_PROXY"):
        assert {"localhost", "127.0.0.1"} <= set(guarded[name].split(","))
    assert MARK not in guarded
    assert guarded["NODE_OPTIONS"].endswith(f'--require "{PRELOAD}"')
    assert {name: env[name] for name in (BIND, "X") if name in env}.items() <= guarded.items()


def test_a_trial_of_an_unguarded_manager_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    env = {"NNI_PLATFORM": "local"}
    assert [warn_if_unguarded(env), warn_if_unguarded(env)] == [True, False]
    assert capsys.readouterr().err.count("open to the network") == 1


@pytest.mark.parametrize(
    "env", [{}, {"NNI_PLATFORM": "local", MARK: "1"}, {"NNI_PLATFORM": "remote"}]
)
def test_a_guarded_trial_a_remote_one_and_a_plain_run_say_nothing(env: dict[str, str]) -> None:
    assert not warn_if_unguarded(env)


COMMAND = """#!{python}
import sys
from experiments.guard import own_command
print(own_command())
"""


@pytest.mark.parametrize("typed", ["./reid-nas", "../a b/reid-nas", "{folder}/reid-nas"])
def test_the_command_it_names_is_the_one_that_was_typed_and_works_when_pasted(
    typed: str, tmp_path: Path
) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    script = folder / "reid-nas"
    script.write_text(COMMAND.format(python=sys.executable))
    script.chmod(0o755)
    env = os.environ | {"PYTHONPATH": str(PRELOAD.parents[1])}

    def shell(line: str) -> str:
        done = subprocess.run(
            line, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.removesuffix("\n")

    line = shlex.quote(typed.format(folder=folder))
    assert shell(line) == line
    env["PATH"] = f"{folder}{os.pathsep}{env['PATH']}"
    assert shell("reid-nas") == "reid-nas"


def test_any_other_process_names_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/experiments/trial.py"])
    monkeypatch.setattr("sys.orig_argv", [".venv/bin/python", "-m", "experiments.trial"])
    assert own_command() == ".venv/bin/python -m experiments"


def test_the_warning_names_a_command_that_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.guard.own_command", lambda: "bin/reid-nas")
    warn_if_unguarded({"NNI_PLATFORM": "local"})
    assert "start it by 'bin/reid-nas nnictl create ...' instead" in capsys.readouterr().err
