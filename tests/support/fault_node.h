// SPDX-License-Identifier: MIT
// What the tests of whole nodes' faults share: a cluster whose machines can be cut off and whose clock can be wrong, gangerd on these
// machines, and what the journal says about runs that overlap.
#ifndef TESTS_SUPPORT_FAULT_NODE_H
#define TESTS_SUPPORT_FAULT_NODE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/netns.h"
#include "tests/support/private_cluster.h"
#include "tests/support/unit.h"

// The shortest lease gangerd takes.
static const char quick_node[] = "heartbeat: 200ms, self_fence: 1s, lease: 6s";
static const char usual_node[] = "heartbeat: 5s, self_fence: 50s, lease: 60s";

static Netns *net;             // NULL: this machine does not let us
static WallClock *server_time; // the cluster's

static inline int fault_node_setup(int machines, void **state)
{
    server_time = wall_clock_create();
    private_cluster_clock(server_time);
    if (netns_is_possible()) {
        net = netns_create(machines);
        private_cluster_network(netns_database(net));
    }
    return private_cluster_setup(state);
}

static inline int fault_node_teardown(void **state)
{
    int code = private_cluster_teardown(state);
    if (net != NULL) {
        netns_destroy(net);
    }
    wall_clock_destroy(server_time);
    return code;
}

// gangerd on a machine of its own.
static inline Daemon *run_on_machine(SystemTest *test, int machine, const char *name,
                                     const char *queues, int workers, const DaemonOptions *more)
{
    char database[256];
    char pools[128];
    char handlers[400];
    DaemonOptions options = *more;
    (void)snprintf(database, sizeof database,
                   "{url: \"host=%s user=postgres dbname=%s\", poll_interval: 100ms}",
                   netns_address(net, machine), test->db.name);
    (void)snprintf(pools, sizeof pools, "{default: {queues: [%s], processes: %d}}", queues,
                   workers);
    (void)snprintf(handlers, sizeof handlers, "hold: {plugin: %s/hold.so}%s%s",
                   getenv("GANGER_TEST_PLUGINS"), more->handlers != NULL ? ", " : "",
                   more->handlers != NULL ? more->handlers : "");
    options.database = database;
    options.pools = pools;
    options.handlers = handlers;
    options.network = netns_node(net, machine);
    return daemon_run(test, name, workers, &options);
}

// --- the journal: "<what> <job> <attempt> <pid> <microseconds>"

typedef struct Runs {
    int count;            // attempts seen
    int64_t first_end_ms; // the last sign of the first
    int64_t second_at_ms; // when the second began; 0 = there was none
    int64_t
        gap_us; // the shortest time between the last sign of one attempt and the first of the next; below 0: they overlapped
} Runs;

enum { RUN_MAX = 64 };

static inline void note_sign(int64_t first[RUN_MAX], int64_t last[RUN_MAX], int attempt, int64_t at)
{
    if (attempt < 0 || attempt >= RUN_MAX) {
        return;
    }
    first[attempt] = first[attempt] == 0 || at < first[attempt] ? at : first[attempt];
    last[attempt] = at > last[attempt] ? at : last[attempt];
}

static inline Runs runs_of(const SystemTest *test, int64_t id)
{
    int64_t first[RUN_MAX] = {0};
    int64_t last[RUN_MAX] = {0};
    char path[160];
    char line[256];
    (void)snprintf(path, sizeof path, "%s/journal", test->folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char what[16];
        long long job = 0;
        int attempt = 0;
        int pid = 0;
        long long at = 0;
        int got = // NOLINTNEXTLINE(cert-err34-c): the lines are our own plugin's
            sscanf(line, "%15s %lld %d %d %lld", what, &job, &attempt, &pid, &at);
        if (got == 5 && job == id) {
            note_sign(first, last, attempt, at);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    Runs runs = {.gap_us = INT64_MAX};
    int64_t before = 0;
    for (int i = 0; i < RUN_MAX; i++) {
        if (first[i] == 0) {
            continue;
        }
        runs.count++;
        runs.first_end_ms = runs.count == 1 ? last[i] / 1000 : runs.first_end_ms;
        runs.second_at_ms = runs.count == 2 ? first[i] / 1000 : runs.second_at_ms;
        if (before != 0 && first[i] - before < runs.gap_us) {
            runs.gap_us = first[i] - before;
        }
        before = last[i];
    }
    return runs;
}

// --- counts of long tests, and what they measure

// $GANGER_LONG_PERCENT of a count, at least 1.
static inline int long_count(int full)
{
    const char *text = getenv("GANGER_LONG_PERCENT");
    long percent = text != NULL ? strtol(text, NULL, 10) : 100;
    int count = (int)(full * percent / 100);
    return count > 1 ? count : 1;
}

// $GANGER_LONG_ONLY: only the tests whose names are like it, as `test_lost*`.
static inline void long_choose(void)
{
    const char *pattern = getenv("GANGER_LONG_ONLY");
    if (pattern != NULL) {
        cmocka_set_test_filter(pattern);
    }
}

enum { FIGURE_MAX = 1024 };

typedef struct Figures {
    int64_t ms[FIGURE_MAX];
    int count;
} Figures;

static inline void figures_add(Figures *figures, int64_t ms)
{
    int at = figures->count < FIGURE_MAX ? figures->count++ : FIGURE_MAX - 1;
    for (; at > 0 && figures->ms[at - 1] > ms; at--) {
        figures->ms[at] = figures->ms[at - 1];
    }
    figures->ms[at] = ms;
}

// Prints them; the longest.
static inline int64_t figures_tell(const Figures *figures, const char *what)
{
    if (figures->count == 0) {
        return 0;
    }
    int64_t longest = figures->ms[figures->count - 1];
    printf("%s: %d times, median %" PRId64 " ms, p99 %" PRId64 " ms, longest %" PRId64 " ms\n",
           what, figures->count, figures->ms[figures->count / 2],
           figures->ms[(figures->count - 1) * 99 / 100], longest);
    (void)fflush(stdout);
    return longest;
}

#endif
