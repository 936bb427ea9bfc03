// Keeps every listening socket of an experiment's Node process on this machine.
//
// NNI's manager listens on all interfaces and asks nobody for a password: whoever reaches its port
// reads files and runs code. Loaded by NODE_OPTIONS="--require guard.cjs" (see guard.py), this file
// binds each TCP server to 127.0.0.1, whatever host the caller named, and starts TensorBoard, which
// NNI runs with --bind_all, there too. REID_NNI_BIND=<address> is the deliberate way out, for remote
// training: servers then listen on that address, except those whose caller asked for loopback.
'use strict';

const childProcess = require('node:child_process');
const net = require('node:net');

const LOOPBACK = '127.0.0.1';
const bind = process.env.REID_NNI_BIND || LOOPBACK;
if (!net.isIP(bind)) {
    throw new Error(
        `REID_NNI_BIND is "${bind}", but an IP address to listen on was needed, such as 0.0.0.0:` +
        ' set one, or unset the variable to stay on 127.0.0.1.'
    );
}

// Trials inherit the manager's environment: set here, the mark proves that this file was loaded.
process.env.REID_NNI_GUARD = '1';

function allowed(host) {
    const loopback = host === 'localhost' || host === '::1' || /^127\./.test(host ?? '');
    return loopback ? LOOPBACK : bind;
}

// Node takes a string that is no number for the path of a pipe.
const isPath = (value) => typeof value === 'string' && !(Number(value) >= 0);

// listen(options[, callback]): TCP exactly when a port is named, as a port wins over a path.
// `for in` copies inherited settings too, which Node would have read.
function confineOptions(options, rest) {
    const adopted = options._handle || options.handle || options.fd >= 0;
    if (adopted || !('port' in options)) {
        return [options, ...rest];
    }
    const confined = {};
    for (const key in options) {
        confined[key] = options[key];
    }
    return [{ ...confined, host: allowed(options.host) }, ...rest];
}

// listen([port[, host[, backlog]]][, callback]) and its shapes with undefined or null in between.
function confine(args) {
    const [first, second] = args;
    if (typeof first === 'object' && first !== null) {
        return confineOptions(first, args.slice(1));
    }
    if (isPath(first)) {
        return args;
    }
    const options = {
        port: typeof first === 'function' ? 0 : first ?? 0,
        host: allowed(typeof second === 'string' ? second : undefined),
    };
    const backlog = args.slice(1, 3).map(Number).find((number) => number > 0);
    if (backlog !== undefined) {
        options.backlog = backlog;
    }
    const callback = args.at(-1);
    return typeof callback === 'function' ? [options, callback] : [options];
}

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
    return listen.apply(this, confine(args));
};

// NNI starts `tensorboard --bind_all --logdir_spec=...` through a shell, two flags in one argument.
const confineFlag = (text) => text.replace(/(?<!\S)--bind_all(?!\S)/g, `--host=${bind}`);

function confineFlags(flags, options) {
    if (!options?.shell || process.platform === 'win32') {
        return [flags.map(confineFlag), options];
    }
    // Without the shell a folder may have a space in its name.
    const parted = flags.flatMap((flag) => {
        const [, first, second] = /^(--bind_all)\s+(.+)$/s.exec(flag) ?? [null, flag];
        return second === undefined ? [first] : [first, second];
    });
    return [parted.map(confineFlag), { ...options, shell: false }];
}

const spawn = childProcess.spawn;
childProcess.spawn = function (command, ...rest) {
    const flags = Array.isArray(rest[0]) ? rest[0].map(String) : null;
    if (![command, ...(flags ?? [])].some((word) => /tensorboard/.test(word))) {
        return spawn.call(this, command, ...rest);
    }
    return flags === null
        ? spawn.call(this, confineFlag(command), ...rest)
        : spawn.call(this, command, ...confineFlags(flags, rest[1]), ...rest.slice(2));
};

// Last: the sockets are confined whatever becomes of the repairs.
require('./repairs.cjs');
