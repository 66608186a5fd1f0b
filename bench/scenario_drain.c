// SPDX-License-Identifier: MIT
// Drain: how fast workers run jobs that are already there, and what one such job costs.
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/job_cost.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "bench/tally.h"
#include "common/base/memory.h"

enum {
    JOBS = 200000,
    TIMEOUT_MS = 60000,
    RAW_BATCH = 100,
    OUR_BATCH = 1024, // what ganger's batches grow to with jobs as short as these
    PAYLOAD_BYTES = 1024
};

#define RAW_MOVES   " claim and move the same rows, 100 at a time"
#define RAW_STORES  " move the same rows and store the payload as output, 100 at a time"
#define RAW_DELETES " claim and delete the same rows, 100 at a time"

typedef struct DrainCase {
    const char *job_type;
    RawDrain raw;
    Figure rate;
    Figure wal; // without a name: not reported
} DrainCase;

// The one whose cost is looked at.
enum { MAIN_CASE = 1 };

static const DrainCase cases[] = {
    {.job_type = "noop",
     .raw = {.workers = 1, .batch = RAW_BATCH},
     .rate = {"drain", "no-op jobs, 1 worker", "jobs/s", GOAL_RATIO_AT_LEAST, 0.75,
              "a plain connection:" RAW_MOVES}},
    {.job_type = "noop",
     .raw = {.workers = 2, .batch = RAW_BATCH},
     .rate = {"drain", "no-op jobs, 2 workers", "jobs/s", GOAL_RATIO_AT_LEAST, 0.75,
              "two plain connections" RAW_MOVES},
     .wal = {"drain", "WAL of a job, claim to finish", "bytes", GOAL_RATIO_AT_MOST, 1.5,
             "two plain connections" RAW_MOVES}},
    {.job_type = "noop",
     .raw = {.workers = 4, .batch = RAW_BATCH},
     .rate = {"drain", "no-op jobs, 4 workers", "jobs/s", GOAL_RATIO_AT_LEAST, 0.75,
              "four plain connections" RAW_MOVES}},
    {.job_type = "echo",
     .raw = {.workers = 2, .batch = RAW_BATCH, .is_echo = true},
     .rate = {"drain", "1 KB in, 1 KB out, 2 workers", "jobs/s", GOAL_RATIO_AT_LEAST, 0.6,
              "two plain connections" RAW_STORES},
     .wal = {"drain", "WAL of a job, 1 KB in, 1 KB out", "bytes", GOAL_NONE, 0,
             "two plain connections" RAW_STORES}},
    {.job_type = "bench_tally",
     .raw = {.workers = 1, .batch = RAW_BATCH, .is_deleted = true},
     .rate = {"drain", "no-op jobs, retention 0, 1 worker", "jobs/s", GOAL_NONE, 0,
              "a plain connection:" RAW_DELETES}},
    {.job_type = "bench_tally",
     .raw = {.workers = 2, .batch = RAW_BATCH, .is_deleted = true},
     .rate = {"drain", "no-op jobs, retention 0, 2 workers", "jobs/s", GOAL_NONE, 0,
              "two plain connections" RAW_DELETES},
     .wal = {"drain", "WAL of a job, retention 0", "bytes", GOAL_NONE, 0,
             "two plain connections" RAW_DELETES}},
};

enum { CASE_COUNT = (int)(sizeof cases / sizeof cases[0]) };

static const Figure rate_large = {
    "drain",  "  2 workers, beside larger raw batches",
    "jobs/s", GOAL_NONE,
    0,        "two plain connections claim and move the same rows, 1,024 at a time"};
static const Figure wal_in = {"drain", "WAL of a job, enqueue_many of 1,000", "bytes", GOAL_NONE,
                              0,       "insert .. select of the same rows"};
static const Figure commits = {"drain", "transactions (round trips) of 1,000 jobs",
                               "",      GOAL_NONE,
                               0,       "one for a batch of 100: finish and next claim"};

typedef struct Cost {
    double per_second;
    double wal_bytes;
} Cost;

static Cost drain_raw(PGconn *conn, const char *conninfo, int jobs, const RawDrain *drain)
{
    raw_drain_make_tables(conn);
    raw_drain_copy_jobs(conn);
    sql_run(conn, "checkpoint");
    int64_t before = load_wal_bytes(conn);
    double seconds = raw_drain_run(conninfo, drain);
    Cost cost = {.per_second = jobs / seconds,
                 .wal_bytes = (double)(load_wal_bytes(conn) - before) / jobs};
    if (sql_number(conn, "select count(*) from raw_job", NULL) != 0 ||
        sql_number(conn, "select count(*) from raw_history", NULL) !=
            (drain->is_deleted ? 0 : jobs)) {
        bench_fail("the raw drain has lost rows");
    }
    return cost;
}

