// SPDX-License-Identifier: MIT
// Exec: how fast two workers start programs and see their end, beside as many processes that do nothing else.
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/scratch.h"
#include "bench/span.h"
#include "bench/sql.h"

enum { JOBS = 2000, WARM_JOBS = 20, TIMEOUT_MS = 120000, PROCESSES = 2 };

// Workers of a pool that runs programs only are in the sandbox themselves; beside plugins each program goes in by itself.
static const char pool_of_programs[] = "  default: {processes: 2, job_types: [bench_true]}\n";
static const char pool_of_all[] = "  default: {processes: 2}\n";

static const Figure rate = {"exec",   "/bin/true, 2 workers of programs",
                            "jobs/s", GOAL_RATIO_AT_LEAST,
                            0.8,      "two processes: posix_spawn, waitpid"};
static const Figure rate_of_all = {"exec",   "/bin/true, 2 workers of everything",
                                   "jobs/s", GOAL_NONE,
                                   0,        "two processes: posix_spawn, waitpid"};

static char program[] = "/bin/true";

static void run_spawner(const HelperSide *side, void *data)
{
    const int *count = data;
    char *const argv[] = {program, NULL};
    char *const environment[] = {NULL};
    helper_ready(side);
    helper_wait_go(side);
    for (int i = 0; i < *count; i++) {
        pid_t pid = 0;
        const int error = posix_spawn(&pid, program, NULL, NULL, argv, environment);
        if (error != 0) {
            bench_fail("%s: %s", program, strerror(error));
        }
        if (waitpid(pid, NULL, 0) != pid) {
            bench_fail("waitpid: %s", strerror(errno));
        }
    }
}

static double measure_raw(int jobs)
{
    Helper helpers[PROCESSES];
    int count = jobs / PROCESSES;
    for (int i = 0; i < PROCESSES; i++) {
        helper_start(&helpers[i], run_spawner, &count);
        helper_wait_ready(&helpers[i]);
    }
    return jobs / helpers_run(helpers, PROCESSES);
}

static double measure_ganger(const Bench *bench, const char *pools, int jobs)
{
    const char *conninfo = scratch_make();
    PGconn *conn = sql_connect(conninfo);
    node_start(bench, conninfo,
               &(NodeOptions){.pools = pools, .handlers = "  bench_true: {exec: [/bin/true]}\n"});
    node_wait_idle(conn, PROCESSES);
    load_of_type(conn, "bench_true", NULL, WARM_JOBS);
    load_wait_completed(conn, WARM_JOBS, TIMEOUT_MS);
    const int64_t after = load_sequence(conn);
    load_of_type(conn, "bench_true", NULL, jobs);
    load_wait_completed(conn, WARM_JOBS + jobs, TIMEOUT_MS);
    node_stop();
    const double seconds = span_run_seconds(conn, after);
    PQfinish(conn);
    scratch_drop();
    return jobs / seconds;
}

void scenario_exec(Bench *bench)
{
    const int jobs = bench_count(bench, JOBS);
    for (int i = 0; i < bench->repeats; i++) {
        bench_live("exec %d/%d", i + 1, bench->repeats);
        const double raw = measure_raw(jobs);
        report_add(&bench->report, &rate, measure_ganger(bench, pool_of_programs, jobs), raw);
        report_add(&bench->report, &rate_of_all, measure_ganger(bench, pool_of_all, jobs), raw);
    }
}
