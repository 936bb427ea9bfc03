// Repairs what NNI 3.0's manager gets wrong, in memory, as its modules load.
//
// NNI is archived: no fault of it will be mended upstream. Loaded by guard.cjs. Each repair names a
// module of NNI's Node part and replaces methods there whose code it recognises. Of another NNI it
// says in one sentence what stays broken, and leaves that as it is.
'use strict';

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const TUNER_PATIENCE_MINUTES = 10;
const BUSY_PAUSE_MS = 200;
const ADAPTER = 'training_service/v3/compat.js';

// Each mends the exports of `file`; `otherwise` is what a user has to live with if it cannot.
const REPAIRS = [
    {
        file: ADAPTER,
        mend: bindParameters,
        otherwise: 'the parameters it shows of trials that run side by side may be mixed up',
    },
    {
        file: ADAPTER,
        mend: confineTrialFiles,
        otherwise: 'whoever reaches its port can read every file of this user',
    },
    {
        file: ADAPTER,
        mend: findEventFiles,
        otherwise: "its TensorBoard button does not find a local trial's event files",
    },
    {
        file: 'core/tuner_command_channel.js',
        mend: waitForTuner,
        otherwise: 'an experiment ends if its tuner takes more than 10 seconds to start',
    },
    {
        file: 'common/utils.js',
        mend: watchTuner,
        otherwise: 'a tuner that cannot start is noticed late',
    },
    {
        file: 'core/nnimanager.js',
        mend: continueAfterAll,
        otherwise: 'a resumed experiment may run what an earlier trial ran, under its number',
    },
];

// Trials are handed their parameters in the order in which they ask, while a trial's page shows
// those it was created for. Created under an id chosen here, each has its own set aside.
function bindParameters({ V3asV1: { prototype } }, require) {
    const submit = known(prototype, 'submitTrialJob', [
        'this.v3.createTrial(',
        'this.parameters.push(',
        'this.allocatedParameters.set(',
    ]);
    known(prototype, 'start', ['this.allocatedParameters.get(trialId)']);
    prototype.submitTrialJob = function (form) {
        const { v3, allocatedParameters } = this;
        const createTrial = async (environment, command, directory, number, resumedId) => {
            const id = resumedId ?? form.id ?? require('common/utils').uniqueString(5);
            allocatedParameters.set(id, form.hyperParameters.value);
            let created = null;
            try {
                created = await v3.createTrial(environment, command, directory, number, id);
            } finally {
                if (created === null) {
                    allocatedParameters.delete(id);
                    // without a pause no end of a trial would ever be noticed
                    await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
                }
            }
            return created;
        };
        const queue = { push() {} }; // of those whom nothing is set aside for: there are none
        return submit.call(overlaid(this, { v3: { createTrial }, parameters: queue }), form);
    };
}

// GET .../trial-file/ID/NAME: both parts come percent-decoded and may climb out by `../`.
function confineTrialFiles({ V3asV1: { prototype } }, require) {
    const getTrialFile = known(prototype, 'getTrialFile', [
        'this.v3.downloadTrialDirectory(trialJobId)',
        'path_1.default.join(dir, fileName)',
    ]);
    prototype.getTrialFile = async function (id, name) {
        const folder = isTrialId(id) ? await this.v3.downloadTrialDirectory(id) : null;
        const log = name === 'stdout' || name === 'stderr';
        if (folder === null || !(await liesIn(folder, log ? `trial.${name}` : name))) {
            const { NNIError, NNIErrorNames } = require('common/errors');
            throw new NNIError(NNIErrorNames.NOT_FOUND, `Trial ${id} has no file ${name}.`);
        }
        const v3 = { downloadTrialDirectory: async () => folder };
        return getTrialFile.call(overlaid(this, { v3 }), id, name);
    };
}

// The button looks into trials/ID/output, while a local trial's NNI_OUTPUT_DIR is elsewhere.
function findEventFiles({ V3asV1: { prototype } }) {
    const outputPath = known(prototype, 'getTrialOutputLocalPath', ["trialJobId, 'output')"]);
    prototype.getTrialOutputLocalPath = async function (id) {
        if (!isTrialId(id)) {
            throw new Error(`${id} is no trial.`);
        }
        return this.config.platform === 'local'
            ? this.v3.downloadTrialDirectory(id)
            : outputPath.call(this, id);
    };
}

let tuner = null;

