// SPDX-License-Identifier: MIT
// Footprint: what an idle node costs: memory of its processes, transactions in the database.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum {
    PROCESSES = 2,
    SETTLE_MS = 11000, // an idle session hands over its counts of the start after ten seconds
    WATCH_MS = 20000
};

static const Figure supervisor_rss = {"footprint", "supervisor, RSS", "MB", GOAL_AT_MOST, 5, NULL};
static const Figure supervisor_pss = {"footprint", "supervisor, PSS", "MB", GOAL_NONE, 0, NULL};
static const Figure worker_pss = {"footprint", "idle worker, PSS", "MB", GOAL_AT_MOST, 12, NULL};
static const Figure reaper_pss = {"footprint", "reaper, PSS", "MB", GOAL_NONE, 0, NULL};
// No statement more often than once a second: the poll, the leader's tick; every two seconds the look at other nodes, every five
// the heartbeat.
static const Figure queries = {"footprint", "transactions of an idle node", "1/s", GOAL_AT_MOST, 3,
                               NULL};

// The figure after `name` of a /proc file of lines like "Pss: 123 kB", in MB.
static double read_megabytes(const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[256];
    double found = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            found = strtod(line + strlen(name), NULL) / 1024;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static double memory_of(long pid, const char *what)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
    return read_megabytes(path, what);
}

static bool is_named(long pid, const char *name)
{
    char path[64];
    char line[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    bool is_same = file != NULL && fgets(line, sizeof line, file) != NULL &&
                   strncmp(line, name, strlen(name)) == 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_same;
}

static void measure_memory(Bench *bench)
{
    char path[64];
    char line[512] = "";
    long supervisor = node_pid();
    report_add(&bench->report, &supervisor_rss, memory_of(supervisor, "Rss:"), 0);
    report_add(&bench->report, &supervisor_pss, memory_of(supervisor, "Pss:"), 0);
    (void)snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", supervisor, supervisor);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        bench_fail("cannot read %s", path);
    }
    (void)fclose(file);
    double most = 0;
    char *at = line;
    for (long child; (child = strtol(at, &at, 10)) > 0;) {
        double pss = memory_of(child, "Pss:");
        if (is_named(child, "ganger-reaper")) {
            report_add(&bench->report, &reaper_pss, pss, 0);
        } else if (is_named(child, "ganger-worker") && pss > most) {
            most = pss;
        }
    }
    report_add(&bench->report, &worker_pss, most, 0);
}

void scenario_footprint(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("footprint %d/%d", i + 1, bench->repeats);
        const char *conninfo = scratch_make();
        PGconn *conn = sql_connect(conninfo);
        sql_run(conn, "select ganger.enqueue('noop')"); // a worker that has run a job
        node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
        node_wait_idle(conn, PROCESSES);
        PQfinish(conn);
        bench_sleep_ms(SETTLE_MS);
        int64_t before = load_commits();
        int64_t start = bench_now_ns();
        bench_sleep_ms(WATCH_MS);
        int64_t after = load_commits();
        report_add(&bench->report, &queries,
                   (double)(after - before) / ((double)(bench_now_ns() - start) / 1e9), 0);
        measure_memory(bench);
        node_stop();
        scratch_drop();
    }
}
