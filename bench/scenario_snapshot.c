// SPDX-License-Identifier: MIT
// Snapshot: throughput of jobs that keep coming, while a session holds a snapshot and a transaction id.
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/sql.h"

enum { JOBS = 300000, BACKLOG_MAX = 10000, PROCESSES = 2, TIMEOUT_MS = 240000 };

static const Figure held = {"snapshot", "no-op jobs enqueued and run, held", "jobs/s", GOAL_NONE,
                            0,          "the same without the snapshot"};
static const Figure held_thirds = {"snapshot", "last third / first third, held", "x", GOAL_NONE,
                                   0,          "the same without the snapshot"};

typedef struct Rates {
    double all;
    double last_to_first;
} Rates;

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

static Rates read_rates(PGconn *conn)
{
    static const char text[] =
        "with o as (select finished_at, ntile(3) over (order by finished_at) as third"
        " from ganger.history where status = 'completed'), t as ("
        " select third, count(*) / extract(epoch from max(finished_at) - min(finished_at)) as rate"
        " from o group by third) select 'x', (select count(*) /"
        " extract(epoch from max(finished_at) - min(finished_at)) from o)::float8,"
        " ((select rate from t where third = 3) / (select rate from t where third = 1))::float8";
    PGresult *result = PQexec(conn, text);
    sql_check(conn, result, text);
    Rates rates = {.all = strtod(PQgetvalue(result, 0, 1), NULL),
                   .last_to_first = strtod(PQgetvalue(result, 0, 2), NULL)};
    PQclear(result);
    return rates;
}

static Rates measure(const Bench *bench, bool is_held, int jobs)
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
    helper_start(&helper, run_producer, &(Producer){.conninfo = conninfo, .jobs = jobs});
    helper_join(&helper);
    load_wait_finished(conn, sequence + jobs, jobs, TIMEOUT_MS);
    node_stop();
    Rates rates = read_rates(conn);
    PQfinish(holder);
    PQfinish(conn);
    scratch_drop();
    return rates;
}

void scenario_snapshot(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("snapshot %d/%d", i + 1, bench->repeats);
        Rates without = measure(bench, false, jobs);
        Rates with = measure(bench, true, jobs);
        report_add(&bench->report, &held, with.all, without.all);
        report_add(&bench->report, &held_thirds, with.last_to_first, without.last_to_first);
    }
}
