// SPDX-License-Identifier: MIT
// Processes: what this program has started ends with it, also after an error or a signal.
const running = new Set();

export function track(child, signal) {
    const entry = { child, signal };
    running.add(entry);
    child.on('exit', () => running.delete(entry));
    return child;
}

process.on('exit', () => running.forEach(({ child, signal }) => child.kill(signal)));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
    process.on(signal, () => process.exit(code));
}
