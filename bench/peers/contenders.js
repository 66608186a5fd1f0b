// SPDX-License-Identifier: MIT
// Contenders: everyone who is measured. Each has
//   name, about, store ('postgres' or 'redis'), keeps (completed jobs stay), settings (told in the report)
//   open(place, {isMarked})   -> a producer: one(payload), many(payloads), left(), close(); makes the schema
//   makeFleet(place, {processes, load, isMarked}) -> its workers, see node_fleet.js
//   work(place, load, onStart) -> stop(), for those whose handlers run in worker.js
import { bullmq, bullmqAlways } from './bullmq.js';
import { bullmqPostgres } from './bullmq_postgres.js';
import { ganger, gangerDeletes } from './ganger.js';
import { graphile } from './graphile.js';
import { pgboss } from './pgboss.js';

export const peers = [graphile, pgboss, bullmq, bullmqAlways, bullmqPostgres];
export const gangers = [ganger, gangerDeletes];

export function findPeer(name) {
    const peer = peers.find((candidate) => candidate.name === name);
    if (peer === undefined) {
        throw new Error(`no such peer: ${name}; there are ${peers.map((each) => each.name).join(', ')}`);
    }
    return peer;
}
