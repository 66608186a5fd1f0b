// SPDX-License-Identifier: MIT
// CPU: processor time of a process with all it has started, as the kernel counts it. Other load of the machine changes it
// much less than it changes a rate.
import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10; // of /proc, on every Linux that the peers run on

function readStat(pid) {
    try {
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        const [user, system, userEnded, systemEnded] = fields.slice(11, 15).map(Number);
        return { parent: Number(fields[1]), own: user + system, ended: userEnded + systemEnded };
    } catch {
        return null; // it has ended meanwhile, and then counts for its parent
    }
}

// Milliseconds of the descendants of `pid`, alive or waited for; its own are added with `withOwn`.
function readTree(pid, withOwn) {
    const children = new Map();
    const stats = new Map();
    for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
        const stat = readStat(name);
        if (stat !== null) {
            stats.set(Number(name), stat);
            children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
        }
    }
    const sum = (id) => {
        const { own, ended } = stats.get(id) ?? { own: 0, ended: 0 };
        return (children.get(id) ?? []).reduce((total, child) => total + sum(child), own + ended);
    };
    return (sum(pid) - (withOwn ? 0 : (stats.get(pid)?.own ?? 0))) * TICK_MS;
}

export function parentOf(pid) {
    return readStat(pid).parent;
}

export function readServerCpu(pid) {
    return readTree(pid, true);
}

// All that this program has started: the workers, as a Redis counts for itself.
export function readWorkersCpu() {
    return readTree(process.pid, false);
}
