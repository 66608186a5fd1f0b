// SPDX-License-Identifier: MIT
// Scenarios: each measures one contender and returns {figure name: value}. The same code for all of them.
import { now, sleep, waitUntil } from './clock.js';
import { readServerCpu, readWorkersCpu } from './cpu.js';
import { holdSnapshot, readServer, settle } from './server.js';

const CALL_JOBS = 1000; // of a bulk call
const JOBS = 200000;
const DRAIN_LIMIT_MS = 20000; // a slow peer is measured by what it has done then
const HELD_LIMIT_MS = 40000;
const BACKLOG = 10000;
const LATENCY_JOBS = 500;
const WARM_JOBS = 20;
const PACE_MS = 20;
const END_MS = 30000;

function payloads(from) {
    return Array.from({ length: CALL_JOBS }, (_, i) => ({ n: from + i }));
}

async function expectAllEnded(contender, producer, jobs) {
    let left = 0;
    if (!(await waitUntil(async () => (left = await producer.left()) === 0, END_MS, 50))) {
        throw new Error(`${contender.name}: ${left} jobs have not ended`);
    }
    const kept = producer.kept === undefined ? null : await producer.kept();
    if (kept !== null && kept !== (contender.keeps ? jobs : 0)) {
        throw new Error(`${contender.name}: ${kept} of ${jobs} completed jobs are there`);
    }
}

// Runs the fleet through `during`, and ends it whatever happens.
async function withFleet(contender, place, options, during) {
    const fleet = contender.makeFleet(place, options);
    try {
        await during(fleet);
        return await fleet.stop();
    } catch (error) {
        fleet.kill();
        throw error;
    }
}

// What the server and the workers have used so far. A Redis is a child of this program, as the workers are.
async function readCost(place) {
    const { wal, postmaster } = place.kind === 'postgres' ? await readServer(place) : { wal: 0, postmaster: null };
    return { wal, cpu: readWorkersCpu() + (postmaster === null ? 0 : readServerCpu(postmaster)) };
}

async function preload(contender, run, place) {
    const producer = await contender.open(place, { isMarked: true });
    for (let done = 0; done < run.count(JOBS); done += CALL_JOBS) {
        await producer.many(payloads(done));
    }
    if (place.kind === 'postgres') {
        await settle(place);
    }
    return producer;
}

async function drain(contender, run, processes, figures) {
    await run.withPlace(contender, async (place) => {
        const producer = await preload(contender, run, place);
        const jobs = run.count(JOBS);
        const before = await readCost(place);
        const seen = await withFleet(contender, place, { processes, load: 'drain', isMarked: true }, async (fleet) => {
            if (await fleet.wait(jobs, DRAIN_LIMIT_MS)) {
                await expectAllEnded(contender, producer, jobs);
            }
        });
        const after = await readCost(place);
        const name = `${processes} process${processes > 1 ? 'es' : ''}`;
        figures[name] = (seen.count / (seen.last - seen.first)) * 1000;
        figures[`CPU of a job, ${name}`] = ((after.cpu - before.cpu) * 1000) / seen.count;
        if (place.kind === 'postgres' && processes === 1) {
            figures['WAL of a job'] = (after.wal - before.wal) / seen.count;
        }
        await producer.close();
    });
}

async function callFor(call, ms) {
    const start = now();
    let calls = 0;
    while (now() < start + ms) {
        await call(calls++);
    }
    return { calls, ms: now() - start };
}

// The producer's own processor time is left out: it is that of its client library.
async function measureCalls(run, place, figures, name, call, jobs) {
    const before = await readCost(place);
    const { calls, ms } = await callFor(call, run.milliseconds(3000));
    const after = await readCost(place);
    figures[name] = ((calls * jobs) / ms) * 1000;
    figures[`server's CPU, ${name}`] = ((after.cpu - before.cpu) * 1000) / (calls * jobs);
}

async function enqueue(contender, run, figures) {
    await run.withPlace(contender, async (place) => {
        const producer = await contender.open(place);
        const one = (i) => producer.one({ n: i });
        await callFor(one, run.milliseconds(500)); // plans and prepares
        if (place.kind === 'postgres') {
            await settle(place);
        }
        await measureCalls(run, place, figures, 'one a call', one, 1);
        await measureCalls(run, place, figures, '1,000 a call', (i) => producer.many(payloads(i)), CALL_JOBS);
        await producer.close();
    });
}

