// SPDX-License-Identifier: MIT
// Enqueue: what a producer pays, one by one and in bulk, beside plain inserts of the same rows.
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/clients.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"

#define RAW_ONE  "plain one-row insert, a commit each"
#define WAKE_OFF "the same while the node is not told of them"

static const Figure one = {
    "enqueue", "one client, a call and a commit each", "jobs/s", GOAL_RATIO_AT_LEAST, 0.8, RAW_ONE};
static const Figure open_ended = {"enqueue", "one client, in one transaction",
                                  "jobs/s",  GOAL_NONE,
                                  0,         "plain one-row inserts in one transaction"};
static const Figure many = {"enqueue", "enqueue_many of 1,000",
                            "jobs/s",  GOAL_RATIO_AT_LEAST,
                            0.5,       "insert of 1,000 rows of values"};
static const Figure eight = {"enqueue", "8 clients, a call and a commit each",
                             "jobs/s",  GOAL_NONE,
                             0,         "8 clients: " RAW_ONE};
static const Figure woken = {
    "enqueue", "8 clients, idle workers run them", "jobs/s", GOAL_RATIO_AT_LEAST, 0.9, WAKE_OFF};
static const Figure unserved = {"enqueue", "8 clients, idle workers of another queue",
                                "jobs/s",  GOAL_RATIO_AT_LEAST,
                                0.9,       WAKE_OFF};

static const char raw_columns[] =
    "insert into raw_job (id, lane_id, seq, created_at, max_attempts, priority, queue, job_type,"
    " payload) values ";

// Slices of each side take turns, so that a slow second of the machine meets both.
enum {
    SLICES = 10,
    OPEN_CALLS = 500,
    CLIENTS = 8,
    CLIENT_SLICES = 4,
    WAKE_SLICES = 2,
    PROCESSES = 2
};

static const char enqueue_one[] = "select ganger.enqueue('noop', '{\"n\": 1}')";
static const char enqueue_elsewhere[] =
    "select ganger.enqueue('noop', '{\"n\": 1}', queue => 'elsewhere')";

typedef struct Side {
    const char *begin; // of a round; NULL = none
    const char *statement;
    const char *end;
    int calls; // in a round
    int rows;  // in a call
} Side;

static double measure(PGconn *conn, const Side *side, double seconds)
{
    int64_t start = bench_now_ns();
    int64_t until = start + (int64_t)(seconds * 1e9);
    int64_t rows = 0;
    while (bench_now_ns() < until) {
        if (side->begin != NULL) {
            sql_run(conn, side->begin);
        }
        for (int i = 0; i < side->calls; i++) {
            PQclear(sql_execute(conn, side->statement, 0, NULL));
        }
        if (side->end != NULL) {
            sql_run(conn, side->end);
        }
        rows += (int64_t)side->calls * side->rows;
    }
    return (double)rows / ((double)(bench_now_ns() - start) / 1e9);
}

static void compare(Bench *bench, PGconn *conn, const Figure *figure, const Side *ours,
                    const Side *raw)
{
    double our_sum = 0;
    double raw_sum = 0;
    double slice = (double)bench->seconds / 2 / SLICES;
    sql_run(conn, "checkpoint");
    for (int i = 0; i < SLICES; i++) {
        bench_live("enqueue: %s", figure->name);
        our_sum += measure(conn, ours, slice);
        raw_sum += measure(conn, raw, slice);
    }
    report_add(&bench->report, figure, our_sum / SLICES, raw_sum / SLICES);
}

static void prepare_many(PGconn *conn)
{
    char *bulk = load_bulk_text();
    char *text = mem_printf("select count(*) from ganger.enqueue_many('%s')", bulk);
    sql_prepare(conn, "many", text);
    free(text);
    free(bulk);
    StrBuf insert = {0};
    strbuf_append(&insert, raw_columns);
    for (int i = 0; i < LOAD_BULK; i++) {
        strbuf_printf(&insert,
                      "%s(nextval('raw_seq'), 42, currval('raw_seq'), now(), 3, 0, 'default',"
                      " 'noop', '{\"n\": %d}')",
                      i > 0 ? ", " : "", i);
    }
    sql_prepare(conn, "raw_many", insert.text);
    strbuf_free(&insert);
}

