// SPDX-License-Identifier: MIT
// Server: a database of its own for each measurement, and what a scenario asks of PostgreSQL itself.
import pg from 'pg';
import { parentOf } from './cpu.js';

const USER = 'postgres';

export class Server {
    // `host`: the folder of the socket.
    constructor(host) {
        this.host = host;
        this.made = 0;
    }

    async #asAdmin(text) {
        const client = new pg.Client({ host: this.host, user: USER, database: 'postgres' });
        await client.connect();
        try {
            await client.query(text);
        } finally {
            await client.end();
        }
    }

    // Where a contender keeps its jobs: plain data, so that it can be handed to a worker process.
    async makePlace(folder) {
        const database = `ganger_peers_${process.pid}_${++this.made}`;
        await this.#asAdmin(`create database ${database}`);
        return {
            kind: 'postgres',
            host: this.host,
            user: USER,
            database,
            url: `postgresql://${USER}@/${database}?host=${encodeURIComponent(this.host)}`,
            conninfo: `host=${this.host} user=${USER} dbname=${database}`,
            folder,
        };
    }

    async dropPlace(place) {
        await this.#asAdmin(`drop database if exists ${place.database} with (force)`);
    }
}

export async function connect(place) {
    const client = new pg.Client({ host: place.host, user: place.user, database: place.database });
    client.on('error', () => {}); // its next query tells
    await client.connect();
    return client;
}

// Fresh statistics and no checkpoint in the middle, whoever comes next.
export async function settle(place) {
    const client = await connect(place);
    await client.query('analyze');
    await client.query('checkpoint');
    await client.end();
}

// WAL bytes, and the process that all sessions descend from.
export async function readServer(place) {
    const client = await connect(place);
    const { rows } = await client.query(
        "select (pg_current_wal_insert_lsn() - '0/0')::float8 as wal, pg_backend_pid() as pid",
    );
    const postmaster = parentOf(rows[0].pid);
    await client.end();
    return { wal: rows[0].wal, postmaster };
}

// A session with a snapshot and a transaction id, as a long report or a forgotten psql has; ends with the client.
export async function holdSnapshot(place) {
    const client = await connect(place);
    await client.query('begin isolation level repeatable read');
    await client.query('select txid_current(), (select count(*) from pg_class)');
    return client;
}
