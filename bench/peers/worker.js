// SPDX-License-Identifier: MIT
// Worker: a process in which one peer's handlers run; counts starts and hands the counts to its parent.
//   worker.js PEER LOAD PLACE(JSON)
import { now } from './clock.js';
import { findPeer } from './contenders.js';

const MARK_JOBS = 500;
const TELL_MS = 20;

const [name, load, place] = process.argv.slice(2);
const seen = { count: 0, first: 0, last: 0, marks: [], delays: [] };

function onStart(payload) {
    const at = now();
    if (seen.count === 0) {
        seen.first = at;
    }
    seen.count++;
    seen.last = at;
    if (seen.count % MARK_JOBS === 0) {
        seen.marks.push([at, MARK_JOBS]);
    }
    if (payload.at !== undefined) {
        seen.delays.push(at - payload.at / 1000);
    }
}

process.on('disconnect', () => process.exit(0));
const stop = await findPeer(name).work(JSON.parse(place), load, onStart);
process.send({ isReady: true });
let told = 0;
const timer = setInterval(() => {
    if (seen.count !== told) {
        told = seen.count;
        process.send({ count: told });
    }
}, TELL_MS);
process.on('message', async () => {
    clearInterval(timer);
    await stop();
    process.send({ seen }, () => process.exit(0));
});
