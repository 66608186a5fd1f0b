// SPDX-License-Identifier: MIT
// Node: the gangerds under measurement.
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include <libpq-fe.h>
#include <sys/types.h>

#include "bench/bench.h"

typedef struct NodeOptions {
    int processes;
    const char *kill_grace; // NULL = the default
    const char *pools;      // the lines below `pools:`; NULL = one of `processes`
    const char *handlers;   // further lines below `handlers:`; may be NULL
    const char *sections;   // further sections of the configuration; may be NULL
} NodeOptions;

enum { NODE_MAX = 4 };

// Starts a gangerd on the database, beside those that run: at most NODE_MAX. It ends with this program at the latest.
void node_start(const Bench *bench, const char *conninfo, const NodeOptions *options);
// Waits until every worker of all nodes (`processes` together) is registered, idle, and has said so to enqueuers.
void node_wait_idle(PGconn *conn, int processes);
// Ends the program when gangerd has ended by itself.
void node_check(void);
// Stops all.
void node_stop(void);
// That of the first.
pid_t node_pid(void);

#endif
