"""What the preload mends in NNI's manager holds in NNI's modules, and of another NNI it says so.

Each test has NNI's Node load its modules without a manager; whole managers are in ``end_to_end``.
"""

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from experiments.guard import guarded_environment

NNI_NODE = Path(find_spec("nni_node").origin).parent  # type: ignore[union-attr,arg-type]
NODE = str(NNI_NODE / "node")

ARGUMENTS = [
    "--port=8080", "--experiment-id=x", "--action=create", "--mode=local", "--log-level=critical",
    "--python-interpreter=python",
]  # fmt: skip
GLOBALS = """
process.argv.splice(1, 0, 'main.js');
require('app-module-path').addPath(process.cwd());
require('common/globals').initGlobals();
"""
ADAPTER = """
const { V3asV1 } = require('training_service/v3/compat');
const adapter = new V3asV1({ platform: 'local', trialCommand: '', trialGpuNumber: 0 });
"""


def node(
    script: str, tmp_path: Path, *, env: dict[str, str] | None = None, patience: float = 60
) -> Any:
    """What ``script`` says as JSON after it has NNI's globals."""
    env = guarded_environment(os.environ) if env is None else env
    directory = f"--experiments-directory={tmp_path}"
    done = subprocess.run(
        [NODE, "-e", GLOBALS + script, "--", *ARGUMENTS, directory],
        cwd=NNI_NODE, env=env | {"HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=patience, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


FLEET = """
// Machines that sometimes have no room; trials that ask in an order of their own.
let state = Number(process.env.SEED);
const random = (n) => (state = (state * 48271) % 2147483647) % n;
const sent = {}, started = [];
let serve;
Object.assign(adapter.v3, {
    init() {}, onMetric() {}, onTrialStart() {}, onTrialEnd() {}, onEnvironmentUpdate() {},
    onRequestParameter(callback) { serve = callback; },
    sendParameter(id, text) { sent[id] = text; },
    start() { return [{ id: 'a' }, { id: 'b' }]; }, uploadDirectory() {},
    async createTrial(environment, command, folder, number, id) {
        if (random(2)) { return null; }
        if (random(4) === 0) { throw new Error('the machine is gone'); }
        id ??= `t${number}`;
        started.push(id);
        if (random(2)) { await serve(id); } // asks before its creation is known
        return id;
    },
});
(async () => {
    await adapter.start();
    const numbers = [...Array(40).keys()];
    const forms = numbers.map((n) => ({ sequenceId: n, hyperParameters: { value: `p${n}` } }));
    Object.assign(forms[7], { id: 'old', envId: 'a' }); // a resumed one
    const details = await Promise.all(forms.map((form) => adapter.submitTrialJob(form)));
    for (const id of started.sort(() => random(3) - 1)) {
        if (!(id in sent)) { await serve(id); }
    }
    const shown = details.map(({ id, form }) => [id, form.hyperParameters.value]);
    console.log(JSON.stringify({ shown, sent, old: details[7].id }));
    process.exit();
})();
"""


@pytest.mark.parametrize("seed", ["1", "20", "300"])
def test_every_trial_is_sent_the_parameters_shown_of_it_in_whatever_order_they_ask(
    seed: str, tmp_path: Path
) -> None:
    env = {"SEED": seed}
    found = node(ADAPTER + FLEET, tmp_path, env=guarded_environment(os.environ) | env)
    assert dict(found["shown"]) == found["sent"]
    assert sorted(found["sent"].values()) == sorted(f"p{n}" for n in range(40))
    assert found["old"] == "old"
    unguarded = node(ADAPTER + FLEET, tmp_path, env=os.environ | env)
    assert dict(unguarded["shown"]) != unguarded["sent"]


BUSY = """
// One free machine after half a second; the clock must be heard meanwhile.
let free = false;
setTimeout(() => { free = true; }, 500);
Object.assign(adapter.v3, {
    init() {}, onMetric() {}, onTrialStart() {}, onTrialEnd() {}, onEnvironmentUpdate() {},
    onRequestParameter() {}, start() { return [{ id: 'a' }]; }, uploadDirectory() {},
    async createTrial(environment, command, folder, number, id) { return free ? id : null; },
});
(async () => {
    await adapter.start();
    await adapter.submitTrialJob({ sequenceId: 0, hyperParameters: { value: 'p' } });
    console.log(JSON.stringify('created'));
    process.exit();
})();
"""


def test_a_trial_that_waits_for_room_does_not_stop_the_manager(tmp_path: Path) -> None:
    assert node(ADAPTER + BUSY, tmp_path) == "created"
    with pytest.raises(subprocess.TimeoutExpired):
        node(ADAPTER + BUSY, tmp_path, env=dict(os.environ), patience=6)


TRIAL_FILES = """
const ask = async ([id, name]) => {
    try { return String(await adapter.getTrialFile(id, name)); }
    catch (error) { return error.name; }
};
Promise.all(JSON.parse(process.env.ASKED).map(ask)).then((found) => {
    console.log(JSON.stringify(found));
    process.exit();
});
"""


def test_files_of_a_trial_are_served_and_others_are_not(tmp_path: Path) -> None:
    trials = tmp_path / "x" / "environments" / "local-env" / "trials"
    folder = trials / "abC12"
    (folder / "run").mkdir(parents=True)
    (trials / "abC12x").mkdir()
    for file in ("trial.stdout", "trial.stderr", "trial.log", "run/a", "..odd", "a b"):
        (folder / file).write_text(file)
    for place in (tmp_path, trials, trials / "abC12x"):
        (place / "secret").write_text("secret")
    (trials / "trial.stdout").write_text("secret")
    (folder / "inside").symlink_to("run/a")
    (folder / "outside").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to("..")
    served = {
        "stdout": "trial.stdout", "stderr": "trial.stderr", "trial.log": "trial.log",
        "run/a": "run/a", "run/../run/a": "run/a", "../abC12/run/a": "run/a", "/run/a": "run/a",
        "..odd": "..odd", "a b": "a b", "inside": "run/a",
    }  # fmt: skip
    refused = [
        ("abC12", name)
        for name in (
            "../secret", "../../../../../secret", "run/../../secret", "../abC12x/secret",
            f"../../../../..{tmp_path}/secret", "outside", "up/secret", "", ".", "run", "/",
            "run/a\0", "none", "%2e%2e/secret", "..\\secret", str(tmp_path / "secret"),
        )
    ] + [
        (id_, name)
        for id_ in ("..", ".", "", "abC12/..", "../../../..", "abC12/run", "%2e%2e", "no")
        for name in ("secret", "stdout")
    ]  # fmt: skip
    asked = [*(("abC12", name) for name in served), *refused]
    env = {"ASKED": json.dumps(asked)}
    found = node(ADAPTER + TRIAL_FILES, tmp_path, env=guarded_environment(os.environ) | env)
    wanted = [*served.values(), *("NOT_FOUND" if name != "run" else "Error" for _, name in refused)]
    assert dict(zip(asked, found, strict=True)) == dict(zip(asked, wanted, strict=True))
    unguarded = node(ADAPTER + TRIAL_FILES, tmp_path, env=os.environ | env)
    assert unguarded.count("secret") >= 8


OUTPUTS = """
const ask = (id) => adapter.getTrialOutputLocalPath(id).catch(() => 'refused');
Promise.all(['abC12', '..', 'a/../../b'].map(ask)).then((found) => {
    adapter.config.platform = 'remote';
    return ask('abC12').then((remote) => console.log(JSON.stringify([...found, remote])));
}).then(() => process.exit());
"""


def test_the_tensorboard_button_looks_where_a_local_trial_writes(tmp_path: Path) -> None:
    local, *refused, remote = node(ADAPTER + OUTPUTS, tmp_path)
    assert local == str(tmp_path / "x" / "environments" / "local-env" / "trials" / "abC12")
    assert refused == ["refused", "refused"]
    assert remote == str(tmp_path / "x" / "trials" / "abC12" / "output")  # NNI's own answer


# A second passes in a millisecond. The tuner is a process of the length given.
TUNER = """
const later = setTimeout;
global.setTimeout = (work, time, ...rest) => later(work, time / 1000, ...rest);
const server = require('core/tuner_command_channel').getTunerServer();
const { getTunerProc } = require('common/utils');
const [lives, connects] = JSON.parse(process.env.TIMES);
const tuner = getTunerProc(['sleep', `${lives / 1000}`], 'ignore', '.', {
    ...process.env, SDK_PROCESS: 'dispatcher' });
later(() => server.connect.resolve(), connects);
const told = (what) => { console.log(JSON.stringify(what)); tuner.kill(); process.exit(); };
server.init().then(() => told('connected'), (error) => told(error.message));
"""

LATE = "The tuner did not connect within 10 minutes."
DEAD = "The tuner ended before it connected: see log/dispatcher.log."
STOCK = "tuner_command_channel: Tuner did not connect in 10 seconds."


@pytest.mark.parametrize(
    ("lives", "connects", "told"),
    [(5000, 300, "connected"), (5000, 3000, LATE), (100, 3000, DEAD), (100, 0, "connected")],
)
def test_a_tuner_has_ten_minutes_to_connect_and_one_that_ended_none(
    lives: int, connects: int, told: str, tmp_path: Path
) -> None:
    times = {"TIMES": json.dumps([lives, connects])}
    assert node(TUNER, tmp_path, env=guarded_environment(os.environ) | times) == told
    if connects:
        assert node(TUNER, tmp_path, env=os.environ | times).startswith(STOCK)


RESUMED = """
const { IocShim } = require('common/ioc_shim');
IocShim.bindInstance({ name: 'DataStore' }, { storeTrialJobEvent() {} });
const { NNIManager } = require('core/nnimanager');
const job = (sequenceId, status, x) => ({ sequenceId, status, trialJobId: `t${sequenceId}`,
    hyperParameters: [JSON.stringify({ parameter_id: sequenceId, parameters: { x } })] });
const jobs = [job(0, 'SUCCEEDED', 5), job(1, 'RUNNING', 6), job(2, 'FAILED', 7),
    { status: 'FAILED', trialJobId: 'never submitted' }];
const found = ['GridSearch', 'gridsearch', 'TPE'].map((name) => {
    const manager = new NNIManager();
    Object.assign(manager, { config: { tuner: { name } }, experimentProfile: {},
        trialDataForTuner: '[{"parameter":{"x":5},"value":1}]', dispatcher: { init() { throw 0; } },
    });
    const recovered = manager.addRecoveredTrialJob(jobs);
    manager.run().catch(() => 0); // ends at the dispatcher
    const points = JSON.parse(manager.trialDataForTuner).map(({ parameter }) => parameter.x);
    return [recovered, manager.experimentProfile.nextSequenceId, points];
});
console.log(JSON.stringify(found));
process.exit();
"""


def test_a_resumed_experiment_counts_on_and_its_grid_search_knows_every_point(
    tmp_path: Path,
) -> None:
    # one unfinished trial; the highest number is 2; point 5 finished, 6 is going on, 7 failed
    *grids, other = node(RESUMED, tmp_path)
    for grid in grids:
        assert [grid[0], grid[1], sorted(set(grid[2]))] == [1, 3, [5, 6, 7]]
    assert other == [1, 3, [5]]
    unguarded = node(RESUMED, tmp_path, env=dict(os.environ))
    assert unguarded == [[1, 2, [5]]] * 3


CHANNEL = """
const { WebCommandChannel } = require('training_service/reusable/channels/webCommandChannel');
const channel = WebCommandChannel.getInstance(new (require('events'))());
channel.start();
channel.webSocketServer.on('listening', () => console.log('listening'));
"""


@pytest.mark.parametrize(("guarded", "address"), [(True, "127.0.0.1"), (False, "::")])
def test_the_channel_of_reused_machines_listens_on_loopback(
    guarded: bool, address: str, tmp_path: Path
) -> None:
    env = guarded_environment(os.environ) if guarded else dict(os.environ)
    arguments = ["--port=-1", *ARGUMENTS[1:], f"--experiments-directory={tmp_path}"]
    command = [NODE, "-e", GLOBALS + CHANNEL, "--", *arguments]  # it takes the port after: 0
    with subprocess.Popen(
        command, cwd=NNI_NODE, env=env | {"HOME": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            (socket,) = psutil.Process(process.pid).net_connections("tcp")
            assert socket.laddr.ip == address
        finally:
            process.kill()


ANOTHER_NNI = {
    "training_service/v3/compat.js": "exports.V3asV1 = class { submitTrialJob() { return 1; } };",
    "core/tuner_command_channel.js": "exports.getTunerServer = () => ({ init() { return 2; } });",
    "common/utils.js": "exports.getTunerProc = () => 3;",
    "core/nnimanager.js": "exports.NNIManager = class { run() { return 4; } };",
}
USE_IT = """
const { V3asV1 } = require('./training_service/v3/compat');
const { getTunerServer } = require('./core/tuner_command_channel');
const { NNIManager } = require('./core/nnimanager');
console.log(new V3asV1().submitTrialJob(), getTunerServer().init(),
    require('./common/utils').getTunerProc(), new NNIManager().run());
"""
LISTEN = """
const server = require('net').createServer();
server.listen(0, () => { console.log(server.address().address); server.close(); });
"""


def another_nni(folder: Path, files: dict[str, str], main: str) -> tuple[str, list[str]]:
    """What it prints, and the lines of its standard error."""
    for name, text in (files | {"main.js": main}).items():
        file = folder / "nni_node" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [NODE, str(folder / "nni_node" / "main.js")]
    done = subprocess.run(
        command, env=guarded_environment(os.environ), capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr.splitlines()


def test_another_nni_is_left_as_it_is_but_for_where_it_listens(tmp_path: Path) -> None:
    said, complaints = another_nni(tmp_path, ANOTHER_NNI, USE_IT + LISTEN)
    assert said == "1 2 3 4\n127.0.0.1\n"
    assert len(complaints) == len(set(complaints)) == 6
    assert complaints[0] == (
        "NNI's training_service/v3/compat.js is not that of NNI 3.0, so the parameters it shows of"
        " trials that run side by side may be mixed up: install nni==3.0."
    )
    assert {line.split()[1] for line in complaints} == set(ANOTHER_NNI)


def test_modules_that_another_nni_lacks_are_named_when_it_starts(tmp_path: Path) -> None:
    said, complaints = another_nni(tmp_path, {}, LISTEN)
    assert said == "127.0.0.1\n"
    assert len(complaints) == len(set(complaints)) == 6


def test_of_an_nni_that_is_the_right_one_nothing_is_said(tmp_path: Path) -> None:
    modules = [name.removesuffix(".js") for name in ANOTHER_NNI]
    script = f"{json.dumps(modules)}.forEach((name) => require(name)); console.log(1);"
    assert node(script + "process.exit();", tmp_path) == 1  # with an empty standard error
