// SPDX-License-Identifier: MIT
// Latency: from just before enqueue to the handler's start, workers idle or half busy, one clock of one machine.
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/probe_file.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/spread.h"
#include "bench/sql.h"
#include "bench/stats.h"
#include "common/base/memory.h"

enum {
    JOBS = 500,
    WARM_JOBS = 20, // not counted: first calls plan and prepare
    PACE_NS = 20 * 1000 * 1000,
    PROCESSES = 2,
    ANSWER_MS = 10000,
    BUSY_JOBS = 1000,
    BUSY_JOB_MS =
        10 // of each; they come at random, so that both workers together are busy half of their time
};

#define RAW_ABOUT "insert with NOTIFY, one listener, claim and commit"

static const Figure figures[SPREAD_FIGURES] = {
    {"latency", "enqueue to start, p50", "ms", GOAL_AT_MOST, 2, RAW_ABOUT},
    {"latency", "enqueue to start, p95", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"latency", "enqueue to start, p99", "ms", GOAL_AT_MOST, 6, RAW_ABOUT},
    {"latency", "enqueue to start, max", "ms", GOAL_NONE, 0, RAW_ABOUT},
};
static const Figure beside_raw = {
    "latency", "  p50, beside the bare path", "ms", GOAL_RATIO_AT_MOST, 1.2, RAW_ABOUT};
static const Figure half_busy[SPREAD_FIGURES] = {
    {"latency", "workers half busy, p50", "ms", GOAL_NONE, 0, NULL},
    {"latency", "workers half busy, p95", "ms", GOAL_NONE, 0, NULL},
    {"latency", "workers half busy, p99", "ms", GOAL_AT_MOST, 50, NULL},
    {"latency", "workers half busy, max", "ms", GOAL_NONE, 0, NULL},
};

static const char raw_insert[] =
    "with i as (insert into raw_job (id, lane_id, seq, created_at, max_attempts, priority, queue,"
    " job_type, payload) values (nextval('ganger.seq'), 42, currval('ganger.seq'), now(), 3, 0,"
    " 'default', 'bench_stamp', $1::jsonb) returning 1) select pg_notify('raw_work', '') from i";

static const char raw_claim[] =
    "update raw_job j set status = 'processing', seq = null, lease_id = gen_random_uuid(),"
    " started_at = clock_timestamp(), attempts = j.attempts + 1"
    " from (select c.ctid as row_ctid from raw_job c where c.lane_id = 42 and c.seq is not null"
    " order by c.seq limit 1 for update skip locked) p where j.ctid = p.row_ctid"
    " returning j.id, j.lease_id, j.payload ->> 'at', j.payload";

typedef struct Listener {
    const char *conninfo;
    ProbeFile *file;
} Listener;

static void claim_all(PGconn *conn, const ProbeFile *file)
{
    for (;;) {
        PGresult *result = sql_execute(conn, "claim", 0, NULL);
        bool is_empty = PQntuples(result) == 0;
        if (!is_empty) {
            probe_file_note(file, strtoll(PQgetvalue(result, 0, 2), NULL, 10));
        }
        PQclear(result);
        if (is_empty) {
            return;
        }
    }
}

