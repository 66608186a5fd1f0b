// SPDX-License-Identifier: MIT
// Node: one gangerd under measurement.
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include <libpq-fe.h>
#include <sys/types.h>

#include "bench/bench.h"

typedef struct NodeOptions {
    int processes;
    const char *kill_grace; // NULL = the default
} NodeOptions;

// Starts gangerd on the database; at most one at a time. It ends with this program at the latest.
void node_start(const Bench *bench, const char *conninfo, const NodeOptions *options);
// Waits until every worker is registered, idle, and has said so to enqueuers.
void node_wait_idle(PGconn *conn, int processes);
void node_stop(void);
pid_t node_pid(void);

#endif
