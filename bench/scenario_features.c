// SPDX-License-Identifier: MIT
// Features: what dependencies, groups, keys, schedules and the feed cost, beside as many plain jobs on the same node.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/span.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum {
    JOBS = 1000,
    PROCESSES = 2,
    TIMEOUT_MS = 120000,
    PAGE = 1000,
    LOOK_MS = 20,
    SEAL_MS = 20000,
    TICK_MS = 1200 // until a schedule of every second is due
};

#define PLAIN "as many plain jobs, one enqueue_many"

// Enqueued by one call; `extra` is what job `i` of $1 has beside its type.
typedef struct Variant {
    Figure figure;
    const char *extra;
} Variant;

static const Variant variants[] = {
    {{"features", "chain of 1,000", "jobs/s", GOAL_NONE, 0, PLAIN},
     "case when i > 1 then jsonb_build_object('depends_on', jsonb_build_array(1 - i)) else '{}' "
     "end"},
    {{"features", "one job that waits for 999", "jobs/s", GOAL_RATIO_AT_LEAST, 0.5, PLAIN},
     "case when i = $1::int then jsonb_build_object('depends_on', (select jsonb_agg(-k) from "
     "generate_series(1, $1::int - 1) k)) else '{}' end"},
    {{"features", "999 jobs that wait for one", "jobs/s", GOAL_NONE, 0, PLAIN},
     "case when i > 1 then '{\"depends_on\": [-1]}'::jsonb else '{}' end"},
    {{"features", "100 groups, limit 1", "jobs/s", GOAL_RATIO_AT_LEAST, 0.5, PLAIN},
     "jsonb_build_object('group_key', 'customer ' || i % 100)"},
    {{"features", "a unique key each", "jobs/s", GOAL_RATIO_AT_LEAST, 0.5, PLAIN},
     "jsonb_build_object('unique_key', 'order ' || i)"},
    {{"features", "an idempotency key each", "jobs/s", GOAL_RATIO_AT_LEAST, 0.5, PLAIN},
     "jsonb_build_object('idempotency_key', 'request ' || i)"},
};

static const Figure ticks = {"features", "ticks of 1,000 schedules, maintain()",
                             "jobs/s",   GOAL_NONE,
                             0,          "as many calls of enqueue, one transaction"};
static const Figure feed = {"features", "read_events, 1,000 a page",
                            "events/s", GOAL_RATIO_AT_LEAST,
                            2,          "the plain jobs they tell of, per second"};

// Jobs a second from the call to the end of the last one.
static double run(PGconn *conn, const char *extra, int jobs)
{
    const int64_t after = load_sequence(conn);
    const int before = (int)sql_number(conn, "select count(*) from ganger.history", NULL);
    char count[16];
    (void)snprintf(count, sizeof count, "%d", jobs);
    char *text =
        mem_printf("select count(*) from ganger.enqueue_many((select jsonb_agg('{\"job_type\": "
                   "\"noop\"}'::jsonb || %s order by i) from generate_series(1, $1::int) i))",
                   extra);
    (void)sql_number(conn, text, count, NULL);
    free(text);
    load_wait_completed(conn, before + jobs, TIMEOUT_MS);
    return jobs / span_seconds(conn, after);
}

// All events after `after` once the feed has reached the last of them; returns events a second.
static double follow(PGconn *conn, int64_t after)
{
    const int64_t last = load_sequence(conn);
    const int64_t until = bench_now_ns() + SEAL_MS * INT64_C(1000000);
    while (sql_number(conn, "select ganger.last_event_id()", NULL) < last) {
        if (bench_now_ns() > until) {
            bench_fail("the feed does not reach event %" PRId64, last);
        }
        (void)sql_number(conn, "select ganger.enqueue('noop')", NULL); // numbers go on
        bench_sleep_ms(LOOK_MS);
    }
    sql_prepare(conn, "feed", "select event_id from ganger.read_events($1::bigint, $2::int)");
    int64_t events = 0;
    const int64_t start = bench_now_ns();
    for (int count = PAGE; count == PAGE;) {
        char from[24];
        char page[16];
        (void)snprintf(from, sizeof from, "%" PRId64, after);
        (void)snprintf(page, sizeof page, "%d", PAGE);
        const char *const values[] = {from, page};
        PGresult *result = sql_execute(conn, "feed", 2, values);
        count = PQntuples(result);
        after = count > 0 ? strtoll(PQgetvalue(result, count - 1, 0), NULL, 10) : after;
        events += count;
        PQclear(result);
    }
    return (double)events / ((double)(bench_now_ns() - start) / 1e9);
}

// Jobs a second that maintain(), called until it has made `count` of them, makes for schedules.
static double run_schedules(PGconn *conn, int count)
{
    const int64_t start = bench_now_ns();
    int64_t made = 0;
    while (made < count) {
        const int64_t more = sql_number(conn, "select ganger.maintain() ->> 'scheduled'", NULL);
        if (more == 0) {
            bench_fail("%" PRId64 " jobs of schedules instead of %d", made, count);
        }
        made += more;
    }
    return (double)made / ((double)(bench_now_ns() - start) / 1e9);
}

// No node runs: maintain() does what is due, some hundreds a call.
static void measure_schedules(Bench *bench, PGconn *conn, int count)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", count);
    (void)sql_number(conn,
                     "select count(ganger.create_schedule('tick ' || i, '* * * * * *', 'noop', "
                     "overlap => 'allow', catch_up => 'last')) from generate_series(1, $1::int) i",
                     number, NULL);
    bench_sleep_ms(TICK_MS);
    const double rate = run_schedules(conn, count);
    const int64_t start = bench_now_ns();
    (void)sql_number(conn, "select count(ganger.enqueue('noop')) from generate_series(1, $1::int)",
                     number, NULL);
    report_add(&bench->report, &ticks, rate,
               (double)count / ((double)(bench_now_ns() - start) / 1e9));
}

static void repeat(Bench *bench)
{
    const int jobs = bench_count(bench, JOBS);
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    sql_run(conn, "select ganger.set_queue('default', group_concurrency => 1)");
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    node_wait_idle(conn, PROCESSES);
    (void)run(conn, "'{}'::jsonb", jobs); // first calls plan and prepare
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        const double plain = run(conn, "'{}'::jsonb", jobs);
        report_add(&bench->report, &variants[i].figure, run(conn, variants[i].extra, jobs), plain);
    }
    const int64_t after = load_sequence(conn);
    const double plain = run(conn, "'{}'::jsonb", jobs);
    report_add(&bench->report, &feed, follow(conn, after), plain);
    node_stop();
    measure_schedules(bench, conn, jobs);
    PQfinish(conn);
    scratch_drop();
}

void scenario_features(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("features %d/%d", i + 1, bench->repeats);
        repeat(bench);
    }
}
