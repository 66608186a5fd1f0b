// SPDX-License-Identifier: MIT
// Raw drain: see the header.
#include "bench/raw_drain.h"

#include <stdlib.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/sql.h"
#include "common/base/memory.h"

// Claims start where this connection's last one ended: without that each would walk over the dead entries of all before.
static const char claim_text[] =
    "update raw_job j set status = 'processing', seq = null, lease_id = gen_random_uuid(),"
    " started_at = clock_timestamp(), attempts = j.attempts + 1, worker_id = $1::bigint"
    " from (select c.ctid as row_ctid, c.seq from raw_job c"
    "       where c.lane_id = $2::bigint and c.seq >= $3::bigint"
    "       order by c.seq limit $4::int for update skip locked) p"
    " where j.ctid = p.row_ctid"
    " returning j.id, j.lease_id, j.job_type, j.payload, j.attempts, j.max_attempts, j.queue,"
    " j.priority, j.timeout, j.kill_grace, j.tags, j.owner, j.metadata, j.lane_id, p.seq";

// What each of them is given: ids, leases, outputs (null: none).
#define GIVEN                                                                                      \
    " using unnest($1::bigint[], $2::uuid[], $3::text[]) g (id, lease, given)"                     \
    " where j.id = g.id and j.lease_id = g.lease"

static const char move_text[] =
    "with gone as (delete from raw_job j" GIVEN " returning j.*, g.given)"
    " insert into raw_history (id, finish_id, created_at, run_at, started_at, finished_at,"
    " lease_id, worker_id, max_attempts, attempts, status, priority, crashes, queue, job_type,"
    " payload, output)"
    " select id, id, created_at, run_at, started_at, clock_timestamp(), lease_id, worker_id,"
    " max_attempts, attempts, 'completed', priority, crashes, queue, job_type, payload,"
    " given::jsonb from gone";

static const char delete_text[] = "delete from raw_job j" GIVEN;

typedef struct RawWorker {
    const char *conninfo;
    int number;
    const RawDrain *drain;
} RawWorker;

typedef struct Batch {
    int count;
    StrBuf ids;
    StrBuf leases;
    StrBuf outputs;
    int64_t next_seq;
} Batch;

void raw_drain_make_tables(PGconn *conn)
{
    sql_run(conn, "drop table if exists raw_job, raw_history;"
                  "create table raw_job (like ganger.job, primary key (id))"
                  " with (autovacuum_vacuum_scale_factor = 0.02,"
                  " autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);"
                  "alter table raw_job alter attempts set default 0, alter crashes set default 0,"
                  " alter status set default 'pending';"
                  "create index raw_job_claim on raw_job (lane_id, seq) where seq is not null;"
                  "create table raw_history (like ganger.history);"
                  "create index raw_history_id on raw_history (id)");
}

void raw_drain_copy_jobs(PGconn *conn)
{
    sql_run(conn,
            "insert into raw_job select * from ganger.job where seq is not null order by seq");
    sql_run(conn, "analyze raw_job");
}

void raw_drain_fill(PGconn *conn, int jobs)
{
    char text[320];
    (void)snprintf(
        text, sizeof text,
        "insert into raw_job (id, lane_id, seq, created_at, max_attempts, priority, queue,"
        " job_type, payload) select i, 42, i, now(), 3, 0, 'default', 'noop',"
        " jsonb_build_object('n', i) from generate_series(1, %d) i",
        jobs);
    sql_run(conn, text);
    sql_run(conn, "analyze raw_job");
}

static void send(PGconn *conn, const char *name, int count, const char *const *values)
{
    if (PQsendQueryPrepared(conn, name, count, values, NULL, NULL, 0) == 0) {
        bench_fail("raw drain: %s", PQerrorMessage(conn));
    }
}

// The result of the next statement of the pipeline, or of its end.
static PGresult *next_result(PGconn *conn)
{
    PGresult *result = PQgetResult(conn);
    if (result == NULL) {
        result = PQgetResult(conn);
    }
    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
        sql_check(conn, result, "raw drain");
    }
    return result;
}

// jsonb's own text has no control characters, so these two are all an array's text must escape.
static void append_quoted(StrBuf *array, const char *text)
{
    strbuf_append_char(array, '"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            strbuf_append_char(array, '\\');
        }
        strbuf_append_char(array, *c);
    }
    strbuf_append_char(array, '"');
}

