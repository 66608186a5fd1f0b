// SPDX-License-Identifier: MIT
// Snapshot: throughput of jobs that keep coming, while a session holds a snapshot and a transaction id.
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/pace.h"
#include "bench/scratch.h"
#include "bench/sql.h"

// Jobs are looked at in stretches. The first is warming up, and belongs to no rate.
enum {
    JOBS = 1000000,
    STRETCHES = 50,
    TENTH = STRETCHES / 10,
    BACKLOG_MAX = 10000,
    PROCESSES = 2,
    TIMEOUT_MS = 240000
};

#define WITHOUT "the same without the snapshot"

static const Figure held = {"snapshot", "no-op jobs enqueued and run, held", "jobs/s", GOAL_NONE, 0,
                            WITHOUT};
static const Figure held_late = {
    "snapshot", "  the last tenth of them", "jobs/s", GOAL_RATIO_AT_LEAST, 0.7, WITHOUT};
static const Figure held_flat = {"snapshot", "  the last tenth beside the first",
                                 "jobs/s",   GOAL_RATIO_AT_LEAST,
                                 0.9,        "the first tenth, held"};
static const Figure free_flat = {
    "snapshot", "  the same without the snapshot", "jobs/s", GOAL_NONE, 0, "the first tenth"};
static const Figure job_size = {
    "snapshot", "table of live jobs with its indexes, held", "B/job", GOAL_NONE, 0, WITHOUT};
static const Figure job_dead = {"snapshot", "  dead rows of a job in it", "", GOAL_NONE, 0,
                                WITHOUT};
static const Figure history_size = {
    "snapshot", "history with its indexes, held", "B/job", GOAL_NONE, 0, WITHOUT};
static const CurveLabels curve_labels = {"snapshot", "Throughput while a session holds a snapshot",
                                         "jobs run", "jobs/s", false};

typedef struct Outcome {
    Pace pace;
    double job_bytes;
    double job_dead;
    double history_bytes;
} Outcome;

typedef struct Producer {
    const char *conninfo;
    int jobs;
} Producer;

// Each job takes one number of the sequence when it comes and one when it ends, so the backlog costs nothing to know.
static void run_producer(const HelperSide *side, void *data)
{
    const Producer *producer = data;
    PGconn *conn = sql_connect(producer->conninfo);
    char *bulk = load_bulk_text();
    const char *const values[] = {bulk};
    sql_prepare(conn, "many", "select count(*) from ganger.enqueue_many($1::jsonb)");
    int64_t first = load_sequence(conn);
    helper_ready(side);
    for (int done = 0; done < producer->jobs;) {
        int64_t finished = load_sequence(conn) - first - done;
        if (done - finished > BACKLOG_MAX) {
            bench_sleep_ms(2);
            continue;
        }
        PQclear(sql_execute(conn, "many", 1, values));
        done += LOAD_BULK;
    }
    free(bulk);
    PQfinish(conn);
}

static void read_outcome(PGconn *conn, int64_t sequence, int jobs, Outcome *outcome)
{
    pace_read(conn, sequence, jobs / STRETCHES, &outcome->pace);
    double ended = (double)sql_number(conn, "select count(*) from ganger.history", NULL);
    outcome->job_bytes =
        (double)sql_number(conn, "select pg_total_relation_size('ganger.job')", NULL) / ended;
    outcome->job_dead =
        (double)sql_number(
            conn, "select n_dead_tup from pg_stat_user_tables where relid = 'ganger.job'::regclass",
            NULL) /
        ended;
    outcome->history_bytes = (double)sql_number(conn,
                                                "select sum(pg_total_relation_size(relid))::bigint"
                                                " from pg_partition_tree('ganger.history')",
                                                NULL) /
                             ended;
}

// The producer goes on beyond the jobs that are looked at, so that the last of them run beside it, too.
static void measure(const Bench *bench, bool is_held, int jobs, Outcome *outcome)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    PGconn *holder = sql_connect(conninfo);
    load_warm_lane(conn);
    if (is_held) {
        sql_run(holder, "begin isolation level repeatable read;"
                        "select txid_current(), (select count(*) from ganger.job)");
    }
    int64_t sequence = load_sequence(conn);
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    Helper helper;
    int produced = jobs + 2 * BACKLOG_MAX;
    helper_start(&helper, run_producer, &(Producer){.conninfo = conninfo, .jobs = produced});
    helper_join(&helper);
    load_wait_finished(conn, sequence + produced, produced, TIMEOUT_MS);
    node_stop();
    read_outcome(conn, sequence, jobs, outcome);
    PQfinish(holder);
    PQfinish(conn);
    scratch_drop();
}

static void add_curve(Report *report, const char *series, const Pace *pace)
{
    Curve *curve = report_curve(report, &curve_labels);
    for (int i = 1; i <= STRETCHES; i++) {
        curve_add(curve, series, (double)i * pace->step, pace_rate(pace, i - 1, i));
    }
}

static double first_tenth(const Pace *pace)
{
    return pace_rate(pace, 1, 1 + TENTH);
}

static double last_tenth(const Pace *pace)
{
    return pace_rate(pace, STRETCHES - TENTH, STRETCHES);
}

static void add_figures(Report *report, const Outcome *with, const Outcome *without)
{
    report_add(report, &held, pace_rate(&with->pace, 1, STRETCHES),
               pace_rate(&without->pace, 1, STRETCHES));
    report_add(report, &held_late, last_tenth(&with->pace), last_tenth(&without->pace));
    report_add(report, &held_flat, last_tenth(&with->pace), first_tenth(&with->pace));
    report_add(report, &free_flat, last_tenth(&without->pace), first_tenth(&without->pace));
    report_add(report, &job_size, with->job_bytes, without->job_bytes);
    report_add(report, &job_dead, with->job_dead, without->job_dead);
    report_add(report, &history_size, with->history_bytes, without->history_bytes);
    add_curve(report, "without", &without->pace);
    add_curve(report, "snapshot held", &with->pace);
}

void scenario_snapshot(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        Outcome without = {0};
        Outcome with = {0};
        bench_live("snapshot %d/%d: without", i + 1, bench->repeats);
        measure(bench, false, jobs, &without);
        bench_live("snapshot %d/%d: held", i + 1, bench->repeats);
        measure(bench, true, jobs, &with);
        add_figures(&bench->report, &with, &without);
    }
}
