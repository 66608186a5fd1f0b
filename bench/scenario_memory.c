// SPDX-License-Identifier: MIT
// Memory: what a node's processes use under load, and that it does not grow with the jobs they have run.
#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/proc_memory.h"
#include "bench/scratch.h"
#include "bench/sql.h"

enum {
    JOBS = 1000000,
    WARM_JOBS = JOBS / 10, // after so many nothing may grow
    PORTION = 20000,
    PROCESSES = 2,
    TIMEOUT_MS = 300000,
    LOOK_MS = 50,
    REST_MS = 500 // until what ran last has come to rest
};

static const Figure worker_busy = {"memory", "busy worker, PSS, most", "MB", GOAL_AT_MOST, 16,
                                   NULL};
static const Figure reaper_busy = {"memory", "reaper of a busy node, PSS, most", "MB", GOAL_NONE, 0,
                                   NULL};
static const Figure supervisor_busy = {
    "memory", "supervisor of a busy node, PSS, most", "MB", GOAL_AT_MOST, 5, NULL};
static const Figure worker_idle = {"memory", "worker after 100,000 jobs, PSS", "MB", GOAL_NONE, 0,
                                   NULL};
static const Figure worker_grown = {
    "memory", "  its growth until 1,000,000 jobs", "MB", GOAL_AT_MOST, 0.5, NULL};
static const Figure reaper_grown = {
    "memory", "growth of the reaper meanwhile", "MB", GOAL_AT_MOST, 0.5, NULL};
static const Figure supervisor_grown = {
    "memory", "growth of the supervisor meanwhile", "MB", GOAL_AT_MOST, 0.1, NULL};

// Enqueues and runs `jobs` jobs, a portion at a time, so that the database has few at once.
static void run_jobs(PGconn *conn, int jobs, NodeMemory *most)
{
    for (int done = 0; done < jobs; done += PORTION) {
        load_noops(conn, PORTION);
        const int64_t until = bench_now_ns() + TIMEOUT_MS * INT64_C(1000000);
        while (sql_number(conn, "select exists (select from ganger.job)::int", NULL) != 0) {
            if (bench_now_ns() > until) {
                bench_fail("%d jobs have not ended within %d s", PORTION, TIMEOUT_MS / 1000);
            }
            const NodeMemory now = proc_memory_of_node();
            proc_memory_keep_most(most, &now);
            bench_sleep_ms(LOOK_MS);
        }
    }
}

static NodeMemory rest(void)
{
    bench_sleep_ms(REST_MS);
    return proc_memory_of_node();
}

// A million jobs take a minute or two, so this is done once, whatever the number of repetitions.
void scenario_memory(Bench *bench)
{
    bench_live("memory: warm-up");
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    load_warm_lane(conn);
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    node_wait_idle(conn, PROCESSES);
    NodeMemory most = {0};
    run_jobs(conn, bench_count(bench, WARM_JOBS), &most);
    const NodeMemory before = rest();
    bench_live("memory: %d jobs", bench_count(bench, JOBS));
    run_jobs(conn, bench_count(bench, JOBS - WARM_JOBS), &most);
    const NodeMemory after = rest();
    node_stop();
    PQfinish(conn);
    scratch_drop();
    Report *report = &bench->report;
    report_add(report, &worker_busy, most.worker.pss, 0);
    report_add(report, &reaper_busy, most.reaper.pss, 0);
    report_add(report, &supervisor_busy, most.supervisor.pss, 0);
    report_add(report, &worker_idle, before.worker.pss, 0);
    report_add(report, &worker_grown, after.worker.anonymous - before.worker.anonymous, 0);
    report_add(report, &reaper_grown, after.reaper.anonymous - before.reaper.anonymous, 0);
    report_add(report, &supervisor_grown, after.supervisor.anonymous - before.supervisor.anonymous,
               0);
}
