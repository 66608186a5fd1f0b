// SPDX-License-Identifier: MIT
// Node fleet: the worker processes of a peer. A fleet has ready(), wait(jobs, limit) and stop(), which tells
// {count, first, last, marks: [[instant, jobs so far]], delays}: instants of handlers' starts in milliseconds.
import { fork } from 'node:child_process';
import { waitUntil } from './clock.js';
import { track } from './processes.js';

const PROGRAM = new URL('./worker.js', import.meta.url).pathname;
const READY_MS = 30000;
const STOP_MS = 30000;

class Child {
    constructor(name, place, load) {
        this.count = 0;
        this.isReady = false;
        this.seen = null;
        this.process = track(fork(PROGRAM, [name, load, JSON.stringify(place)]), 'SIGKILL');
        this.process.on('message', (message) => Object.assign(this, message));
        this.process.on('exit', (code, signal) => {
            this.end = code ?? signal;
        });
    }

    check() {
        if (this.end !== undefined) {
            throw new Error(`a worker has ended by itself (${this.end})`);
        }
    }
}

export class NodeFleet {
    constructor(name, place, { processes, load }) {
        this.children = Array.from({ length: processes }, () => new Child(name, place, load));
    }

    async #waitFor(isTrue, limit) {
        return waitUntil(() => {
            this.children.forEach((child) => child.check());
            return isTrue();
        }, limit);
    }

    async ready() {
        if (!(await this.#waitFor(() => this.children.every((child) => child.isReady), READY_MS))) {
            throw new Error('the workers do not become ready');
        }
    }

    done() {
        return this.children.reduce((sum, child) => sum + child.count, 0);
    }

    // False when fewer jobs have started within the limit.
    wait(jobs, limit) {
        return this.#waitFor(() => this.done() >= jobs, limit);
    }

    async stop() {
        this.children.forEach((child) => child.process.connected && child.process.send('stop'));
        const isDown = await waitUntil(() => this.children.every((child) => child.end !== undefined), STOP_MS);
        this.kill();
        if (!isDown) {
            throw new Error('the workers do not stop');
        }
        return sum(this.children.map((child) => child.seen).filter((seen) => seen !== null && seen.count > 0));
    }

    kill() {
        this.children.filter((child) => child.end === undefined).forEach((child) => child.process.kill('SIGKILL'));
    }
}

function sum(parts) {
    let jobs = 0;
    const marks = parts.flatMap((part) => part.marks).sort((a, b) => a[0] - b[0]);
    return {
        count: parts.reduce((total, part) => total + part.count, 0),
        first: Math.min(...parts.map((part) => part.first)),
        last: Math.max(...parts.map((part) => part.last)),
        marks: marks.map(([at, more]) => [at, (jobs += more)]),
        delays: parts.flatMap((part) => part.delays),
    };
}
