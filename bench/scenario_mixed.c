// SPDX-License-Identifier: MIT
// Mixed: short, middling and long jobs together: what the workers' time is used for, who waits behind whom, and what a high
// priority is worth when all workers are busy.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/probe_file.h"
#include "bench/scratch.h"
#include "bench/spread.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum {
    JOBS = 4000, // about 15 s of eight workers
    URGENT = 50,
    URGENT_PACE_MS = 80,
    URGENT_MARK = 1, // "at" of an urgent job; the others have 0
    PROCESSES = 8,
    CLAIM_SLACK_MS = 5, // a claim that was on its way when the urgent job came could not know it
    TIMEOUT_MS = 120000
};

static const Figure utilisation = {"mixed", "8 workers' time in handlers", "%", GOAL_RATIO_AT_LEAST,
                                   0.95,    "all of it, while jobs wait"};
static const Figure waited = {
    "mixed", "short jobs that waited behind a long one", "jobs", GOAL_AT_MOST, 0, NULL};
static const Figure claimed_early = {
    "mixed", "claim to start of a short job, longest", "ms", GOAL_NONE, 0, NULL};
#define FREE_ABOUT "until the first worker's job ends"
static const Figure urgent[SPREAD_FIGURES] = {
    {"mixed", "high priority, all busy: to start, p50", "ms", GOAL_NONE, 0, FREE_ABOUT},
    {"mixed", "high priority, all busy: to start, p95", "ms", GOAL_NONE, 0, FREE_ABOUT},
    {"mixed", "high priority, all busy: to start, p99", "ms", GOAL_NONE, 0, FREE_ABOUT},
    {"mixed", "high priority, all busy: to start, max", "ms", GOAL_NONE, 0, FREE_ABOUT},
};
static const Figure after_free = {
    "mixed", "  most from a free worker to its start", "ms", GOAL_AT_MOST, 100, NULL};
static const Figure overtaken = {
    "mixed", "lower ones claimed later that began first", "jobs", GOAL_AT_MOST, 0, NULL};
static const Figure were_first = {
    "mixed", "lower ones claimed before, of an urgent job", "jobs", GOAL_NONE, 0, NULL};

// A claim is noted by a trigger, as the row keeps the start of the handler only. Times are of CLOCK_REALTIME, in nanoseconds.
static const char make_tables[] =
    "create table bench_claim (job_id bigint, at bigint);"
    "create table bench_run (job_id bigint primary key, urgent bigint, pid bigint, began bigint, "
    "ended bigint, claimed bigint, is_long boolean);"
    "create table bench_urgent (urgent bigint primary key, enqueued bigint);"
    "create function bench_note_claim() returns trigger language plpgsql as $f$ begin "
    "insert into public.bench_claim values (new.id, (extract(epoch from new.started_at) * "
    "1e9)::bigint); "
    "return null; end $f$;"
    "create trigger bench_note_claim after update on ganger.job for each row "
    "when (old.status = 'pending' and new.status = 'processing') execute function "
    "bench_note_claim();"
    "select setseed(0.5)";

// 70 of 100 take a millisecond, 25 take 20, 5 take 500; in no order.
static const char enqueue_bulk[] =
    "select count(*) from ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', "
    "'bench_work', 'payload', jsonb_build_object('at', 0, 'file', $1::text, 'ms', case when x.n < "
    "70 "
    "then 1 when x.n < 95 then 20 else 500 end)) order by random()) from (select "
    "i % 100 as n from generate_series(1, $2::int) i) x))";

static void load(PGconn *conn, const ProbeFile *file, int jobs)
{
    for (int done = 0; done < jobs; done += LOAD_BULK) {
        char count[16];
        (void)snprintf(count, sizeof count, "%d",
                       jobs - done < LOAD_BULK ? jobs - done : LOAD_BULK);
        (void)sql_number(conn, enqueue_bulk, file->path, count, NULL);
    }
}

// Urgent jobs, one at a time, while all workers are busy and the others wait.
static void produce(PGconn *conn, const ProbeFile *file, int jobs)
{
    sql_prepare(conn, "urgent", "select ganger.enqueue('bench_work', $1::jsonb, priority => 10)");
    sql_prepare(conn, "urgent_at", "insert into bench_urgent values ($1::bigint, $2::bigint)");
    for (int i = 0; i < jobs; i++) {
        bench_sleep_ms(URGENT_PACE_MS);
        char *payload = mem_printf("{\"at\": %d, \"file\": \"%s\", \"ms\": 1}", i + 1, file->path);
        const char *const values[] = {payload};
        PQclear(sql_execute(conn, "urgent", 1, values));
        char number[16];
        char at[24];
        (void)snprintf(number, sizeof number, "%d", i + 1);
        (void)snprintf(at, sizeof at, "%" PRId64, bench_wall_ns());
        const char *const known[] = {number, at};
        PQclear(sql_execute(conn, "urgent_at", 2, known));
        free(payload);
    }
}

static void await_records(const ProbeFile *file, int wanted)
{
    const int64_t until = bench_now_ns() + TIMEOUT_MS * INT64_C(1000000);
    while (probe_file_count(file) < wanted) {
        if (bench_now_ns() > until) {
            bench_fail("%d of %d jobs have run", probe_file_count(file), wanted);
        }
        bench_sleep_ms(10);
    }
}

