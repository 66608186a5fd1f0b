// SPDX-License-Identifier: MIT
// What a database does to a node: it restarts, is away, locks its tables, has no connection or no room left. Each is one scenario under
// load with its figures asserted; the suite runs them small, the long tests at their full size. Figures are printed.
#ifndef TESTS_SUPPORT_DATABASE_FAULTS_H
#define TESTS_SUPPORT_DATABASE_FAULTS_H

#include <stdint.h>

#include "tests/support/daemon.h"

// The server is stopped as by a crash and started again, so often; producers are told nothing that is lost, and nobody is killed.
void fault_restart(SystemTest *test, int rounds);
// A worker's backend is killed by SIGKILL, which restarts the server.
void fault_backend_killed(SystemTest *test, int rounds);
// The server is away for so long. `node`: its times; `is_fatal`: longer than self_fence, so that handlers are killed, once.
void fault_outage(SystemTest *test, const char *node, int64_t away_ms, bool is_fatal);
// Somebody holds ganger's tables in this mode for so long.
void fault_table_locked(SystemTest *test, const char *mode, int64_t held_ms);
// The server gives out its last connection. Needs a cluster of `max_connections`.
void fault_connections_used_up(SystemTest *test, int max_connections);
// The disk is full: first for tables, then for WAL. Needs a cluster in a tmpfs, its folder is `home`.
void fault_disk_full(SystemTest *test, const char *home);
// Calls of all kinds from several sessions to the same jobs, for so long, beside a node at work: no deadlock, and all jobs end.
void fault_mixed_calls(SystemTest *test, int count, int64_t for_ms);
// Every session of the node is serializable: its conflicts are nobody's failure.
void fault_serializable(SystemTest *test, int jobs);
// The connection that listens is ended just before a job comes.
void fault_listener_ended(SystemTest *test);
// Another role sends notifications as fast as it can.
void fault_notify_flood(SystemTest *test, int count, int64_t for_ms);
// Many clients enqueue with the same keys at once.
void fault_same_keys(SystemTest *test, int count, int keys);
// Many connections claim at once, and there is one job, `rounds` times.
void fault_herd(SystemTest *test, int count, int rounds);

#endif