function percentile(sorted, share) {
    return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}

async function produceSlowly(producer, jobs) {
    let next = now();
    for (let i = 0; i < jobs; i++) {
        next += PACE_MS;
        await sleep(Math.max(0, next - now()));
        await producer.one({ at: Math.round(now() * 1000) });
    }
}

async function latency(contender, run, figures) {
    await run.withPlace(contender, async (place) => {
        const producer = await contender.open(place);
        const jobs = run.count(LATENCY_JOBS) + WARM_JOBS;
        const seen = await withFleet(contender, place, { processes: 1, load: 'latency' }, async (fleet) => {
            await fleet.ready();
            await sleep(1000);
            await produceSlowly(producer, jobs);
            if (!(await fleet.wait(jobs, END_MS))) {
                throw new Error(`${contender.name}: ${fleet.done()} of ${jobs} jobs have started`);
            }
        });
        const delays = seen.delays.slice(WARM_JOBS).sort((a, b) => a - b);
        for (const share of [50, 95, 99]) {
            figures[`p${share}`] = percentile(delays, share / 100);
        }
        await producer.close();
    });
}

// Jobs a second between two counts of jobs done.
function rateBetween(marks, from, to) {
    const reached = (jobs) => marks.find((mark) => mark[1] >= jobs) ?? marks[marks.length - 1];
    const [start, end] = [reached(from), reached(to)];
    return ((end[1] - start[1]) / (end[0] - start[0])) * 1000;
}

async function produceAgainstBacklog(producer, fleet, jobs, until) {
    for (let made = 0; made < jobs && now() < until; made += CALL_JOBS) {
        while (made - fleet.done() >= BACKLOG && now() < until) {
            await sleep(2);
        }
        await producer.many(payloads(made));
    }
}

async function held(contender, run, figures) {
    if (contender.store !== 'postgres') {
        return;
    }
    await run.withPlace(contender, async (place) => {
        const producer = await contender.open(place, { isMarked: true });
        const jobs = run.count(JOBS);
        const holder = await holdSnapshot(place);
        const seen = await withFleet(contender, place, { processes: 2, load: 'drain', isMarked: true }, async (fleet) => {
            await fleet.ready();
            const until = now() + HELD_LIMIT_MS;
            await produceAgainstBacklog(producer, fleet, jobs, until);
            if (await fleet.wait(jobs, Math.max(0, until - now()))) {
                await expectAllEnded(contender, producer, jobs);
            }
        });
        const tenth = Math.min(jobs, seen.count) / 10;
        const total = seen.marks[seen.marks.length - 1][1];
        figures['jobs through'] = (seen.count / (seen.last - seen.first)) * 1000;
        figures['last tenth / first'] = rateBetween(seen.marks, total - tenth, total) / rateBetween(seen.marks, 0, tenth);
        await holder.end();
        await producer.close();
    });
}

async function drainBoth(contender, run, figures) {
    await drain(contender, run, 1, figures);
    await drain(contender, run, 2, figures);
}

// `modes`: which of ganger's stand beside a peer. A figure's unit is jobs/s and more of it is better, if `figures` has no other.
const less = (unit) => ({ unit, better: 'less' });
export const scenarios = {
    drain: {
        run: drainBoth,
        modes: ['ganger', 'ganger-deletes'],
        figures: {
            'WAL of a job': less('bytes'),
            'CPU of a job, 1 process': less('us'),
            'CPU of a job, 2 processes': less('us'),
        },
    },
    enqueue: {
        run: enqueue,
        modes: ['ganger'],
        figures: { "server's CPU, one a call": less('us'), "server's CPU, 1,000 a call": less('us') },
    },
    latency: { run: latency, modes: ['ganger'], figures: { p50: less('ms'), p95: less('ms'), p99: less('ms') } },
    held: {
        run: held,
        modes: ['ganger', 'ganger-deletes'],
        figures: { 'last tenth / first': { unit: '', better: 'more' } },
    },
};
