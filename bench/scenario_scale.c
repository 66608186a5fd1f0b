// SPDX-License-Identifier: MIT
// Scale: the same workers on one, two and four nodes of one database; and two claimers on queues of their own.
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/span.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum { JOBS = 200000, WORKERS = 4, TIMEOUT_MS = 120000, SAMPLE_MS = 2 };

#define ONE_ABOUT "the same 4 workers on one node"

static const Figure two = {
    "scale", "no-op jobs, 2 nodes of 2 workers", "jobs/s", GOAL_RATIO_AT_LEAST, 0.9, ONE_ABOUT};
static const Figure four = {
    "scale", "no-op jobs, 4 nodes of 1 worker", "jobs/s", GOAL_RATIO_AT_LEAST, 0.9, ONE_ABOUT};
static const Figure apart = {"scale",  "2 workers, each on its own queue",
                             "jobs/s", GOAL_RATIO_AT_LEAST,
                             1,        "one worker on one of these queues"};
// Whoever writes into one table waits for it to grow, in turn and for a moment: PostgreSQL's own, and counted apart.
static const Figure waits = {
    "scale", "  sessions seen waiting for another's lock", "", GOAL_AT_MOST, 0, NULL};
static const Figure extensions = {
    "scale", "  sessions seen waiting for a table to grow", "", GOAL_NONE, 0, NULL};

typedef struct Seen {
    double waits;
    double extensions;
} Seen;

// Looks every SAMPLE_MS who waits for a heavyweight lock.
static void run_sampler(const HelperSide *side, void *data)
{
    PGconn *conn = sql_connect(data);
    sql_prepare(
        conn, "look",
        "insert into bench_wait select wait_event from pg_stat_activity where "
        "datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()");
    helper_ready(side);
    while (!helper_is_told(side)) {
        PQclear(sql_execute(conn, "look", 0, NULL));
        bench_sleep_ms(SAMPLE_MS);
    }
    PQfinish(conn);
}

static const char *const queues[] = {"left", "right"};

// Everything is in place before the first job may start: nodes, workers, jobs.
static PGconn *prepare(const char **conninfo, const char *const names[], int count, int jobs)
{
    *conninfo = scratch_make();
    PGconn *conn = sql_connect(*conninfo);
    sql_run(conn, "create table bench_wait (event text)");
    for (int i = 0; i < count; i++) {
        (void)sql_number(conn, "select ganger.pause_queue($1)::int", names[i], NULL);
        load_of_type(conn, "noop", names[i], jobs / count);
    }
    sql_run(conn, "select ganger.maintain()");
    sql_run(conn, "analyze ganger.job");
    sql_run(conn, "checkpoint");
    return conn;
}

static double drain(PGconn *conn, const char *conninfo, const char *const names[], int count,
                    int jobs, Seen *seen)
{
    char *copy = mem_strdup(conninfo);
    Helper sampler;
    helper_start(&sampler, run_sampler, copy);
    helper_wait_ready(&sampler);
    const int64_t before = load_sequence(conn);
    for (int i = 0; i < count; i++) {
        (void)sql_number(conn, "select ganger.resume_queue($1)::int", names[i], NULL);
    }
    load_wait_finished(conn, before, jobs, TIMEOUT_MS);
    helper_join(&sampler);
    free(copy);
    node_stop();
    seen->waits =
        (double)sql_number(conn, "select count(*) from bench_wait where event <> 'extend'", NULL);
    seen->extensions =
        (double)sql_number(conn, "select count(*) from bench_wait where event = 'extend'", NULL);
    const double seconds = span_run_seconds(conn, 0);
    PQfinish(conn);
    scratch_drop();
    return jobs / seconds;
}

static double drain_with_nodes(const Bench *bench, int nodes, int jobs)
{
    static const char *const only[] = {"default"};
    const char *conninfo = NULL;
    Seen seen = {0};
    PGconn *conn = prepare(&conninfo, only, 1, jobs);
    for (int i = 0; i < nodes; i++) {
        node_start(bench, conninfo, &(NodeOptions){.processes = WORKERS / nodes});
    }
    node_wait_idle(conn, WORKERS);
    return drain(conn, conninfo, only, 1, jobs, &seen);
}

// One worker for each of the first `count` queues.
static double drain_queues(const Bench *bench, int count, int jobs, Seen *seen)
{
    StrBuf pools = {0};
    const char *conninfo = NULL;
    PGconn *conn = prepare(&conninfo, queues, count, jobs);
    for (int i = 0; i < count; i++) {
        strbuf_printf(&pools, "  %s: {processes: 1, queues: [%s]}\n", queues[i], queues[i]);
    }
    node_start(bench, conninfo, &(NodeOptions){.processes = count, .pools = pools.text});
    strbuf_free(&pools);
    node_wait_idle(conn, count);
    return drain(conn, conninfo, queues, count, jobs, seen);
}

void scenario_scale(Bench *bench)
{
    const int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("scale %d/%d: one node", i + 1, bench->repeats);
        const double one = drain_with_nodes(bench, 1, jobs);
        bench_live("scale %d/%d: two nodes", i + 1, bench->repeats);
        report_add(&bench->report, &two, drain_with_nodes(bench, 2, jobs), one);
        bench_live("scale %d/%d: four nodes", i + 1, bench->repeats);
        report_add(&bench->report, &four, drain_with_nodes(bench, 4, jobs), one);
        bench_live("scale %d/%d: queues", i + 1, bench->repeats);
        Seen seen = {0};
        const double alone = drain_queues(bench, 1, jobs / 2, &seen);
        report_add(&bench->report, &apart, drain_queues(bench, 2, jobs, &seen), alone);
        report_add(&bench->report, &waits, seen.waits, 0);
        report_add(&bench->report, &extensions, seen.extensions, 0);
    }
}
