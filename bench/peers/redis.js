// SPDX-License-Identifier: MIT
// Redis: a private server on a socket, with an append-only file and no snapshots.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { waitUntil } from './clock.js';
import { track } from './processes.js';

const READY_MS = 10000;

export function hasRedis() {
    return process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, 'redis-server')));
}

async function answers(socket) {
    const client = new Redis({ path: socket, lazyConnect: true, retryStrategy: null });
    client.on('error', () => {}); // not up yet
    try {
        await client.connect();
        return (await client.ping()) === 'PONG';
    } catch {
        return false;
    } finally {
        client.disconnect();
    }
}

// `folder`: where its file goes, on the same disk as the database. `sync`: everysec or always.
export async function startRedis(folder, sync) {
    const home = mkdtempSync(join(folder, 'redis.'));
    const socket = join(home, 'socket');
    const options = ['--port', '0', '--unixsocket', socket, '--dir', home, '--save', '', '--appendonly', 'yes'];
    options.push('--appendfsync', sync, '--loglevel', 'warning');
    const server = track(spawn('redis-server', options, { stdio: 'ignore' }), 'SIGKILL');
    let end = null;
    server.on('exit', (code) => (end = code ?? 'killed'));
    server.on('error', (error) => (end = error.message));
    const stop = async () => {
        server.kill('SIGKILL');
        await waitUntil(() => end !== null, READY_MS);
        rmSync(home, { recursive: true, force: true });
    };
    if (!(await waitUntil(() => end !== null || answers(socket), READY_MS)) || end !== null) {
        await stop();
        throw new Error(`redis-server does not start: ${end}`);
    }
    return { place: { kind: 'redis', socket, folder }, stop };
}
