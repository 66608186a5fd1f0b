// SPDX-License-Identifier: MIT
// Crash: a worker in the middle of a job is killed from outside; how soon is its job claimable again?
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/node.h"
#include "bench/probe_file.h"
#include "bench/raw_drain.h"
#include "bench/scratch.h"
#include "bench/spread.h"
#include "bench/sql.h"
#include "common/base/memory.h"

enum { KILLS = 70, RAW_KILLS = 50, PROCESSES = 2, ANSWER_MS = 20000, LOOK_NS = 500000 };

#define RAW_ABOUT "kill(2), wait for the end, one update and commit"

static const Figure figures[SPREAD_FIGURES] = {
    {"crash", "SIGKILL to claimable again, p50", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"crash", "SIGKILL to claimable again, p95", "ms", GOAL_NONE, 0, RAW_ABOUT},
    {"crash", "SIGKILL to claimable again, p99", "ms", GOAL_AT_MOST, 500, RAW_ABOUT},
    {"crash", "SIGKILL to claimable again, max", "ms", GOAL_NONE, 0, RAW_ABOUT},
};

static void wait_for(PGconn *conn, const char *statement, const char *value, const char *what)
{
    const char *const values[] = {value};
    int64_t until = bench_now_ns() + ANSWER_MS * INT64_C(1000000);
    for (;;) {
        PGresult *result = sql_execute(conn, statement, value != NULL ? 1 : 0, values);
        bool is_there = PQntuples(result) > 0;
        PQclear(result);
        if (is_there) {
            return;
        }
        if (bench_now_ns() > until) {
            bench_fail("%s within %d s", what, ANSWER_MS / 1000);
        }
        bench_sleep_until_ns(bench_now_ns() + LOOK_NS);
    }
}

// The other worker takes the job as soon as it is claimable, and is the next victim; a no-op job in between shows that the
// first has been replaced, and that the pool is no crash loop. The row of the lost attempt is written in the transaction
// that makes the job claimable.
static void measure_ganger(const Bench *bench, PGconn *conn, const char *conninfo, int kills,
                           Spread *spread)
{
    ProbeFile file;
    probe_file_open(&file, bench, "probe");
    node_start(bench, conninfo, &(NodeOptions){.processes = PROCESSES});
    node_wait_idle(conn, PROCESSES);
    sql_prepare(conn, "attempt", "select from ganger.attempt where attempt = $1::int");
    sql_prepare(conn, "nothing",
                "select where not exists (select from ganger.job"
                " where job_type = 'noop')");
    char *text = mem_printf("select ganger.enqueue('bench_hold', '{\"at\": 0, \"file\": \"%s\"}',"
                            " max_attempts => 1000)",
                            file.path);
    sql_run(conn, "select ganger.set_job_type('bench_hold', max_crashes => 1000)");
    sql_run(conn, text);
    free(text);
    for (int i = 1; i <= kills; i++) {
        ProbeRecord record;
        if (!probe_file_next(&file, &record, ANSWER_MS)) {
            bench_fail("a crashed worker's job has not started again");
        }
        sql_run(conn, "select ganger.enqueue('noop')");
        wait_for(conn, "nothing", NULL, "a killed worker has not been replaced");
        char number[16];
        (void)snprintf(number, sizeof number, "%d", i);
        int64_t killed_at = bench_now_ns();
        (void)kill((pid_t)record.pid, SIGKILL);
        wait_for(conn, "attempt", number, "a crashed worker's job has not come back");
        spread_add_ns(spread, bench_now_ns() - killed_at);
    }
    node_stop();
    probe_file_close(&file);
}

static void run_nothing(const HelperSide *side, void *data)
{
    (void)data;
    helper_ready(side);
    helper_wait_go(side);
}

static void measure_raw(PGconn *conn, Spread *spread)
{
    raw_drain_make_tables(conn);
    sql_run(conn, "insert into raw_job (id, lane_id, created_at, max_attempts, priority, queue,"
                  " job_type, payload) values (1, 42, now(), 3, 0, 'default', 'noop', '{}')");
    sql_prepare(conn, "give_back",
                "update raw_job set seq = coalesce(seq, 0) + 1,"
                " status = 'pending', lease_id = null where id = 1");
    for (int i = 0; i < RAW_KILLS; i++) {
        Helper helper;
        helper_start(&helper, run_nothing, NULL);
        helper_wait_ready(&helper);
        int64_t killed_at = bench_now_ns();
        helper_discard(&helper);
        PQclear(sql_execute(conn, "give_back", 0, NULL));
        spread_add_ns(spread, bench_now_ns() - killed_at);
    }
}

void scenario_crash(Bench *bench)
{
    int kills = bench_count(bench, KILLS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("crash %d/%d", i + 1, bench->repeats);
        Spread ours = {0};
        Spread raw = {0};
        const char *conninfo = scratch_make();
        PGconn *conn = sql_connect(conninfo);
        measure_raw(conn, &raw);
        measure_ganger(bench, conn, conninfo, kills, &ours);
        spread_report(&bench->report, figures, &ours, &raw);
        PQfinish(conn);
        scratch_drop();
    }
}
