// SPDX-License-Identifier: MIT
// Drain: how fast two workers run no-op jobs that are already there, and what one such job costs.
#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/sql.h"

enum {
    JOBS = 100000,
    TIMEOUT_MS = 120000,
    PROCESSES = 2,
    RAW_BATCH = 100,
    OUR_BATCH = 256 // what ganger's batches grow to with jobs as short as these
};

#define RAW_ABOUT "two plain connections claim and move the same rows, "

static const Figure rate = {"drain", "no-op jobs, 2 workers",  "jobs/s", GOAL_RATIO_AT_LEAST,
                            0.5,     RAW_ABOUT "100 at a time"};
static const Figure rate_256 = {"drain",  "  beside larger raw batches",
                                "jobs/s", GOAL_RATIO_AT_LEAST,
                                0.5,      RAW_ABOUT "256 at a time"};
static const Figure wal = {"drain", "WAL of a job, claim to finish", "bytes", GOAL_NONE,
                           0,       RAW_ABOUT "256 at a time"};
static const Figure wal_in = {"drain", "WAL of a job, enqueue_many of 1,000", "bytes", GOAL_NONE,
                              0,       "insert .. select of the same rows"};
static const Figure commits = {"drain", "transactions (round trips) of 1,000 jobs",
                               "",      GOAL_NONE,
                               0,       "one for a batch of 100: finish and next claim"};

typedef struct Cost {
    double per_second;
    double wal_bytes;
} Cost;

static Cost drain_raw(PGconn *conn, const char *conninfo, int jobs, int batch)
{
    raw_drain_make_tables(conn);
    raw_drain_copy_jobs(conn);
    sql_run(conn, "checkpoint");
    int64_t before = load_wal_bytes(conn);
    double seconds = raw_drain_run(conninfo, batch);
    Cost cost = {.per_second = jobs / seconds,
                 .wal_bytes = (double)(load_wal_bytes(conn) - before) / jobs};
    if (sql_number(conn, "select count(*) from raw_history", NULL) != jobs) {
        bench_fail("the raw drain has lost rows");
    }
    return cost;
}

// From the first start of a handler to the last end of one, as the rows tell.
static Cost drain_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int jobs,
                         double *commits_per_job)
{
    sql_run(conn, "checkpoint");
    int64_t sequence = load_sequence(conn);
    int64_t commits_before = load_commits();
    int64_t before = load_wal_bytes(conn);
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    load_wait_finished(conn, sequence, jobs, TIMEOUT_MS);
    int64_t after = load_wal_bytes(conn);
    node_stop();
    int64_t took_us =
        sql_number(conn,
                   "select (extract(epoch from max(finished_at) - min(started_at)) * 1e6)::bigint"
                   " from ganger.history where status = 'completed'",
                   NULL);
    *commits_per_job = (double)(load_commits() - commits_before) / jobs;
    return (Cost){.per_second = jobs / ((double)took_us / 1e6),
                  .wal_bytes = (double)(after - before) / jobs};
}

static void load(Bench *bench, PGconn *conn, int jobs)
{
    load_warm_lane(conn);
    raw_drain_make_tables(conn);
    sql_run(conn, "checkpoint");
    int64_t before = load_wal_bytes(conn);
    load_noops(conn, jobs);
    int64_t loaded = load_wal_bytes(conn);
    raw_drain_copy_jobs(conn);
    report_add(&bench->report, &wal_in, (double)(loaded - before) / jobs,
               (double)(load_wal_bytes(conn) - loaded) / jobs);
    sql_run(conn, "analyze ganger.job");
}

static void repeat(Bench *bench, int number, int jobs)
{
    bench_live("drain %d/%d: enqueue", number + 1, bench->repeats);
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    load(bench, conn, jobs);
    bench_live("drain %d/%d: %d jobs", number + 1, bench->repeats, jobs);
    Cost raw = drain_raw(conn, conninfo, jobs, RAW_BATCH);
    Cost raw_256 = drain_raw(conn, conninfo, jobs, OUR_BATCH);
    double commits_per_job = 0;
    Cost ours = drain_ganger(bench, conn, conninfo, jobs, &commits_per_job);
    report_add(&bench->report, &rate, ours.per_second, raw.per_second);
    report_add(&bench->report, &rate_256, ours.per_second, raw_256.per_second);
    report_add(&bench->report, &wal, ours.wal_bytes, raw_256.wal_bytes);
    report_add(&bench->report, &commits, commits_per_job * 1000, 1000.0 / RAW_BATCH);
    PQfinish(conn);
    scratch_drop();
}

void scenario_drain(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        repeat(bench, i, jobs);
    }
}
