// SPDX-License-Identifier: MIT
// Load: see the header.
#include "bench/load.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum { LOOK_MS = 20, COUNT_MS = 100, STATS_FLUSH_MS = 1200 };

void load_warm_lane(PGconn *conn)
{
    load_warm_lane_of(conn, "noop");
}

void load_warm_lane_of(PGconn *conn, const char *job_type)
{
    (void)sql_number(conn, "select ganger.enqueue($1, '{\"n\": 0}')", job_type, NULL);
    sql_run(conn, "select ganger.maintain()");
    sql_run(conn, "select ganger.cancel(id) from ganger.jobs where status = 'pending'");
}

static char *bulk_text(const char *job_type, const char *more)
{
    StrBuf text = {0};
    for (int i = 0; i < LOAD_BULK; i++) {
        strbuf_printf(&text, "%s{\"job_type\": \"%s\", \"payload\": {\"n\": %d%s}}",
                      i == 0 ? "[" : ", ", job_type, i, more);
    }
    strbuf_append(&text, "]");
    return strbuf_take(&text);
}

char *load_bulk_text(void)
{
    return bulk_text("noop", "");
}

void load_noops(PGconn *conn, int jobs)
{
    load_jobs(conn, "noop", "", jobs);
}

void load_jobs(PGconn *conn, const char *job_type, const char *more, int jobs)
{
    char *bulk = bulk_text(job_type, more);
    const char *const values[] = {bulk};
    sql_prepare(conn, "load_many", "select count(*) from ganger.enqueue_many($1::jsonb)");
    for (int done = 0; done < jobs; done += LOAD_BULK) {
        PQclear(sql_execute(conn, "load_many", 1, values));
    }
    sql_run(conn, "deallocate load_many");
    free(bulk);
}

void load_of_type(PGconn *conn, const char *job_type, const char *queue, int jobs)
{
    for (int done = 0; done < jobs; done += LOAD_BULK) {
        char count[16];
        (void)snprintf(count, sizeof count, "%d",
                       jobs - done < LOAD_BULK ? jobs - done : LOAD_BULK);
        (void)sql_number(conn,
                         "select count(*) from ganger.enqueue_many((select jsonb_agg("
                         "jsonb_build_object('job_type', $1::text, 'queue', $2::text)) from "
                         "generate_series(1, $3::int)))",
                         job_type, queue != NULL ? queue : "default", count, NULL);
    }
}

void load_wait_completed(PGconn *conn, int jobs, int timeout_ms)
{
    for (int64_t until = bench_now_ns() + timeout_ms * INT64_C(1000000); bench_now_ns() < until;) {
        if (sql_number(conn, "select count(*) from ganger.history where status = 'completed'",
                       NULL) >= jobs) {
            return;
        }
        bench_sleep_ms(COUNT_MS);
    }
    bench_fail("%d jobs have not completed within %d s", jobs, timeout_ms / 1000);
}

int64_t load_sequence(PGconn *conn)
{
    return sql_number(conn, "select last_value from ganger.seq", NULL);
}

void load_wait_finished(PGconn *conn, int64_t before, int jobs, int timeout_ms)
{
    for (int64_t until = bench_now_ns() + timeout_ms * INT64_C(1000000); bench_now_ns() < until;) {
        if (load_sequence(conn) >= before + jobs &&
            sql_number(conn, "select count(*) from ganger.history where status = 'completed'",
                       NULL) >= jobs) {
            return;
        }
        node_check();
        bench_sleep_ms(LOOK_MS);
    }
    bench_fail("%d jobs have not ended within %d s", jobs, timeout_ms / 1000);
}

int64_t load_wal_bytes(PGconn *conn)
{
    return sql_number(conn, "select (pg_current_wal_insert_lsn() - '0/0')::bigint", NULL);
}

// Asked from another database, so that asking does not count. Sessions hand their counts over at most once a second.
int64_t load_commits(void)
{
    bench_sleep_ms(STATS_FLUSH_MS);
    return scratch_commits();
}