static void run_listener(const HelperSide *side, void *data)
{
    const Listener *listener = data;
    PGconn *conn = sql_connect(listener->conninfo);
    sql_run(conn, "set enable_seqscan = off; set jit = off; listen raw_work");
    sql_prepare(conn, "claim", raw_claim);
    helper_ready(side);
    struct pollfd fds[] = {{.fd = PQsocket(conn), .events = POLLIN},
                           {.fd = side->go_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
        if (PQconsumeInput(conn) == 0) {
            bench_fail("listener: %s", PQerrorMessage(conn));
        }
        bool is_told = false;
        for (PGnotify *note; (note = PQnotifies(conn)) != NULL; PQfreemem(note)) {
            is_told = true;
        }
        if (is_told) {
            claim_all(conn, listener->file);
        }
    }
    PQfinish(conn);
}

static void call(PGconn *conn, const char *statement, const ProbeFile *file, int ms)
{
    char *payload = mem_printf("{\"at\": %lld, \"file\": \"%s\", \"ms\": %d}",
                               (long long)bench_now_ns(), file->path, ms);
    const char *const values[] = {payload};
    PQclear(sql_execute(conn, statement, 1, values));
    free(payload);
}

// One call every PACE_NS, so that each meets idle workers.
static void produce(PGconn *conn, const char *statement, const ProbeFile *file, int jobs)
{
    int64_t next = bench_now_ns();
    for (int i = 0; i < jobs; i++) {
        next += PACE_NS;
        bench_sleep_until_ns(next);
        call(conn, statement, file, 0);
    }
}

// Calls that know nothing of each other: the pauses between them are exponential, and the same in every run.
static void produce_at_random(PGconn *conn, const ProbeFile *file, int jobs)
{
    const double mean_ns = BUSY_JOB_MS * 1e6 / PROCESSES * 2;
    unsigned short seed[3] = {20, 11, 2024};
    int64_t next = bench_now_ns();
    for (int i = 0; i < jobs; i++) {
        next += (int64_t)(-log(1 - erand48(seed)) * mean_ns);
        bench_sleep_until_ns(next);
        call(conn, "work", file, i < WARM_JOBS ? 0 : BUSY_JOB_MS);
    }
}

static void collect(ProbeFile *file, int jobs, Spread *spread)
{
    for (int i = 0; i < jobs; i++) {
        ProbeRecord record;
        if (!probe_file_next(file, &record, ANSWER_MS)) {
            bench_fail("job %d of %d has not started", i + 1, jobs);
        }
        if (i >= WARM_JOBS) {
            spread_add_ns(spread, record.monotonic_ns - record.given);
        }
    }
}

static void measure_raw(const Bench *bench, PGconn *conn, const char *conninfo, int jobs,
                        Spread *spread)
{
    ProbeFile file;
    probe_file_open(&file, bench, "probe");
    raw_drain_make_tables(conn);
    sql_prepare(conn, "raw", raw_insert);
    Helper helper;
    helper_start(&helper, run_listener, &(Listener){.conninfo = conninfo, .file = &file});
    helper_wait_ready(&helper);
    produce(conn, "raw", &file, jobs);
    collect(&file, jobs, spread);
    helper_join(&helper);
    probe_file_close(&file);
}

static void measure_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int jobs,
                           Spread *spread)
{
    ProbeFile file;
    probe_file_open(&file, bench, "probe");
    sql_prepare(conn, "ours", "select ganger.enqueue('bench_stamp', $1::jsonb)");
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    node_wait_idle(conn, PROCESSES);
    produce(conn, "ours", &file, jobs);
    collect(&file, jobs, spread);
    probe_file_close(&file);
}

// With the node that is there.
static void measure_half_busy(const Bench *bench, PGconn *conn, int jobs, Spread *spread)
{
    ProbeFile file;
    probe_file_open(&file, bench, "probe");
    sql_prepare(conn, "work", "select ganger.enqueue('bench_work', $1::jsonb)");
    produce_at_random(conn, &file, jobs);
    collect(&file, jobs, spread);
    probe_file_close(&file);
}

static void repeat(Bench *bench)
{
    int jobs = bench_count(bench, JOBS) + WARM_JOBS;
    Spread ours = {0};
    Spread raw = {0};
    Spread busy = {0};
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    measure_raw(bench, conn, conninfo, jobs, &raw);
    measure_ganger(bench, conn, conninfo, jobs, &ours);
    measure_half_busy(bench, conn, bench_count(bench, BUSY_JOBS) + WARM_JOBS, &busy);
    node_stop();
    spread_report(&bench->report, figures, &ours, &raw);
    report_add(&bench->report, &beside_raw, stats_percentile(ours.ms, ours.count, 50),
               stats_percentile(raw.ms, raw.count, 50));
    spread_report(&bench->report, half_busy, &busy, NULL);
    PQfinish(conn);
    scratch_drop();
}

void scenario_latency(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("latency %d/%d", i + 1, bench->repeats);
        repeat(bench);
    }
}
