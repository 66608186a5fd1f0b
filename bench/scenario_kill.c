// SPDX-License-Identifier: MIT
// Kill: a handler that never returns and heeds no signal is dead how long after its deadline?
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "bench/bench.h"
#include "bench/death_watch.h"
#include "bench/helper.h"
#include "bench/node.h"
#include "bench/probe_file.h"
#include "bench/scratch.h"
#include "bench/spread.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum {
    JOBS = 70,
    RAW_KILLS = 20,
    PROCESSES = 2,
    TIMEOUT_MS = 200,
    GRACE_MS = 100,
    ANSWER_MS = 30000
};

static const int64_t DEADLINE_NS = (TIMEOUT_MS + GRACE_MS) * INT64_C(1000000);

#define RAW_ABOUT "sleep until then, kill(2), pidfd"

static const Figure figures[SPREAD_FIGURES] = {
    {"kill", "timeout + grace to death, p50", "ms", GOAL_AT_MOST, 100, RAW_ABOUT},
    {"kill", "timeout + grace to death, p95", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"kill", "timeout + grace to death, p99", "ms", GOAL_AT_MOST, 100, RAW_ABOUT},
    {"kill", "timeout + grace to death, max", "ms", GOAL_NONE, 0, RAW_ABOUT},
};

static void enqueue_spinners(PGconn *conn, const char *path, int jobs)
{
    char *payload = mem_printf("{\"at\": 0, \"file\": \"%s\"}", path);
    const char *const values[] = {payload};
    sql_prepare(conn, "spin",
                "select ganger.enqueue('bench_spin', $1::jsonb, timeout => '200 ms',"
                " kill_grace => '100 ms', max_attempts => 1)");
    for (int i = 0; i < jobs; i++) {
        PQclear(sql_execute(conn, "spin", 1, values));
    }
    free(payload);
}

static void measure_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int jobs,
                           Spread *spread)
{
    ProbeFile file;
    DeathWatch watch = {0};
    int64_t patience = bench_now_ns() + ANSWER_MS * INT64_C(1000000);
    probe_file_open(&file, bench, "probe");
    enqueue_spinners(conn, file.path, jobs);
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    while (spread->count < jobs) {
        ProbeRecord record;
        int64_t late_ns = 0;
        if (probe_file_next(&file, &record, 0)) {
            death_watch_add(&watch, (pid_t)record.pid, record.monotonic_ns + DEADLINE_NS);
        }
        if (death_watch_next(&watch, &late_ns)) {
            spread_add_ns(spread, late_ns);
            patience = bench_now_ns() + ANSWER_MS * INT64_C(1000000);
        }
        if (bench_now_ns() > patience) {
            bench_fail("no job has been killed for %d s", ANSWER_MS / 1000);
        }
    }
    for (int64_t until = bench_now_ns() + ANSWER_MS * INT64_C(1000000);
         sql_number(conn, "select count(*) from ganger.history where failure_reason = 'timeout'",
                    NULL) != jobs;
         bench_sleep_ms(20)) {
        if (bench_now_ns() > until) {
            bench_fail("killed jobs have not failed with reason timeout");
        }
    }
    node_stop();
    probe_file_close(&file);
}

static void run_spinner(const HelperSide *side, void *data)
{
    (void)data;
    helper_ready(side);
    volatile int is_on = 1;
    while (is_on) {
    }
}

static void measure_raw(Spread *spread)
{
    for (int i = 0; i < RAW_KILLS; i++) {
        Helper helper;
        DeathWatch watch = {0};
        helper_start(&helper, run_spinner, NULL);
        helper_wait_ready(&helper);
        int64_t deadline = bench_now_ns() + DEADLINE_NS / 3;
        death_watch_add(&watch, helper.pid, deadline);
        bench_sleep_until_ns(deadline);
        (void)kill(helper.pid, SIGKILL);
        int64_t late_ns = 0;
        while (!death_watch_next(&watch, &late_ns)) {
        }
        spread_add_ns(spread, late_ns);
        helper_discard(&helper);
    }
}

void scenario_kill(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("kill %d/%d", i + 1, bench->repeats);
        Spread ours = {0};
        Spread raw = {0};
        const char *conninfo = scratch_make();
        PGconn *conn = sql_connect(conninfo);
        measure_raw(&raw);
        measure_ganger(bench, conn, conninfo, jobs, &ours);
        spread_report(&bench->report, figures, &ours, &raw);
        PQfinish(conn);
        scratch_drop();
    }
}
