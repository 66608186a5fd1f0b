// SPDX-License-Identifier: MIT
// Ganger fleet: a gangerd with its workers. Its handlers are no Node code, so starts are told by a handler of the benchmark,
// which notes the instant in a file for jobs that name one: all in a test of latency, else the first and last of each call.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, waitUntil } from './clock.js';
import { track } from './processes.js';
import { connect } from './server.js';

const RECORD_BYTES = 16; // peer_probe.c: what was given, the instant
const READY_MS = 20000;
const STOP_MS = 40000;

const READY = `select (select count(*) from ganger.worker where state = 'alive') = $1
    and coalesce((select bool_or(idle) from ganger.node where state = 'alive'), false) as yes`;

export function marksFile(place) {
    return join(place.folder, `${place.database}.marks`);
}

function configure(home, processes, keeps) {
    return `node: {name: bench}
supervisor: {state_dir: ${home}, shutdown_timeout: 2s, kill_grace: 1s}
log: {level: warn}
pools: {default: {processes: ${processes}}}
${keeps ? '' : 'retention: {completed: 0s}\n'}handlers:
  peer_mark: {plugin: peer_probe.so}
`;
}

export class GangerFleet {
    constructor(place, { processes, keeps, isMarked, jobsOfMark }) {
        Object.assign(this, { place, processes, isMarked, jobsOfMark });
        this.home = mkdtempSync(join(place.folder, 'node.'));
        const config = join(this.home, 'ganger.yaml');
        writeFileSync(config, configure(this.home, processes, keeps));
        const env = { ...process.env, DATABASE_URL: place.conninfo };
        const program = join(process.env.GANGER_BENCH_BUILD, 'bin/gangerd');
        this.log = '';
        this.process = track(spawn(program, ['-c', config], { env, stdio: ['ignore', 'ignore', 'pipe'] }), 'SIGTERM');
        this.process.stderr.on('data', (text) => (this.log += text));
        this.process.on('exit', (code, signal) => (this.end = code ?? signal));
        this.process.on('error', (error) => (this.end = error.message));
    }

    #check() {
        if (this.end !== undefined) {
            throw new Error(`gangerd has ended (${this.end}):\n${this.log}`);
        }
    }

    async ready() {
        const client = await connect(this.place);
        const isReady = await waitUntil(async () => {
            this.#check();
            return (await client.query(READY, [this.processes])).rows[0].yes;
        }, READY_MS);
        await client.end();
        if (!isReady) {
            throw new Error(`gangerd's workers do not become idle:\n${this.log}`);
        }
        await sleep(300); // the first polls after the start are not what is measured
    }

    done() {
        const file = marksFile(this.place);
        return existsSync(file) ? Math.floor(statSync(file).size / RECORD_BYTES) * this.jobsOfMark : 0;
    }

    wait(jobs, limit) {
        return waitUntil(() => {
            this.#check();
            return this.done() >= jobs;
        }, limit);
    }

    async stop() {
        this.process.kill('SIGTERM');
        const isDown = await waitUntil(() => this.end !== undefined, STOP_MS);
        this.kill();
        if (!isDown) {
            throw new Error(`gangerd does not stop:\n${this.log}`);
        }
        const seen = this.#read();
        rmSync(marksFile(this.place), { force: true });
        return seen;
    }

    kill() {
        if (this.end === undefined) {
            this.process.kill('SIGKILL');
        }
        rmSync(this.home, { recursive: true, force: true });
    }

    #read() {
        const bytes = readFileSync(marksFile(this.place));
        const records = [];
        for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
            records.push([Number(bytes.readBigInt64LE(at + 8)) / 1e6, Number(bytes.readBigInt64LE(at))]);
        }
        records.sort((a, b) => a[0] - b[0]);
        let jobs = 0;
        return {
            count: records.length * this.jobsOfMark,
            first: records[0][0],
            last: records[records.length - 1][0],
            marks: records.map(([at]) => [at, (jobs += this.jobsOfMark)]),
            delays: this.isMarked ? [] : records.map(([at, given]) => at - given / 1000),
        };
    }
}
