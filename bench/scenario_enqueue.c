// SPDX-License-Identifier: MIT
// Enqueue: what a producer pays, one by one and in bulk, beside plain inserts of the same rows.
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"

static const Figure one = {"enqueue", "one client, a call and a commit each", "jobs/s", GOAL_NONE,
                           0,         "plain one-row insert, a commit each"};
static const Figure open_ended = {"enqueue", "one client, in one transaction",
                                  "jobs/s",  GOAL_NONE,
                                  0,         "plain one-row inserts in one transaction"};
static const Figure many = {"enqueue", "enqueue_many of 1,000",         "jobs/s", GOAL_NONE,
                            0,         "insert of 1,000 rows of values"};

static const char raw_columns[] =
    "insert into raw_job (id, lane_id, seq, created_at, max_attempts, priority, queue, job_type,"
    " payload) values ";

// Slices of each side take turns, so that a slow second of the machine meets both.
enum { SLICES = 10, OPEN_CALLS = 500 };

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

static void repeat(Bench *bench)
{
    PGconn *conn = sql_connect(scratch_make());
    load_warm_lane(conn);
    raw_drain_make_tables(conn);
    sql_run(conn, "create sequence raw_seq");
    sql_prepare(conn, "one", "select ganger.enqueue('noop', '{\"n\": 1}')");
    char *insert = mem_printf("%s(nextval('raw_seq'), 42, currval('raw_seq'), now(), 3, 0,"
                              " 'default', 'noop', '{\"n\": 1}')",
                              raw_columns);
    sql_prepare(conn, "raw_one", insert);
    free(insert);
    prepare_many(conn);
    compare(bench, conn, &one, &(Side){.statement = "one", .calls = 1, .rows = 1},
            &(Side){.statement = "raw_one", .calls = 1, .rows = 1});
    compare(bench, conn, &open_ended, &(Side){"begin", "one", "commit", OPEN_CALLS, 1},
            &(Side){"begin", "raw_one", "commit", OPEN_CALLS, 1});
    compare(bench, conn, &many, &(Side){.statement = "many", .calls = 1, .rows = LOAD_BULK},
            &(Side){.statement = "raw_many", .calls = 1, .rows = LOAD_BULK});
    PQfinish(conn);
    scratch_drop();
}

void scenario_enqueue(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        repeat(bench);
    }
}
