// SPDX-License-Identifier: MIT
// main: runs the scenarios for each peer with ganger right after it, so that both meet the same moment of the machine.
// Started by `run`, which makes the server; see there for the options.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { findPeer, gangers, peers } from './contenders.js';
import { takeLock } from './lock.js';
import { hasRedis, startRedis } from './redis.js';
import { Report } from './report.js';
import { scenarios } from './scenarios.js';
import { connect, Server } from './server.js';

const QUICK_SHARE = 0.1;

function readOptions() {
    const { values } = parseArgs({
        options: {
            host: { type: 'string' },
            folder: { type: 'string' },
            json: { type: 'string' },
            lock: { type: 'string' },
            only: { type: 'string', multiple: true, default: Object.keys(scenarios) },
            peer: { type: 'string', multiple: true },
            mode: { type: 'string', multiple: true, default: gangers.map((each) => each.name) },
            repeat: { type: 'string' },
            quick: { type: 'boolean', default: false },
        },
    });
    const unknown = values.only.find((name) => scenarios[name] === undefined);
    if (unknown !== undefined) {
        throw new Error(`no such scenario: ${unknown}; there are ${Object.keys(scenarios).join(', ')}`);
    }
    const repeats = Number(values.repeat ?? (values.quick ? 1 : 3));
    if (!Number.isInteger(repeats) || repeats < 1) {
        throw new Error(`bad value of --repeat: ${values.repeat}`);
    }
    return { ...values, repeats };
}

// Without Redis its peers are left out, unless they were asked for.
function choosePeers(names) {
    const chosen = names?.map(findPeer) ?? peers;
    if (hasRedis()) {
        return chosen;
    }
    const missing = 'redis-server is not installed (bench/peers/run --setup)';
    if (names !== undefined && chosen.some((peer) => peer.store === 'redis')) {
        throw new Error(missing);
    }
    console.error(`${missing}: measuring without it`);
    return chosen.filter((peer) => peer.store !== 'redis');
}

// What the scenarios share: how long they are, and where a contender keeps its jobs for one measurement.
class Run {
    constructor(options) {
        this.options = options;
        this.server = new Server(options.host);
        this.share = options.quick ? QUICK_SHARE : 1;
    }

    count(jobs) {
        return Math.round(jobs * this.share);
    }

    milliseconds(long) {
        return Math.max(200, long * this.share);
    }

    async withPlace(contender, during) {
        const { folder } = this.options;
        if (contender.store === 'redis') {
            const redis = await startRedis(folder, contender.sync);
            await during(redis.place).finally(redis.stop);
            return;
        }
        const place = await this.server.makePlace(folder);
        await during(place).finally(() => this.server.dropPlace(place));
    }

    async measure(scenario, contender) {
        const figures = {};
        await scenarios[scenario].run(contender, this, figures);
        return figures;
    }
}

function tell(peer, theirs, mode, ours) {
    for (const [figure, value] of Object.entries(theirs)) {
        console.error(`  ${figure}: ${peer.name} ${value.toPrecision(4)}, ${mode.name} ${ours[figure].toPrecision(4)}`);
    }
}

async function measurePair(run, report, scenario, peer) {
    const release = await takeLock(run.options.lock);
    try {
        const theirs = await run.measure(scenario, peer);
        if (Object.keys(theirs).length === 0) {
            return;
        }
        const wanted = scenarios[scenario].modes.filter((name) => run.options.mode.includes(name));
        for (const mode of gangers.filter((each) => wanted.includes(each.name))) {
            const ours = await run.measure(scenario, mode);
            report.add(scenario, peer, theirs, mode, ours);
            tell(peer, theirs, mode, ours);
        }
    } finally {
        await release();
    }
}

async function readFacts(run, chosen) {
    const names = ['server_version', 'shared_buffers', 'max_wal_size', 'fsync', 'synchronous_commit', 'full_page_writes'];
    const client = await connect({ host: run.options.host, user: 'postgres', database: 'postgres' });
    const { rows } = await client.query('select name, setting, unit from pg_settings where name = any($1)', [names]);
    await client.end();
    const own = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'));
    return {
        at: new Date().toISOString(),
        machine: { processors: cpus().length, model: cpus()[0].model, node: process.version },
        server: Object.fromEntries(rows.map(({ name, setting, unit }) => [name, unit ? `${setting} x ${unit}` : setting])),
        packages: own.dependencies,
        contenders: [...chosen, ...gangers].map(({ name, about, settings }) => ({ name, about, settings })),
    };
}

function writeReport(report, facts, path) {
    if (path !== undefined) {
        writeFileSync(path, report.json(facts));
    }
}

async function main() {
    const options = readOptions();
    const chosen = choosePeers(options.peer);
    const run = new Run(options);
    const report = new Report();
    const facts = await readFacts(run, chosen);
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
        for (const scenario of options.only) {
            for (const peer of chosen) {
                console.error(`${scenario} ${repeat}/${options.repeats}: ${peer.name}`);
                await measurePair(run, report, scenario, peer);
                writeReport(report, facts, options.json); // what is measured stays, if this is interrupted
            }
        }
    }
    console.log(report.table());
}

await main().catch((error) => {
    console.error(`bench/peers: ${error.message}`);
    process.exit(1);
});
