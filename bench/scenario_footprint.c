// SPDX-License-Identifier: MIT
// Footprint: what an idle node costs: memory of its processes, transactions in the database.
#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/proc_memory.h"
#include "bench/scratch.h"
#include "bench/sql.h"

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

static void measure_memory(Bench *bench)
{
    const NodeMemory memory = proc_memory_of_node();
    report_add(&bench->report, &supervisor_rss, memory.supervisor.rss, 0);
    report_add(&bench->report, &supervisor_pss, memory.supervisor.pss, 0);
    report_add(&bench->report, &reaper_pss, memory.reaper.pss, 0);
    report_add(&bench->report, &worker_pss, memory.worker.pss, 0);
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
