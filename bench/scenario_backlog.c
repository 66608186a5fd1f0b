// SPDX-License-Identifier: MIT
// Backlog: how fast two workers run no-op jobs while many others wait, for a worker, their time, other jobs, or a place.
#include <stdio.h>

#include "bench/backlog_load.h"
#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/pace.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/sql.h"

// Of the jobs that are enqueued to be run one stretch is warming up, and one stays, so that no worker finds nothing.
enum {
    FEW = 10000,
    SOME = 1000000,
    MANY = 10000000,
    STRETCH = 10000,
    STRETCHES = 11,
    ENQUEUED = (STRETCHES + 1) * STRETCH,
    PROCESSES = 2,
    RAW_BATCH = 1024,  // what a worker claims at most
    SETTLE_MS = 60000, // autovacuum has to be done by then
    TIMEOUT_MS = 240000
};

#define FEW_ABOUT "beside 10 thousand of them"

static const Figure figures[BACKLOG_KINDS] = {
    [BACKLOG_RUNNABLE] = {"backlog", "no-op jobs, 10 M more runnable", "jobs/s",
                          GOAL_RATIO_AT_LEAST, 0.9, FEW_ABOUT},
    [BACKLOG_SCHEDULED] = {"backlog", "no-op jobs beside 10 M scheduled", "jobs/s",
                           GOAL_RATIO_AT_LEAST, 0.9, FEW_ABOUT},
    [BACKLOG_BLOCKED] = {"backlog", "no-op jobs beside 10 M blocked", "jobs/s", GOAL_RATIO_AT_LEAST,
                         0.9, FEW_ABOUT},
    [BACKLOG_LIMITED] = {"backlog", "no-op jobs beside 10 M limited", "jobs/s", GOAL_RATIO_AT_LEAST,
                         0.9, FEW_ABOUT},
};
static const Figure touches[BACKLOG_KINDS] = {
    [BACKLOG_RUNNABLE] = {"backlog", "  pages touched for a job", "", GOAL_NONE, 0, FEW_ABOUT},
    [BACKLOG_SCHEDULED] = {"backlog", "  pages touched for a job", "", GOAL_NONE, 0, FEW_ABOUT},
    [BACKLOG_BLOCKED] = {"backlog", "  pages touched for a job", "", GOAL_NONE, 0, FEW_ABOUT},
    [BACKLOG_LIMITED] = {"backlog", "  pages touched for a job", "", GOAL_NONE, 0, FEW_ABOUT},
};
// What the server itself loses when its memory is full of other rows: plain connections move as many rows of a table of their own.
static const Figure raws[BACKLOG_KINDS] = {
    [BACKLOG_RUNNABLE] = {"backlog", "  rows moved by plain connections", "rows/s", GOAL_NONE, 0,
                          FEW_ABOUT},
    [BACKLOG_SCHEDULED] = {"backlog", "  rows moved by plain connections", "rows/s", GOAL_NONE, 0,
                           FEW_ABOUT},
    [BACKLOG_BLOCKED] = {"backlog", "  rows moved by plain connections", "rows/s", GOAL_NONE, 0,
                         FEW_ABOUT},
    [BACKLOG_LIMITED] = {"backlog", "  rows moved by plain connections", "rows/s", GOAL_NONE, 0,
                         FEW_ABOUT},
};
static const char *const names[BACKLOG_KINDS] = {[BACKLOG_RUNNABLE] = "runnable",
                                                 [BACKLOG_SCHEDULED] = "scheduled",
                                                 [BACKLOG_BLOCKED] = "blocked",
                                                 [BACKLOG_LIMITED] = "limited"};
static const CurveLabels curve_labels = {"backlog", "Throughput of runnable jobs while others wait",
                                         "jobs that wait", "jobs/s", true};

typedef struct Stage {
    PGconn *conn;
    const char *conninfo;
    BacklogKind kind;
    int64_t waiting; // wanted at the next measurement
} Stage;

typedef struct Cost {
    double per_second;
    double raw_per_second; // of plain connections
    double pages;          // looked at for each job: this does not depend on the machine's mood
} Cost;

// Brings the jobs that wait to their number. Of runnable ones the last measurement has run some.
static void fill(const Stage *stage)
{
    int64_t there = sql_number(stage->conn, "select count(*) from ganger.job", NULL);
    if (there < stage->waiting) {
        backlog_load_add(stage->conn, stage->conninfo, stage->kind, stage->waiting - there);
    }
}

