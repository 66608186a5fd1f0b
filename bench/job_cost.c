// SPDX-License-Identifier: MIT
// Job cost: see the header.
#include "bench/job_cost.h"

#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"
#include "sql_queries.h"

enum { BACKLOG = 20000, BATCH = LOAD_BULK, STEPS = 3 };

#define RAW_MANY  "insert .. select of the same rows"
#define RAW_CLAIM "a plain UPDATE .. FROM (SELECT .. FOR UPDATE SKIP LOCKED)"
#define RAW_MOVE  "a plain delete-and-insert into an unpartitioned history"

static const Figure dirtied[STEPS] = {
    {"drain", "buffers dirtied by 1,000 jobs, enqueued", "", GOAL_NONE, 0, RAW_MANY},
    {"drain", "buffers dirtied by 1,000 jobs, claimed", "", GOAL_NONE, 0, RAW_CLAIM},
    {"drain", "buffers dirtied by 1,000 jobs, finished", "", GOAL_NONE, 0, RAW_MOVE}};
static const Figure touched[STEPS] = {
    {"drain", "buffers touched by a job, enqueued", "", GOAL_NONE, 0, RAW_MANY},
    {"drain", "buffers touched by a job, claimed", "", GOAL_NONE, 0, RAW_CLAIM},
    {"drain", "buffers touched by a job, finished", "", GOAL_NONE, 0, RAW_MOVE}};

typedef struct Buffers {
    double touched;
    double dirtied;
} Buffers;

// The first of its kind in EXPLAIN's JSON is that of the whole statement, with all that its functions did.
static double read_count(const char *plan, const char *name)
{
    char *key = mem_printf("\"%s\": ", name);
    const char *at = strstr(plan, key);
    if (at == NULL) {
        bench_fail("EXPLAIN says nothing of %s", name);
    }
    double count = strtod(at + strlen(key), NULL);
    free(key);
    return count;
}

// All pages are clean before, so that each dirtied one is counted once.
static Buffers run_counted(PGconn *conn, const char *execute)
{
    sql_run(conn, "checkpoint");
    char *text = mem_printf("explain (analyze, buffers, timing off, format json) %s", execute);
    char *plan = sql_text(conn, text);
    Buffers buffers = {.touched = read_count(plan, "Shared Hit Blocks") +
                                  read_count(plan, "Shared Read Blocks"),
                       .dirtied = read_count(plan, "Shared Dirtied Blocks")};
    free(plan);
    free(text);
    return buffers;
}

// Text of EXECUTE statements: `format` is given to format() of the server with the columns of `from`.
static char *make_text(PGconn *conn, const char *format, const char *columns, const char *from)
{
    char *query = mem_printf("select format($$%s$$, %s) from %s", format, columns, from);
    char *text = sql_text(conn, query);
    free(query);
    return text;
}

// One pass over the three steps; the second of two is what is reported, as the first one plans and fills caches.
static void measure_ganger(PGconn *conn, const char *worker, Buffers steps[STEPS])
{
    steps[0] = run_counted(conn, "execute our_many");
    char *claim = make_text(
        conn, "execute our_claim(%s, '{default}', '{noop}', %s, '{%s}', '{%s}', %s, '{}')", worker,
        "(select seq, lane_id from ganger.job where seq is not null and status = 'pending' order "
        "by seq limit 1) j");
    steps[1] = run_counted(conn, claim);
    free(claim);
    char *finish =
        make_text(conn, "execute our_finish('%s', '%s', null, null, null, null, null, null)",
                  "array_agg(id), array_agg(lease_id)", "ganger.job where status = 'processing'");
    steps[2] = run_counted(conn, finish);
    free(finish);
}

static void measure_raw(PGconn *conn, Buffers steps[STEPS])
{
    steps[0] = run_counted(conn, "execute raw_many");
    char *columns = mem_printf("lane_id, seq, %d", (int)BATCH);
    char *claim = make_text(
        conn, "execute claim(1, %s, %s, %s)", columns,
        "(select seq, lane_id from raw_job where seq is not null order by seq limit 1) j");
    free(columns);
    steps[1] = run_counted(conn, claim);
    free(claim);
    char *finish =
        make_text(conn, "execute finish('%s', '%s', null)", "array_agg(id), array_agg(lease_id)",
                  "raw_job where status = 'processing'");
    steps[2] = run_counted(conn, finish);
    free(finish);
}

static void prepare(PGconn *conn)
{
    char *bulk = load_bulk_text();
    char *text = mem_printf("select count(*) from ganger.enqueue_many('%s')", bulk);
    sql_prepare(conn, "our_many", text);
    free(text);
    free(bulk);
    sql_prepare(conn, "our_claim", SQL_claim_jobs.text);
    sql_prepare(conn, "our_finish", SQL_finish_completed.text);
    sql_prepare(
        conn, "raw_many",
        "insert into raw_job (id, lane_id, seq, created_at, max_attempts, priority, queue,"
        " job_type, payload) select nextval('ganger.seq'), l.lane_id, currval('ganger.seq'),"
        " now(), 3, 0, 'default', 'noop', jsonb_build_object('n', g)"
        " from generate_series(0, 999) g, (select lane_id from raw_job limit 1) l");
    raw_drain_prepare(conn, &(RawDrain){.workers = 1, .batch = BATCH});
}

void job_cost_measure(Bench *bench)
{
    PGconn *conn = sql_connect(scratch_make());
    load_warm_lane(conn);
    load_noops(conn, BACKLOG);
    raw_drain_make_tables(conn);
    raw_drain_copy_jobs(conn);
    sql_run(conn, "vacuum analyze ganger.job");
    sql_run(conn, "vacuum analyze raw_job");
    prepare(conn);
    char *id = sql_text(conn, "select ganger._register_worker(ganger._register_node('bench',"
                              " 'bench', '', 1, 1, '60 s', ''), 'default', 1, 1, false)");
    char *worker =
        mem_printf("%s, %d, lane_id, seq, (select w.link from ganger.worker w)", id, (int)BATCH);
    Buffers ours[STEPS];
    Buffers raw[STEPS];
    for (int i = 0; i < 2; i++) {
        measure_ganger(conn, worker, ours);
        measure_raw(conn, raw);
    }
    for (int i = 0; i < STEPS; i++) {
        report_add(&bench->report, &dirtied[i], ours[i].dirtied, raw[i].dirtied);
        report_add(&bench->report, &touched[i], ours[i].touched / BATCH, raw[i].touched / BATCH);
    }
    free(worker);
    free(id);
    PQfinish(conn);
    scratch_drop();
}
