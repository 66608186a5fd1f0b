// SPDX-License-Identifier: MIT
// ganger: through the same client library as the peers; ended jobs kept as history, or deleted at their end.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GangerFleet, marksFile } from './ganger_fleet.js';
import { connect } from './server.js';

const ONE = 'select ganger.enqueue($1, $2::jsonb)';
const MANY = 'select count(*) from ganger.enqueue_many($1::jsonb)';
const MARK = 'peer_mark';
const MARKS_OF_CALL = 2;
export const CALL_JOBS = 1000;

async function migrate(place) {
    const program = join(process.env.GANGER_BENCH_BUILD, 'bin/ganger');
    const env = { ...process.env, DATABASE_URL: place.conninfo };
    await promisify(execFile)(program, ['migrate', 'up'], { env });
}

// The first job of a queue makes what the later ones find.
async function warm(client) {
    await client.query(ONE, [MARK, '{}']);
    await client.query('select ganger.maintain()');
    await client.query("select ganger.cancel(id) from ganger.jobs where status = 'pending'");
}

// With `isMarked` the starts of each call's first and last job are noted.
async function open(place, { isMarked = false } = {}) {
    await migrate(place);
    rmSync(marksFile(place), { force: true });
    const client = await connect(place);
    await warm(client);
    const file = marksFile(place);
    const toJob = (payload, i, all) => ({
        job_type: MARK,
        payload: isMarked && (i === 0 || i === all.length - 1) ? { at: 0, file } : payload,
    });
    return {
        one(payload) {
            const noted = payload.at === undefined ? payload : { ...payload, file };
            return client.query({ name: 'one', text: ONE, values: [MARK, JSON.stringify(noted)] });
        },
        many: (payloads) => client.query({ name: 'many', text: MANY, values: [JSON.stringify(payloads.map(toJob))] }),
        async left() {
            const { rows } = await client.query('select count(*)::int as n from ganger.job');
            return rows[0].n;
        },
        async kept() {
            const { rows } = await client.query("select count(*)::int as n from ganger.history where status = 'completed'");
            return rows[0].n;
        },
        close: () => client.end(),
    };
}

function make(name, keeps) {
    return {
        name,
        about: `ganger on PostgreSQL; each end is committed; completed jobs are ${keeps ? 'kept' : 'deleted'}`,
        store: 'postgres',
        keeps,
        settings: keeps ? {} : { retention: { completed: '0s' } },
        open,
        makeFleet: (place, options) =>
            new GangerFleet(place, { ...options, keeps, jobsOfMark: options.isMarked ? CALL_JOBS / MARKS_OF_CALL : 1 }),
    };
}

export const ganger = make('ganger', true);
export const gangerDeletes = make('ganger-deletes', false);