// What the handlers have noted becomes a table, as the questions are of what ran beside what.
static void keep_records(PGconn *conn, ProbeFile *file)
{
    StrBuf rows = {0};
    for (ProbeRecord r; probe_file_next(file, &r, 0);) {
        strbuf_printf(
            &rows, "%s(%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ")",
            rows.length > 0 ? ","
                            : "insert into bench_run (job_id, urgent, pid, began, ended) values ",
            r.job_id, r.given, r.pid, r.wall_ns, r.wall_ns + (r.ended_ns - r.monotonic_ns));
    }
    sql_run(conn, rows.text);
    strbuf_free(&rows);
    // The last claim is the one it ran under.
    sql_run(conn, "update bench_run r set is_long = ended - began > 400000000, claimed = "
                  "(select max(at) from bench_claim c where c.job_id = r.job_id)");
}

// Thousandths of a percent: from the moment when every worker has begun to the last claim.
static const char ask_utilisation[] =
    "with span as (select (select max(x.first) from (select min(began) as first from bench_run "
    "group by pid) x) as lo, (select max(claimed) from bench_run) as hi) "
    "select (1e5 * sum(greatest(least(r.ended, s.hi) - greatest(r.began, s.lo), 0)) / "
    "(min(s.hi - s.lo) * (select count(distinct pid) from bench_run)))::bigint from bench_run r, "
    "span s";
static const char ask_waited[] =
    "select count(distinct s.job_id) from bench_run s join bench_run l on l.pid = s.pid and "
    "l.is_long "
    "and s.claimed < l.began and s.began >= l.ended where not s.is_long";
static const char ask_longest[] = "select max(began - claimed) from bench_run where not is_long";
static const char ask_overtaken[] = "select count(*) from bench_run u join bench_urgent e using "
                                    "(urgent) join bench_run l on l.urgent = 0 "
                                    "and l.began < u.began and l.claimed > e.enqueued + $1::bigint";
static const char ask_first[] = "select 1000 * count(*) / (select count(*) from bench_urgent) from "
                                "bench_run u join bench_urgent e "
                                "using (urgent) join bench_run l on l.urgent = 0 and l.began > "
                                "e.enqueued and l.began < u.began";

// Nobody interrupts a job for another, so the earliest possible start is the end of a job that ran when the urgent one came.
static const char ask_urgent[] =
    "select greatest(u.began - e.enqueued, 0), greatest(min(l.ended) - e.enqueued, 0) "
    "from bench_urgent e join bench_run u using (urgent) "
    "join bench_run l on l.began <= e.enqueued and l.ended > e.enqueued "
    "group by u.began, e.enqueued";

static void report_urgent(Report *to, PGconn *conn)
{
    Spread ours = {0};
    Spread free_workers = {0};
    int64_t most = 0;
    PGresult *result = PQexec(conn, ask_urgent);
    sql_check(conn, result, ask_urgent);
    for (int i = 0; i < PQntuples(result); i++) {
        const int64_t took = strtoll(PQgetvalue(result, i, 0), NULL, 10);
        const int64_t busy = strtoll(PQgetvalue(result, i, 1), NULL, 10);
        spread_add_ns(&ours, took);
        spread_add_ns(&free_workers, busy);
        most = took - busy > most ? took - busy : most;
    }
    PQclear(result);
    spread_report(to, urgent, &ours, &free_workers);
    report_add(to, &after_free, (double)most / 1e6, 0);
}

static void report(Bench *bench, PGconn *conn)
{
    char slack[24];
    (void)snprintf(slack, sizeof slack, "%" PRId64, CLAIM_SLACK_MS * INT64_C(1000000));
    Report *to = &bench->report;
    report_add(to, &utilisation, (double)sql_number(conn, ask_utilisation, NULL) / 1000, 100);
    report_add(to, &waited, (double)sql_number(conn, ask_waited, NULL), 0);
    report_add(to, &claimed_early, (double)sql_number(conn, ask_longest, NULL) / 1e6, 0);
    report_urgent(to, conn);
    report_add(to, &overtaken, (double)sql_number(conn, ask_overtaken, slack, NULL), 0);
    report_add(to, &were_first, (double)sql_number(conn, ask_first, NULL) / 1000, 0);
}

static void repeat(Bench *bench)
{
    const int jobs = bench_count(bench, JOBS);
    const int urgents = bench_count(bench, URGENT);
    ProbeFile file;
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    probe_file_open(&file, bench, "probe");
    sql_run(conn, make_tables);
    load(conn, &file, jobs);
    sql_run(conn, "analyze ganger.job");
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    await_records(&file, 4 * PROCESSES);
    produce(conn, &file, urgents);
    await_records(&file, jobs + urgents);
    node_stop();
    keep_records(conn, &file);
    report(bench, conn);
    probe_file_close(&file);
    PQfinish(conn);
    scratch_drop();
}

void scenario_mixed(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("mixed %d/%d", i + 1, bench->repeats);
        repeat(bench);
    }
}
