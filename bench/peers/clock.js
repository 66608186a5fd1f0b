// SPDX-License-Identifier: MIT
// Clock: CLOCK_MONOTONIC in milliseconds, the same for every process of the machine, and waiting.
export function now() {
    return Number(process.hrtime.bigint()) / 1e6;
}

export function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

// Asks until `isTrue` says so; false after `limit` milliseconds.
export async function waitUntil(isTrue, limit, pause = 20) {
    const end = now() + limit;
    while (!(await isTrue())) {
        if (now() > end) {
            return false;
        }
        await sleep(pause);
    }
    return true;
}