// A row of the node says that it is idle, which is what has enqueuers tell it. The switch keeps that from becoming true, and remembers what
// the node wants it to say.
static void make_switch(PGconn *conn)
{
    sql_run(conn, "create table bench_switch (is_off boolean, is_idle boolean);"
                  "insert into bench_switch values (false, false);"
                  "create or replace function ganger._set_idle(node bigint, idle boolean)"
                  " returns void language sql as $$"
                  " update public.bench_switch set is_idle = $2;"
                  " update ganger.node n set idle = $2 and not s.is_off from public.bench_switch s"
                  " where n.id = $1 and n.state = 'alive' $$");
}

static void set_wake_up(PGconn *conn, bool is_on)
{
    while (sql_number(conn, "select count(*) from ganger.job where queue = 'default'", NULL) > 0) {
        node_check();
        bench_sleep_ms(20);
    }
    sql_run(conn, is_on ? "update bench_switch set is_off = false"
                        : "update bench_switch set is_off = true");
    sql_run(conn,
            "update ganger.node set idle = s.is_idle from bench_switch s where state = 'alive'");
}

// Each slice starts when all jobs have run and the workers are idle, and is long beside the poll of a node that is not told: so that
// it, too, runs its jobs while more come.
static void compare_wake_up(Bench *bench, PGconn *conn, const char *conninfo, const Figure *figure,
                            const char *statement)
{
    double sums[2] = {0, 0};
    double slice = bench->seconds;
    sql_run(conn, "checkpoint");
    for (int i = 0; i < WAKE_SLICES * 2; i++) {
        bench_live("enqueue: %s", figure->name);
        set_wake_up(conn, i % 2 == 0);
        sums[i % 2] += clients_run(conninfo, statement, CLIENTS, slice);
    }
    report_add(&bench->report, figure, sums[0] / WAKE_SLICES, sums[1] / WAKE_SLICES);
}

static void compare_plain(Bench *bench, PGconn *conn, const char *conninfo, const char *insert)
{
    double ours = 0;
    double raw = 0;
    double slice = (double)bench->seconds / CLIENT_SLICES;
    sql_run(conn, "checkpoint");
    for (int i = 0; i < CLIENT_SLICES; i++) {
        bench_live("enqueue: %s", eight.name);
        ours += clients_run(conninfo, enqueue_one, CLIENTS, slice);
        raw += clients_run(conninfo, insert, CLIENTS, slice);
    }
    report_add(&bench->report, &eight, ours / CLIENT_SLICES, raw / CLIENT_SLICES);
}

static void repeat_clients(Bench *bench, const char *insert)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    load_warm_lane(conn);
    raw_drain_make_tables(conn);
    sql_run(conn, "create sequence raw_seq");
    compare_plain(bench, conn, conninfo, insert);
    sql_run(conn, "truncate ganger.job");
    make_switch(conn);
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    node_wait_idle(conn, PROCESSES);
    compare_wake_up(bench, conn, conninfo, &woken, enqueue_one);
    compare_wake_up(bench, conn, conninfo, &unserved, enqueue_elsewhere);
    node_stop();
    PQfinish(conn);
    scratch_drop();
}

static void repeat(Bench *bench)
{
    PGconn *conn = sql_connect(scratch_make());
    load_warm_lane(conn);
    raw_drain_make_tables(conn);
    sql_run(conn, "create sequence raw_seq");
    sql_prepare(conn, "one", enqueue_one);
    char *insert = mem_printf("%s(nextval('raw_seq'), 42, currval('raw_seq'), now(), 3, 0,"
                              " 'default', 'noop', '{\"n\": 1}')",
                              raw_columns);
    sql_prepare(conn, "raw_one", insert);
    prepare_many(conn);
    compare(bench, conn, &one, &(Side){.statement = "one", .calls = 1, .rows = 1},
            &(Side){.statement = "raw_one", .calls = 1, .rows = 1});
    compare(bench, conn, &open_ended, &(Side){"begin", "one", "commit", OPEN_CALLS, 1},
            &(Side){"begin", "raw_one", "commit", OPEN_CALLS, 1});
    compare(bench, conn, &many, &(Side){.statement = "many", .calls = 1, .rows = LOAD_BULK},
            &(Side){.statement = "raw_many", .calls = 1, .rows = LOAD_BULK});
    PQfinish(conn);
    scratch_drop();
    repeat_clients(bench, insert);
    free(insert);
}

void scenario_enqueue(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        repeat(bench);
    }
}