// On a busy machine Python takes longer to start than the 10 seconds that NNI waits.
function waitForTuner({ getTunerServer }) {
    const prototype = Object.getPrototypeOf(getTunerServer());
    known(prototype, 'init', ['this.connect.reject(', '10000']);
    prototype.init = function () {
        const { connect } = this;
        const fail = (words) => {
            if (!connect.settled) {
                connect.reject(new Error(words));
            }
        };
        const ended = () => fail('The tuner ended before it connected: see log/dispatcher.log.');
        if (tuner !== null && (tuner.exitCode ?? tuner.signalCode) !== null) {
            ended();
        }
        tuner?.once('exit', ended);
        const late = `The tuner did not connect within ${TUNER_PATIENCE_MINUTES} minutes.`;
        setTimeout(fail, TUNER_PATIENCE_MINUTES * 60_000, late).unref();
        return connect.promise;
    };
}

function watchTuner(utils) {
    const start = known(utils, 'getTunerProc', ['(command[0], command.slice(1), {']);
    utils.getTunerProc = function (command, stdio, folder, env, ...rest) {
        const child = start(command, stdio, folder, env, ...rest);
        if (env.SDK_PROCESS === 'dispatcher') {
            tuner = child;
        }
        return child;
    };
}

// Resumed, NNI numbers new trials after the last unfinished one, and tells the tuner of finished ones
// only: a grid search then visits the points of failed and unfinished trials again, and never its
// last ones. It asks for points alone; other tuners could make nothing of a trial without a result.
function continueAfterAll({ NNIManager: { prototype } }) {
    const recover = known(prototype, 'addRecoveredTrialJob', ['nextSequenceId = maxSequeceId + 1']);
    const run = known(prototype, 'run', ['this.dispatcher.init()']);
    known(prototype, 'onTunerCommand', ['IMPORT_DATA, this.trialDataForTuner']);
    prototype.addRecoveredTrialJob = function (jobs) {
        const recovered = recover.call(this, jobs);
        const numbers = jobs.map((job) => job.sequenceId ?? -1);
        this.experimentProfile.nextSequenceId = Math.max(-1, ...numbers) + 1;
        if (this.config.tuner?.name?.toLowerCase() === 'gridsearch') {
            const points = jobs.flatMap((job) => job.hyperParameters ?? []);
            this.visitedPoints = points.map((point) => JSON.parse(point).parameters);
        }
        return recovered;
    };
    prototype.run = function () {
        if (this.visitedPoints) {
            const finished = JSON.parse(this.trialDataForTuner);
            const visited = this.visitedPoints.map((parameter) => ({ parameter, value: null }));
            this.trialDataForTuner = JSON.stringify([...finished, ...visited]);
        }
        return run.call(this);
    };
}

// The method `name` of `holder`, if it is a function with these pieces of code.
function known(holder, name, pieces) {
    const method = holder[name];
    const missing = pieces.find((piece) => !String(method).includes(piece));
    if (typeof method !== 'function' || missing !== undefined) {
        throw new Error(`${name} is another`);
    }
    return method;
}

// `object` with some properties that read differently; what is set is set on the object.
function overlaid(object, properties) {
    const get = (target, name) => (Object.hasOwn(properties, name) ? properties : target)[name];
    return new Proxy(object, { get });
}

function isTrialId(text) {
    return /^[A-Za-z0-9]+$/.test(text);
}

// Whether `name` is something inside `folder`, symbolic links followed.
async function liesIn(folder, name) {
    try {
        const root = await fs.promises.realpath(folder);
        const file = await fs.promises.realpath(path.join(folder, name));
        return file.startsWith(root + path.sep);
    } catch {
        return false; // not there, or no name that a file could have
    }
}

// Where `filename` lies in NNI's Node part, with slashes; undefined for a file of somebody else.
function placeInNNI(filename) {
    return /\/nni_node\/(.+)$/.exec(filename.replaceAll('\\', '/'))?.[1];
}

function complain({ file, otherwise }) {
    process.stderr.write(
        `NNI's ${file} is not that of NNI 3.0, so ${otherwise}: install nni==3.0.\n`
    );
}

function complainOfMissing(folder) {
    for (const repair of REPAIRS) {
        if (!fs.existsSync(path.join(folder, repair.file))) {
            complain(repair);
        }
    }
}

function mend(module, file) {
    for (const repair of REPAIRS.filter((repair) => repair.file === file)) {
        try {
            repair.mend(module.exports, (name) => module.require(name));
        } catch {
            complain(repair);
        }
    }
}

const load = Module._extensions['.js'];
Module._extensions['.js'] = function (module, filename) {
    const file = placeInNNI(filename);
    if (file === 'main.js') {
        complainOfMissing(path.dirname(filename));
    }
    load.call(this, module, filename);
    mend(module, file);
};
