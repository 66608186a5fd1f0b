// SPDX-License-Identifier: MIT
// Sql: how fast two workers run an SQL function, each call in a transaction with its job's end, beside plain connections that call it.
#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/span.h"
#include "bench/sql.h"

enum { JOBS = 4000, WARM_JOBS = 20, TIMEOUT_MS = 120000, PROCESSES = 2 };

static const Figure rate = {"sql",    "an insert and an update, 2 workers",
                            "jobs/s", GOAL_RATIO_AT_LEAST,
                            0.6,      "two connections: select function(), commit"};

// What a small handler does: a row written, a row changed; no two calls meet in a row.
static const char make_function[] =
    "create table bench_orders (id bigint primary key, total numeric not null);"
    "insert into bench_orders select i, 0 from generate_series(0, 9999) i;"
    "create table bench_lines (id bigserial primary key, order_id bigint not null, at timestamptz "
    "not null);"
    "create sequence bench_next cache 100;"
    "create function bench_bill(payload jsonb, job ganger.jobs) returns jsonb language plpgsql as "
    "$f$ "
    "declare n bigint := nextval('bench_next') % 10000; begin "
    "insert into bench_lines (order_id, at) values (n, clock_timestamp()); "
    "update bench_orders set total = total + 1 where id = n; "
    "return null; end $f$";

typedef struct Caller {
    const char *conninfo;
    int calls;
} Caller;

static void run_caller(const HelperSide *side, void *data)
{
    const Caller *caller = data;
    PGconn *conn = sql_connect(caller->conninfo);
    sql_prepare(conn, "call", "select bench_bill('{}', null)");
    PQclear(sql_execute(conn, "call", 0, NULL));
    helper_ready(side);
    helper_wait_go(side);
    for (int i = 0; i < caller->calls; i++) {
        PQclear(sql_execute(conn, "call", 0, NULL));
    }
    PQfinish(conn);
}

static double measure_raw(const char *conninfo, int jobs)
{
    Helper helpers[PROCESSES];
    Caller caller = {.conninfo = conninfo, .calls = jobs / PROCESSES};
    for (int i = 0; i < PROCESSES; i++) {
        helper_start(&helpers[i], run_caller, &caller);
        helper_wait_ready(&helpers[i]);
    }
    return jobs / helpers_run(helpers, PROCESSES);
}

static double measure_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int jobs)
{
    node_start(bench, conninfo,
               &(NodeOptions){.processes = PROCESSES,
                              .handlers = "  bench_bill: {sql: public.bench_bill}\n"});
    node_wait_idle(conn, PROCESSES);
    load_of_type(conn, "bench_bill", NULL, WARM_JOBS);
    load_wait_completed(conn, WARM_JOBS, TIMEOUT_MS);
    const int64_t after = load_sequence(conn);
    load_of_type(conn, "bench_bill", NULL, jobs);
    load_wait_completed(conn, WARM_JOBS + jobs, TIMEOUT_MS);
    node_stop();
    return jobs / span_run_seconds(conn, after);
}

void scenario_sql(Bench *bench)
{
    const int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("sql %d/%d", i + 1, bench->repeats);
        const char *conninfo = scratch_make();
        PGconn *conn = sql_connect(conninfo);
        sql_run(conn, make_function);
        sql_run(conn, "vacuum analyze bench_orders");
        sql_run(conn, "checkpoint");
        const double raw = measure_raw(conninfo, jobs);
        sql_run(conn, "checkpoint");
        report_add(&bench->report, &rate, measure_ganger(bench, conn, conninfo, jobs), raw);
        PQfinish(conn);
        scratch_drop();
    }
}
