// SPDX-License-Identifier: MIT
// BullMQ on PostgreSQL, by the backend in its package; completed jobs are removed.
import { createPostgresBackend, Queue, Worker } from 'bullmq';
import { NodeFleet } from './node_fleet.js';
import { connect } from './server.js';

const QUEUE = 'jobs';
const SCHEMA = 'bullmq';

const settings = {
    drain: { concurrency: 24, max: 24 },
    latency: { concurrency: 10, max: 12 },
};

function makeConnection(place, options) {
    return { host: place.host, user: place.user, database: place.database, schema: SCHEMA, ...options };
}

async function open(place) {
    const queue = new Queue(
        QUEUE,
        { connection: makeConnection(place, { migrate: true }), defaultJobOptions: { removeOnComplete: true } },
        createPostgresBackend,
    );
    await queue.waitUntilReady();
    const client = await connect(place);
    return {
        one: (payload) => queue.add('job', payload),
        many: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'job', data }))),
        async left() {
            const { rows } = await client.query(`select count(*)::int as n from ${SCHEMA}.job where queue = $1`, [QUEUE]);
            return rows[0].n;
        },
        async close() {
            await client.end();
            await queue.close();
        },
    };
}

async function work(place, load, onStart) {
    const { concurrency, max } = settings[load];
    const worker = new Worker(
        QUEUE,
        async (job) => onStart(job.data),
        { concurrency, connection: makeConnection(place, { max }) },
        createPostgresBackend,
    );
    worker.on('error', (error) => console.error(`bullmq: ${error.message}`));
    await worker.waitUntilReady();
    return () => worker.close();
}

export const bullmqPostgres = {
    name: 'bullmq-postgres',
    about: 'BullMQ on PostgreSQL; each end is committed; completed jobs are removed',
    store: 'postgres',
    keeps: false,
    settings,
    open,
    work,
    makeFleet: (place, options) => new NodeFleet('bullmq-postgres', place, options),
};
