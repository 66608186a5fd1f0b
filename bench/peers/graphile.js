// SPDX-License-Identifier: MIT
// graphile-worker: completed jobs are deleted. The drain's settings are those of the project's own performance test.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { NodeFleet } from './node_fleet.js';
import { connect } from './server.js';

const logger = new Logger(() => () => {});

const settings = {
    drain: {
        concurrentJobs: 24,
        maxPoolSize: 25,
        localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
    },
    latency: { concurrentJobs: 10, maxPoolSize: 12, completeJobBatchDelay: 0 },
};

async function open(place) {
    const utils = await makeWorkerUtils({ connectionString: place.url, logger });
    await utils.migrate();
    const client = await connect(place);
    return {
        one: (payload) => utils.addJob('job', payload),
        many: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: 'job', payload }))),
        async left() {
            const { rows } = await client.query('select count(*)::int as n from graphile_worker._private_jobs');
            return rows[0].n;
        },
        async close() {
            await client.end();
            await utils.release();
        },
    };
}

async function work(place, load, onStart) {
    const runner = await run({
        preset: { worker: { ...settings[load], connectionString: place.url, logger } },
        taskList: { job: (payload) => onStart(payload) },
        parsedCronItems: [],
        noHandleSignals: true,
    });
    return () => runner.stop();
}

export const graphile = {
    name: 'graphile',
    about: 'graphile-worker on PostgreSQL; each end is committed; completed jobs are deleted',
    store: 'postgres',
    keeps: false,
    settings,
    open,
    work,
    makeFleet: (place, options) => new NodeFleet('graphile', place, options),
};
