// SPDX-License-Identifier: MIT
// Pooler: what PgBouncer in transaction mode between gangerd and the server costs, beside direct connections.
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/probe_file.h"
#include "bench/scratch.h"
#include "bench/span.h"
#include "bench/spread.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum {
    DRAIN_JOBS = 50000,
    DRAIN_MS = 120000,
    STARTED_JOBS = 200,
    WARM_JOBS = 20,             // not counted: first calls plan and prepare
    PACE_NS = 23 * 1000 * 1000, // all phases of a poll are met
    PROCESSES = 2,
    ANSWER_MS = 20000,
    READY_MS = 20000,
    LOOK_MS = 20
};

#define RAW_ABOUT "the same over direct connections"

static const Figure rate = {"pooler", "no-op jobs, 2 workers", "jobs/s", GOAL_NONE, 0, RAW_ABOUT};
static const Figure starts[SPREAD_FIGURES] = {
    {"pooler", "enqueue to start, p50", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"pooler", "enqueue to start, p95", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"pooler", "enqueue to start, p99", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"pooler", "enqueue to start, max", "ms", GOAL_NONE, 0, RAW_ABOUT},
};

// What bench/run has started, as a connection string without a database; NULL = none.
static const char *pooler_address(void)
{
    const char *address = getenv("GANGER_BENCH_POOLER");
    return address != NULL && address[0] != '\0' ? address : NULL;
}

// How gangerd reaches the scratch database; caller frees.
static char *node_conninfo(PGconn *conn, const char *conninfo, bool is_pooled)
{
    return is_pooled
               ? mem_printf("%s user=%s dbname=%s", pooler_address(), PQuser(conn), PQdb(conn))
               : mem_strdup(conninfo);
}

static void check_backends(PGconn *conn, bool is_pooled)
{
    int64_t known = sql_number(
        conn, "select count(*) from ganger.worker where backend_start is not null", NULL);
    if (is_pooled != (known == 0)) {
        bench_fail("gangerd is %sbehind a pooler", is_pooled ? "not " : "");
    }
}

static double drain(const Bench *bench, bool is_pooled, int jobs)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    load_warm_lane(conn);
    load_noops(conn, jobs);
    sql_run(conn, "analyze ganger.job; checkpoint");
    char *url = node_conninfo(conn, conninfo, is_pooled);
    int64_t sequence = load_sequence(conn);
    node_start(bench, url, &(NodeOptions){.processes = PROCESSES});
    load_wait_finished(conn, sequence, jobs, DRAIN_MS);
    check_backends(conn, is_pooled);
    node_stop();
    double seconds = span_run_seconds(conn, 0);
    free(url);
    PQfinish(conn);
    scratch_drop();
    return jobs / seconds;
}

// Behind a pooler a node is never said to be idle to enqueuers, so node_wait_idle would wait for ever.
static void wait_ready(PGconn *conn)
{
    for (int64_t until = bench_now_ns() + READY_MS * INT64_C(1000000); bench_now_ns() < until;) {
        if (sql_number(conn, "select count(*) from ganger.workers where state = 'idle'", NULL) ==
            PROCESSES) {
            return;
        }
        bench_sleep_ms(LOOK_MS);
    }
    bench_fail("gangerd's workers do not become idle");
}

static void start_jobs(const Bench *bench, bool is_pooled, int jobs, Spread *spread)
{
    ProbeFile file;
    probe_file_open(&file, bench, "probe");
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    sql_prepare(conn, "ours", "select ganger.enqueue('bench_stamp', $1::jsonb)");
    char *url = node_conninfo(conn, conninfo, is_pooled);
    node_start(bench, url, &(NodeOptions){.processes = PROCESSES});
    wait_ready(conn);
    check_backends(conn, is_pooled);
    int64_t next = bench_now_ns();
    for (int i = 0; i < jobs; i++) {
        next += PACE_NS;
        bench_sleep_until_ns(next);
        char *payload =
            mem_printf("{\"at\": %lld, \"file\": \"%s\"}", (long long)bench_now_ns(), file.path);
        PQclear(sql_execute(conn, "ours", 1, (const char *const[]){payload}));
        free(payload);
    }
    for (int i = 0; i < jobs; i++) {
        ProbeRecord record;
        if (!probe_file_next(&file, &record, ANSWER_MS)) {
            bench_fail("job %d of %d has not started", i + 1, jobs);
        }
        if (i >= WARM_JOBS) {
            spread_add_ns(spread, record.monotonic_ns - record.given);
        }
    }
    node_stop();
    free(url);
    PQfinish(conn);
    scratch_drop();
    probe_file_close(&file);
}

void scenario_pooler(Bench *bench)
{
    if (pooler_address() == NULL) {
        bench_live(NULL);
        (void)fputs("pooler: left out, as GANGER_BENCH_POOLER names no PgBouncer (bench/run starts "
                    "an installed one)\n",
                    stderr);
        return;
    }
    int jobs = bench_count(bench, DRAIN_JOBS);
    int started = bench_count(bench, STARTED_JOBS) + WARM_JOBS;
    for (int i = 0; i < bench->repeats; i++) {
        Spread direct = {0};
        Spread pooled = {0};
        bench_live("pooler %d/%d: %d jobs", i + 1, bench->repeats, jobs);
        double plain = drain(bench, false, jobs);
        report_add(&bench->report, &rate, drain(bench, true, jobs), plain);
        bench_live("pooler %d/%d: %d starts", i + 1, bench->repeats, started);
        start_jobs(bench, false, started, &direct);
        start_jobs(bench, true, started, &pooled);
        spread_report(&bench->report, starts, &pooled, &direct);
    }
}