// From the first start of a handler to the last end of one, as the rows tell.
static double wait_moved(PGconn *conn, int64_t sequence, int jobs)
{
    load_wait_finished(conn, sequence, jobs, TIMEOUT_MS);
    return (double)sql_number(
               conn,
               "select (extract(epoch from max(finished_at) - min(started_at)) * 1e6)::bigint"
               " from ganger.history where status = 'completed'",
               NULL) /
           1e6;
}

// The same as the handlers tell; and until the last rows are gone.
static double wait_deleted(PGconn *conn, const Tally *tally, int jobs)
{
    double seconds = tally_wait(tally, jobs, TIMEOUT_MS);
    while (sql_number(conn, "select count(*) from ganger.job", NULL) > 0) {
        bench_sleep_ms(10);
    }
    return seconds;
}

static Cost drain_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int jobs,
                         const RawDrain *drain)
{
    NodeOptions options = {.processes = drain->workers,
                           .handlers = "  echo: {plugin: noop.so}\n"
                                       "  bench_tally: {plugin: bench_tally.so}\n"};
    Tally tally = {0};
    if (drain->is_deleted) {
        options.sections = "retention: {completed: 0s}\n";
        tally_begin(&tally, bench);
    }
    sql_run(conn, "checkpoint");
    int64_t sequence = load_sequence(conn);
    int64_t before = load_wal_bytes(conn);
    node_start(bench, conninfo, &options);
    double seconds =
        drain->is_deleted ? wait_deleted(conn, &tally, jobs) : wait_moved(conn, sequence, jobs);
    int64_t after = load_wal_bytes(conn);
    node_stop();
    if (drain->is_deleted) {
        tally_end(&tally);
    }
    return (Cost){.per_second = jobs / seconds, .wal_bytes = (double)(after - before) / jobs};
}

// About PAYLOAD_BYTES of JSON as an application would write it: repetitive, but not all the same.
static char *kilobyte(void)
{
    StrBuf text = {0};
    strbuf_append(&text, ", \"items\": [");
    for (unsigned i = 0; text.length < PAYLOAD_BYTES - 60; i++) {
        unsigned number = (i + 1) * 2654435761U;
        strbuf_printf(&text, "%s{\"sku\": \"A-%05u\", \"quantity\": %u, \"price\": %u}",
                      i > 0 ? ", " : "", number % 100000, number % 7 + 1, number % 9973);
    }
    strbuf_append(&text, "]");
    return strbuf_take(&text);
}

static void load(Bench *bench, PGconn *conn, const DrainCase *one, int jobs)
{
    char *more = one->raw.is_echo ? kilobyte() : mem_strdup("");
    load_warm_lane_of(conn, one->job_type);
    raw_drain_make_tables(conn);
    sql_run(conn, "checkpoint");
    int64_t before = load_wal_bytes(conn);
    load_jobs(conn, one->job_type, more, jobs);
    int64_t loaded = load_wal_bytes(conn);
    if (one == &cases[MAIN_CASE]) {
        raw_drain_copy_jobs(conn);
        report_add(&bench->report, &wal_in, (double)(loaded - before) / jobs,
                   (double)(load_wal_bytes(conn) - loaded) / jobs);
    }
    sql_run(conn, "analyze ganger.job");
    free(more);
}

static void measure(Bench *bench, const DrainCase *one, int jobs)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    bool is_main = one == &cases[MAIN_CASE];
    load(bench, conn, one, jobs);
    Cost raw = drain_raw(conn, conninfo, jobs, &one->raw);
    RawDrain large = one->raw;
    large.batch = OUR_BATCH;
    Cost raw_large = is_main ? drain_raw(conn, conninfo, jobs, &large) : (Cost){0};
    int64_t commits_before = is_main ? load_commits() : 0;
    Cost ours = drain_ganger(bench, conn, conninfo, jobs, &one->raw);
    report_add(&bench->report, &one->rate, ours.per_second, raw.per_second);
    if (is_main) {
        report_add(&bench->report, &rate_large, ours.per_second, raw_large.per_second);
        report_add(&bench->report, &commits,
                   (double)(load_commits() - commits_before) * 1000 / jobs, 1000.0 / RAW_BATCH);
    }
    if (one->wal.name != NULL) {
        report_add(&bench->report, &one->wal, ours.wal_bytes, raw.wal_bytes);
    }
    PQfinish(conn);
    scratch_drop();
}

void scenario_drain(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        for (int j = 0; j < CASE_COUNT; j++) {
            bench_live("drain %d/%d: %s", i + 1, bench->repeats, cases[j].rate.name);
            measure(bench, &cases[j], jobs);
        }
        bench_live("drain %d/%d: buffers", i + 1, bench->repeats);
        job_cost_measure(bench);
    }
}