static void read_batch(Batch *batch, const PGresult *claimed, bool is_echo)
{
    batch->count = PQntuples(claimed);
    strbuf_clear(&batch->ids);
    strbuf_clear(&batch->leases);
    strbuf_clear(&batch->outputs);
    for (int i = 0; i < batch->count; i++) {
        const char *before = i == 0 ? "{" : ",";
        strbuf_printf(&batch->ids, "%s%s", before, PQgetvalue(claimed, i, 0));
        strbuf_printf(&batch->leases, "%s%s", before, PQgetvalue(claimed, i, 1));
        if (is_echo) {
            strbuf_append(&batch->outputs, before);
            append_quoted(&batch->outputs, PQgetvalue(claimed, i, 3));
        }
        int64_t seq = (int64_t)strtoll(PQgetvalue(claimed, i, 14), NULL, 10);
        batch->next_seq = seq >= batch->next_seq ? seq + 1 : batch->next_seq;
    }
    strbuf_append(&batch->ids, "}");
    strbuf_append(&batch->leases, "}");
    strbuf_append(&batch->outputs, "}");
}

// Finish and next claim: one transaction, one round trip.
static bool exchange(PGconn *conn, Batch *batch, const char *fixed[3], bool is_echo)
{
    char from[24];
    (void)snprintf(from, sizeof from, "%lld", (long long)batch->next_seq);
    const char *const finished[] = {batch->ids.text, batch->leases.text,
                                    is_echo ? batch->outputs.text : NULL};
    const char *const wanted[] = {fixed[0], fixed[1], from, fixed[2]};
    bool is_finishing = batch->count > 0;
    if (is_finishing) {
        send(conn, "finish", 3, finished);
    }
    send(conn, "claim", 4, wanted);
    if (PQpipelineSync(conn) == 0) {
        bench_fail("raw drain: %s", PQerrorMessage(conn));
    }
    if (is_finishing) {
        PQclear(next_result(conn));
    }
    PGresult *claimed = next_result(conn);
    read_batch(batch, claimed, is_echo);
    PQclear(claimed);
    PQclear(next_result(conn));
    return batch->count > 0;
}

void raw_drain_prepare(PGconn *conn, const RawDrain *drain)
{
    sql_run(conn, "set enable_seqscan = off; set enable_bitmapscan = off; set jit = off;"
                  "set enable_hashjoin = off; set enable_mergejoin = off;"
                  "set plan_cache_mode = force_generic_plan");
    sql_prepare(conn, "claim", claim_text);
    sql_prepare(conn, "finish", drain->is_deleted ? delete_text : move_text);
}

static void run_worker(const HelperSide *side, void *data)
{
    const RawWorker *worker = data;
    PGconn *conn = sql_connect(worker->conninfo);
    raw_drain_prepare(conn, worker->drain);
    char *lane = sql_text(conn, "select lane_id from raw_job limit 1");
    char number[16];
    char limit[16];
    (void)snprintf(number, sizeof number, "%d", worker->number);
    (void)snprintf(limit, sizeof limit, "%d", worker->drain->batch);
    const char *fixed[] = {number, lane, limit};
    Batch batch = {0};
    helper_ready(side);
    helper_wait_go(side);
    if (PQenterPipelineMode(conn) == 0) {
        bench_fail("raw drain: %s", PQerrorMessage(conn));
    }
    while (exchange(conn, &batch, fixed, worker->drain->is_echo)) {
    }
    PQfinish(conn);
}

double raw_drain_run(const char *conninfo, const RawDrain *drain)
{
    Helper helpers[RAW_DRAIN_WORKERS_MAX];
    RawWorker workers[RAW_DRAIN_WORKERS_MAX];
    if (drain->workers > RAW_DRAIN_WORKERS_MAX) {
        bench_fail("more than %d raw connections", (int)RAW_DRAIN_WORKERS_MAX);
    }
    for (int i = 0; i < drain->workers; i++) {
        workers[i] = (RawWorker){.conninfo = conninfo, .number = i + 1, .drain = drain};
        helper_start(&helpers[i], run_worker, &workers[i]);
        helper_wait_ready(&helpers[i]);
    }
    return helpers_run(helpers, drain->workers);
}
