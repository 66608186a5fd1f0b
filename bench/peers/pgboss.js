// SPDX-License-Identifier: MIT
// pg-boss: completed jobs stay in the queue's table. Large batches, a table of its own for the queue, wake-up by NOTIFY.
import { PgBoss } from 'pg-boss';
import { NodeFleet } from './node_fleet.js';
import { connect } from './server.js';

const QUEUE = 'jobs';
const WAKES = { notify: true, partition: true };

const settings = {
    drain: { batchSize: 1000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
    latency: { batchSize: 1, localConcurrency: 10, pollingIntervalSeconds: 0.5 },
};

async function startBoss(place, options) {
    const boss = new PgBoss({ connectionString: place.url, useListenNotify: true, ...options });
    boss.on('error', (error) => console.error(`pg-boss: ${error.message}`));
    await boss.start();
    return boss;
}

async function open(place) {
    const boss = await startBoss(place, { supervise: false, schedule: false });
    await boss.createQueue(QUEUE, WAKES);
    const client = await connect(place);
    return {
        one: (payload) => boss.send(QUEUE, payload),
        many: (payloads) => boss.insert(QUEUE, payloads.map((data) => ({ data }))),
        async left() {
            const { rows } = await client.query(
                "select count(*)::int as n from pgboss.job where name = $1 and state < 'completed'",
                [QUEUE],
            );
            return rows[0].n;
        },
        async close() {
            await client.end();
            await boss.stop({ graceful: false });
        },
    };
}

async function work(place, load, onStart) {
    const boss = await startBoss(place, {});
    await boss.work(QUEUE, settings[load], async (jobs) => {
        for (const job of jobs) {
            onStart(job.data);
        }
    });
    return () => boss.stop({ graceful: true, timeout: 10000 });
}

export const pgboss = {
    name: 'pgboss',
    about: 'pg-boss on PostgreSQL; each end is committed; completed jobs are kept',
    store: 'postgres',
    keeps: true,
    settings: { queue: WAKES, ...settings },
    open,
    work,
    makeFleet: (place, options) => new NodeFleet('pgboss', place, options),
};
