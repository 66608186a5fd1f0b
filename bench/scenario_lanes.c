// SPDX-License-Identifier: MIT
// Lanes: how fast two workers run no-op jobs of 2,000 lanes (queues x priorities x job types), beside as many in one lane.
#include <stdio.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/pace.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum {
    JOBS = 200000,
    QUEUES = 20,
    PRIORITIES = 5,
    TYPES = 20,
    STRETCHES = 20, // the first is warming up, and belongs to no rate
    PROCESSES = 2,
    TIMEOUT_MS = 120000
};

#define ONE_LANE "the same jobs in one lane"

static const Figure rate = {
    "lanes", "no-op jobs of 2,000 lanes", "jobs/s", GOAL_RATIO_AT_LEAST, 0.8, ONE_LANE};
static const Figure rate_in = {
    "lanes", "enqueue_many of 1,000 in 1,000 lanes", "jobs/s", GOAL_RATIO_AT_LEAST, 0.5, ONE_LANE};
static const Figure wal = {"lanes", "WAL of a job, claim to finish", "bytes", GOAL_NONE, 0,
                           ONE_LANE};
static const Figure wal_in = {"lanes", "WAL of a job, enqueue_many of 1,000", "bytes", GOAL_NONE, 0,
                              ONE_LANE};

typedef struct Cost {
    double per_second;
    double in_per_second;
    double wal_bytes;
    double wal_in_bytes;
} Cost;

// Neighbours in the backlog are of different lanes.
static void load(PGconn *conn, int jobs, bool is_spread)
{
    char text[1000];
    (void)snprintf(
        text, sizeof text,
        "select count(*) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', "
        "'bench_lane_' || n / %d %% %d, 'queue', 'lane_' || n %% %d, 'priority', n / %d %% %d,"
        " 'payload', jsonb_build_object('n', i))) from (select i, case when $2::bool then"
        " $1::int + i - 1 else 0 end as n from generate_series(1, %d) i) x))",
        QUEUES * PRIORITIES, TYPES, QUEUES, QUEUES, PRIORITIES, LOAD_BULK);
    sql_prepare(conn, "load_lanes", text);
    for (int done = 0; done < jobs; done += LOAD_BULK) {
        char from[16];
        (void)snprintf(from, sizeof from, "%d", done);
        const char *const values[] = {from, is_spread ? "true" : "false"};
        PQclear(sql_execute(conn, "load_lanes", 2, values));
        if (done < QUEUES * PRIORITIES * TYPES) {
            sql_run(conn, "select ganger.maintain()"); // from here on these lanes are known
        }
    }
    sql_run(conn, "deallocate load_lanes");
}

// Both runs have the same configuration: only where the jobs stand differs.
static void start_node(const Bench *bench, const char *conninfo)
{
    StrBuf pools = {0};
    StrBuf handlers = {0};
    strbuf_printf(&pools, "  default:\n    processes: %d\n    queues: [", PROCESSES);
    for (int i = 0; i < QUEUES; i++) {
        strbuf_printf(&pools, "%slane_%d", i > 0 ? ", " : "", i);
    }
    strbuf_append(&pools, "]\n");
    for (int i = 0; i < TYPES; i++) {
        strbuf_printf(&handlers, "  bench_lane_%d: {plugin: noop.so, symbol: noop}\n", i);
    }
    node_start(
        bench, conninfo,
        &(NodeOptions){.processes = PROCESSES, .pools = pools.text, .handlers = handlers.text});
    strbuf_free(&pools);
    strbuf_free(&handlers);
}

static Cost drain(const Bench *bench, int jobs, bool is_spread)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    int64_t empty = load_wal_bytes(conn);
    int64_t began = bench_now_ns();
    load(conn, jobs, is_spread);
    double load_seconds = (double)(bench_now_ns() - began) / 1e9;
    int64_t loaded = load_wal_bytes(conn);
    sql_run(conn, "select ganger.maintain()");
    sql_run(conn, "analyze ganger.job");
    sql_run(conn, "checkpoint");
    int64_t sequence = load_sequence(conn);
    int64_t before = load_wal_bytes(conn);
    start_node(bench, conninfo);
    load_wait_finished(conn, sequence, jobs, TIMEOUT_MS);
    int64_t after = load_wal_bytes(conn);
    node_stop();
    Pace pace;
    pace_read(conn, sequence, jobs / STRETCHES, &pace);
    PQfinish(conn);
    scratch_drop();
    return (Cost){.per_second = pace_rate(&pace, 1, STRETCHES),
                  .in_per_second = jobs / load_seconds,
                  .wal_bytes = (double)(after - before) / jobs,
                  .wal_in_bytes = (double)(loaded - empty) / jobs};
}

void scenario_lanes(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("lanes %d/%d: one", i + 1, bench->repeats);
        Cost one = drain(bench, jobs, false);
        bench_live("lanes %d/%d: %d", i + 1, bench->repeats, QUEUES * PRIORITIES * TYPES);
        Cost many = drain(bench, jobs, true);
        report_add(&bench->report, &rate, many.per_second, one.per_second);
        report_add(&bench->report, &rate_in, many.in_per_second, one.in_per_second);
        report_add(&bench->report, &wal, many.wal_bytes, one.wal_bytes);
        report_add(&bench->report, &wal_in, many.wal_in_bytes, one.wal_in_bytes);
    }
}
