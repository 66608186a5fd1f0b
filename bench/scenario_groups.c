// SPDX-License-Identifier: MIT
// Groups: how fast two workers run no-op jobs of many groups, one of a group at a time, beside the same jobs without groups.
#include <stdio.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/sql.h"

enum { JOBS = 10000, JOBS_OF_A_GROUP = 10, TIMEOUT_MS = 120000, PROCESSES = 2 };

#define PLAIN_ABOUT "the same jobs without groups"

static const Figure rate = {"groups", "no-op jobs of 1,000 groups, limit 1",
                            "jobs/s", GOAL_RATIO_AT_LEAST,
                            0.5,      PLAIN_ABOUT};
static const Figure wal = {"groups",   "WAL of a job, claim to finish", "bytes", GOAL_NONE, 0,
                           PLAIN_ABOUT};
static const Figure wal_in = {
    "groups", "WAL of a job, enqueue_many of 1,000", "bytes", GOAL_NONE, 0, PLAIN_ABOUT};

typedef struct Cost {
    double per_second;
    double wal_bytes;
    double wal_in_bytes;
} Cost;

// Jobs of a group stand apart in the backlog, as those of many customers do.
static void load(PGconn *conn, int jobs, bool is_grouped)
{
    char groups[16];
    snprintf(groups, sizeof groups, "%d", is_grouped ? jobs / JOBS_OF_A_GROUP : 0);
    const char *const values[] = {groups};
    sql_prepare(
        conn, "load_groups",
        "select count(*) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object("
        "'job_type', 'noop', 'payload', jsonb_build_object('n', i)) || case when $1::int > 0 then "
        "jsonb_build_object('group_key', 'customer ' || nextval('bench_groups') % $1::int) "
        "else '{}' end) from generate_series(1, 1000) i))");
    for (int done = 0; done < jobs; done += LOAD_BULK) {
        PQclear(sql_execute(conn, "load_groups", 1, values));
    }
    sql_run(conn, "deallocate load_groups");
}

// From the first start of a handler to the last end of one, as the rows tell.
static Cost drain(const Bench *bench, int jobs, bool is_grouped)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    load_warm_lane(conn);
    sql_run(conn, "create sequence bench_groups");
    sql_run(conn, "select ganger.set_queue('default', group_concurrency => 1)");
    sql_run(conn, "checkpoint");
    const int64_t empty = load_wal_bytes(conn);
    load(conn, jobs, is_grouped);
    const int64_t loaded = load_wal_bytes(conn);
    sql_run(conn, "analyze ganger.job");
    sql_run(conn, "checkpoint");
    const int64_t sequence = load_sequence(conn);
    const int64_t before = load_wal_bytes(conn);
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    load_wait_finished(conn, sequence, jobs, TIMEOUT_MS);
    const int64_t after = load_wal_bytes(conn);
    node_stop();
    const int64_t took_us =
        sql_number(conn,
                   "select (extract(epoch from max(finished_at) - min(started_at)) * 1e6)::bigint"
                   " from ganger.history where status = 'completed'",
                   NULL);
    if (sql_number(conn,
                   "select count(*) from (select started_at < lag(finished_at) over (partition by "
                   "group_key order by started_at) as is_early from ganger.history where group_key "
                   "is not null) x where is_early",
                   NULL) != 0) {
        bench_fail("two jobs of a group ran at once");
    }
    PQfinish(conn);
    scratch_drop();
    return (Cost){.per_second = jobs / ((double)took_us / 1e6),
                  .wal_bytes = (double)(after - before) / jobs,
                  .wal_in_bytes = (double)(loaded - empty) / jobs};
}

void scenario_groups(Bench *bench)
{
    const int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("groups %d/%d: without", i + 1, bench->repeats);
        const Cost plain = drain(bench, jobs, false);
        bench_live("groups %d/%d: %d jobs", i + 1, bench->repeats, jobs);
        const Cost grouped = drain(bench, jobs, true);
        report_add(&bench->report, &rate, grouped.per_second, plain.per_second);
        report_add(&bench->report, &wal, grouped.wal_bytes, plain.wal_bytes);
        report_add(&bench->report, &wal_in, grouped.wal_in_bytes, plain.wal_in_bytes);
    }
}
