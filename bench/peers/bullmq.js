// SPDX-License-Identifier: MIT
// BullMQ on Redis, with the append-only file synced each second or at every write; completed jobs are removed.
import { Queue, Worker } from 'bullmq';
import { NodeFleet } from './node_fleet.js';

const QUEUE = 'jobs';

const settings = {
    drain: { concurrency: 300, removeOnComplete: { count: 0 } },
    latency: { concurrency: 10, removeOnComplete: { count: 0 } },
};

async function open(place) {
    const queue = new Queue(QUEUE, { connection: { path: place.socket } });
    await queue.waitUntilReady();
    return {
        one: (payload) => queue.add('job', payload),
        many: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'job', data }))),
        async left() {
            const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized', 'failed');
            return Object.values(counts).reduce((sum, count) => sum + count, 0);
        },
        close: () => queue.close(),
    };
}

async function work(place, load, onStart) {
    const connection = { path: place.socket, maxRetriesPerRequest: null };
    const worker = new Worker(QUEUE, async (job) => onStart(job.data), { ...settings[load], connection });
    worker.on('error', (error) => console.error(`bullmq: ${error.message}`));
    await worker.waitUntilReady();
    return () => worker.close();
}

function onRedis(name, sync, about) {
    return {
        name,
        about: `BullMQ on Redis, ${about}; completed jobs are removed`,
        store: 'redis',
        sync,
        keeps: false,
        settings: { appendfsync: sync, ...settings },
        open,
        work,
        makeFleet: (place, options) => new NodeFleet(name, place, options),
    };
}

export const bullmq = onRedis('bullmq', 'everysec', 'which may lose the last second');
export const bullmqAlways = onRedis('bullmq-always', 'always', 'every write synced');