// Sessions hand their counts over when they end, if not before.
static int64_t pages_touched(PGconn *conn)
{
    while (sql_number(conn,
                      "select count(*) from pg_stat_activity where datname = current_database()"
                      " and backend_type = 'client backend' and pid <> pg_backend_pid()",
                      NULL) > 0) {
        bench_sleep_ms(10);
    }
    return sql_number(
        conn,
        "select blks_hit + blks_read from pg_stat_database where datname = current_database()",
        NULL);
}

// What has been loaded is not to be tidied up while something is measured.
static void settle(PGconn *conn)
{
    sql_run(conn, "vacuum (analyze) ganger.job, ganger.dependency");
    int64_t until = bench_now_ns() + SETTLE_MS * INT64_C(1000000);
    while (sql_number(conn,
                      "select count(*) from pg_stat_activity"
                      " where backend_type = 'autovacuum worker' and datname = current_database()",
                      NULL) > 0) {
        if (bench_now_ns() > until) {
            bench_fail("autovacuum is not done after %d s", SETTLE_MS / 1000);
        }
        bench_sleep_ms(100);
    }
    sql_run(conn, "checkpoint");
}

static double move_raw(const Stage *stage, int rows)
{
    raw_drain_make_tables(stage->conn);
    raw_drain_fill(stage->conn, rows);
    sql_run(stage->conn, "checkpoint");
    return rows /
           raw_drain_run(stage->conninfo, &(RawDrain){.workers = PROCESSES, .batch = RAW_BATCH});
}

static Cost drain(Bench *bench, const Stage *stage)
{
    fill(stage);
    load_noops(stage->conn, bench_count(bench, ENQUEUED));
    settle(stage->conn);
    double raw = move_raw(stage, bench_count(bench, ENQUEUED));
    sql_run(stage->conn, "checkpoint");
    int64_t sequence = load_sequence(stage->conn);
    int64_t before = sql_number(stage->conn, "select count(*) from ganger.history", NULL);
    int64_t pages = pages_touched(stage->conn);
    int step = bench_count(bench, STRETCH);
    node_start(bench, stage->conninfo, &(NodeOptions){.processes = PROCESSES});
    load_wait_finished(stage->conn, sequence - before, (int)before + STRETCHES * step, TIMEOUT_MS);
    node_stop();
    pages = pages_touched(stage->conn) - pages;
    int64_t ended = sql_number(stage->conn, "select count(*) from ganger.history", NULL) - before;
    Pace pace;
    pace_read(stage->conn, sequence, step, &pace);
    return (Cost){.per_second = pace_rate(&pace, 1, STRETCHES),
                  .raw_per_second = raw,
                  .pages = (double)pages / (double)ended};
}

static void measure(Bench *bench, const Stage *stage, int repeats, Cost *costs)
{
    for (int i = 0; i < repeats; i++) {
        bench_live("backlog: %s, %lld, %d/%d", names[stage->kind], (long long)stage->waiting, i + 1,
                   repeats);
        costs[i] = drain(bench, stage);
        curve_add(report_curve(&bench->report, &curve_labels), names[stage->kind],
                  (double)stage->waiting, costs[i].per_second);
    }
}

// The load takes longer than what is measured, so all repetitions are made with the same.
static void run_kind(Bench *bench, BacklogKind kind)
{
    Cost few[REPORT_REPEATS_MAX] = {0};
    Cost some[REPORT_REPEATS_MAX] = {0};
    Cost many[REPORT_REPEATS_MAX] = {0};
    Stage stage = {.conninfo = scratch_make(), .kind = kind};
    stage.conn = sql_connect(stage.conninfo);
    load_warm_lane(stage.conn);
    backlog_load_prepare(stage.conn);
    stage.waiting = bench_count(bench, FEW);
    measure(bench, &stage, bench->repeats, few);
    stage.waiting = bench_count(bench, SOME);
    measure(bench, &stage, 1, some);
    stage.waiting = bench_count(bench, MANY);
    measure(bench, &stage, bench->repeats, many);
    for (int i = 0; i < bench->repeats; i++) {
        report_add(&bench->report, &figures[kind], many[i].per_second, few[i].per_second);
        report_add(&bench->report, &raws[kind], many[i].raw_per_second, few[i].raw_per_second);
        report_add(&bench->report, &touches[kind], many[i].pages, few[i].pages);
    }
    PQfinish(stage.conn);
    scratch_drop();
}

void scenario_backlog(Bench *bench)
{
    for (int kind = 0; kind < BACKLOG_KINDS; kind++) {
        run_kind(bench, (BacklogKind)kind);
    }
}
