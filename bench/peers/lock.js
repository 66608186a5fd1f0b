// SPDX-License-Identifier: MIT
// Lock: keeps others that measure on this machine out, by flock(1) on a file that they lock as well.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

// Without a file there is nothing to wait for. Returns what gives the lock back.
export async function takeLock(file) {
    if (file === undefined) {
        return async () => {};
    }
    const holder = spawn('flock', [file, 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit').then(([code]) => {
        throw new Error(`flock ${file}: exit code ${code}`);
    })]);
    return async () => {
        const end = once(holder, 'exit');
        holder.stdin.end();
        await end;
    };
}
