// SPDX-License-Identifier: MIT
// Scheduled: from a job's run_at to its handler's start, while a million others are scheduled for later.
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/node.h"
#include "bench/probe_file.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/spread.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum { JOBS = 300, OTHERS = 1000000, PROCESSES = 2, ANSWER_MS = 20000 };

static const int64_t FIRST_NS = INT64_C(1500000000); // enough for all enqueues to be over
static const int64_t STEP_NS = INT64_C(20700000);    // no multiple of any interval of ganger

#define RAW_ABOUT "sleep until then, claim and commit"

static const Figure figures[SPREAD_FIGURES] = {
    {"scheduled", "run_at to start, p50", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"scheduled", "run_at to start, p95", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"scheduled", "run_at to start, p99", "ms", GOAL_AT_MOST, 15, RAW_ABOUT},
    {"scheduled", "run_at to start, max", "ms", GOAL_NONE, 0, RAW_ABOUT},
};

static void enqueue_at(PGconn *conn, int64_t wall_ns, const char *path)
{
    char at[24];
    (void)snprintf(at, sizeof at, "%lld", (long long)(wall_ns / 1000));
    char *payload =
        mem_printf("{\"at\": %lld, \"file\": \"%s\"}", (long long)wall_ns / 1000 * 1000, path);
    const char *const values[] = {payload, at};
    PQclear(sql_execute(conn, "at", 2, values));
    free(payload);
}

// Copies of a row that enqueue() has written, each with a number and a time of its own: an hour to a day from now.
static void load_others(PGconn *conn, int others)
{
    char count[16];
    (void)snprintf(count, sizeof count, "%d", others);
    sql_run(conn,
            "select ganger.enqueue('bench_stamp', '{}', run_at => now() + interval '1 hour')");
    sql_run(conn, "set synchronous_commit = off");
    (void)sql_number(
        conn,
        "with rows as (insert into ganger.job (id, lane_id, created_at, run_at, due_at,"
        " pending_reason, max_attempts, priority, queue, job_type, payload)"
        " select s.seq, j.lane_id, j.created_at, j.run_at + s.later, j.due_at + s.later,"
        " j.pending_reason, j.max_attempts, j.priority, j.queue, j.job_type, j.payload"
        " from ganger.job j, lateral (select seq, make_interval(secs => random() * 86400) as later"
        " from unnest(ganger._take_seqs($1::int)) seq) s returning 1) select count(*) from rows",
        count, NULL);
    sql_run(conn, "reset synchronous_commit");
    sql_run(conn, "vacuum analyze ganger.job");
    sql_run(conn, "checkpoint");
}

static void measure_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int jobs,
                           Spread *spread)
{
    ProbeFile file;
    probe_file_open(&file, bench, "probe");
    sql_prepare(conn, "at",
                "select ganger.enqueue('bench_stamp', $1::jsonb,"
                " run_at => to_timestamp($2::bigint / 1e6))");
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    node_wait_idle(conn, PROCESSES);
    int64_t start = bench_wall_ns() + FIRST_NS;
    for (int i = 0; i < jobs; i++) {
        enqueue_at(conn, start + i * STEP_NS, file.path);
    }
    for (int i = 0; i < jobs; i++) {
        ProbeRecord record;
        if (!probe_file_next(&file, &record, ANSWER_MS)) {
            bench_fail("scheduled job %d of %d has not started", i + 1, jobs);
        }
        if (record.wall_ns < record.given) {
            bench_fail("a scheduled job has started too early");
        }
        spread_add_ns(spread, record.wall_ns - record.given);
    }
    node_stop();
    probe_file_close(&file);
}

static void measure_raw(PGconn *conn, int jobs, Spread *spread)
{
    raw_drain_make_tables(conn);
    sql_run(conn, "insert into raw_job (id, lane_id, seq, created_at, max_attempts, priority,"
                  " queue, job_type, payload) select g, 42, g, now(), 3, 0, 'default', 'noop', '{}'"
                  " from generate_series(1, 1000) g; analyze raw_job");
    sql_prepare(conn, "claim",
                "update raw_job j set status = 'processing', seq = null,"
                " lease_id = gen_random_uuid(), started_at = clock_timestamp(),"
                " attempts = j.attempts + 1 from (select c.ctid as row_ctid from raw_job c"
                " where c.lane_id = 42 and c.seq is not null order by c.seq limit 1"
                " for update skip locked) p where j.ctid = p.row_ctid returning j.id, j.payload");
    int64_t next = bench_now_ns();
    for (int i = 0; i < jobs; i++) {
        next += STEP_NS;
        bench_sleep_until_ns(next);
        PQclear(sql_execute(conn, "claim", 0, NULL));
        spread_add_ns(spread, bench_now_ns() - next);
    }
}

void scenario_scheduled(Bench *bench)
{
    int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("scheduled %d/%d", i + 1, bench->repeats);
        Spread ours = {0};
        Spread raw = {0};
        const char *conninfo = scratch_make();
        PGconn *conn = sql_connect(conninfo);
        load_others(conn, bench_count(bench, OTHERS));
        measure_ganger(bench, conn, conninfo, jobs, &ours);
        measure_raw(conn, jobs, &raw);
        spread_report(&bench->report, figures, &ours, &raw);
        PQfinish(conn);
        scratch_drop();
    }
}
