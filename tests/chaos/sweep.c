// SPDX-License-Identifier: MIT
// The sweep: see the header.
//
// One worker, and the whole load committed before it starts: so the batches are the same each time (1, 4, 16, 64), and the long
// job has finished neighbours before it and unstarted ones behind it.
#include "tests/chaos/sweep.h"

#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/memory.h"
#include "tests/chaos/chaos_check.h"
#include "tests/chaos/chaos_log.h"
#include "tests/support/daemon.h"

enum {
    SLEEP_MS =
        1600, // past the node's own lease (1 s), every deadline of the load, and a woken worker's patience
    CASES_MAX = 4 * FAULT_NAME_COUNT,
    ENDED_LIMIT_MS = 30000,
    SHORT_JOBS = 80, // until the worker claims many at once again
    LATER_JOBS = 20,
    ACTION_BYTES = 32
};

static const char node[] = "heartbeat: 100ms, self_fence: 1s, lease: 6s";
static const char one_worker[] = "{default: {queues: [default], processes: 1}}";

typedef struct Sweep {
    SystemTest *test;
    const SweepCase *which;
    Daemon *daemon;
    int restarts;
} Sweep;

// A point that is passed for every job, or all the time, is struck where something is under way.
static const struct {
    const char *point;
    int hit;
} later_hits[] = {
    {"entry_running", 24},
    {"deadline_published", 24},
    {"handler_returned", 24},
    {"result_before_slot", 24},
    {"result_in_slot", 24},
    {"before_finish", 3},
    {"after_claim_commit", 4},
    {"slot_filling", 4},
    {"slot_filled", 4},
    {"claim_sending", 4},
    {"pipeline_sent", 4},
    {"pipeline_answered", 4},
    {"claim", 4},
    {"db_sent", 14},
    {"db_answered", 14},
    {"supervisor_loop", 6},
    {"poll_answered", 2},
    {"tick_answered", 2},
    {"heartbeat_sending", 2},
    {"heartbeat_answered", 2},
};

static int hit_of(const SweepFault *fault)
{
    const char *point = fault->point;
    if (fault->hit > 0) {
        return fault->hit;
    }
    for (size_t i = 0; i < sizeof later_hits / sizeof later_hits[0]; i++) {
        if (str_equal(later_hits[i].point, point)) {
            return later_hits[i].hit;
        }
    }
    return 1;
}

static bool is_burial(const SweepCase *which)
{
    for (const SweepFault *fault = which->faults; fault->point != NULL; fault++) {
        if (str_equal(fault->point, "node_buried") ||
            str_equal(fault->point, "buried_worker_settled")) {
            return true;
        }
    }
    return false;
}

// --- the load

static void add(Sweep *sweep, int count, const char *type, int ms, const char *more,
                const char *options)
{
    test_db_run(sweep->test->conn,
                "insert into chaos_added select ganger.enqueue('%s', '{\"file\": "
                "\"%s/journal\", \"ms\": %d%s}', retry_delay => '10 ms', retry_backoff => false, "
                "max_attempts => 9%s) from generate_series(1, %d)",
                type, sweep->test->folder, ms, more, options, count);
}

// Returns the job that only a cancel ends.
static int64_t add_load(Sweep *sweep)
{
    PGconn *conn = sweep->test->conn;
    test_db_run(conn, "begin");
    add(sweep, 26, "journal", 0, "", "");  // batches of 1, 4, 16, and 5 of the next
    add(sweep, 1, "journal", 500, "", ""); // the neighbours of this one are rescued
    add(sweep, 30, "journal", 0, "", "");  // and these given back
    add(sweep, 1, "journal", 0, ", \"fail_until\": 2", "");
    add(sweep, 1, "journal", 0, ", \"crash_until\": 2", "");
    add(sweep, 1, "journal", 5000, ", \"deaf\": 1", ", timeout => '80 ms', kill_grace => '40 ms'");
    test_db_run(conn, "update ganger.job set max_attempts = 2 where timeout = '80 ms'");
    add(sweep, 3, "journal_tx", 0, "", "");
    add(sweep, 1, "teller", 0, "", "");
    add(sweep, 1, "journal", 60000, "", ", priority => -1");
    int64_t id = test_db_int(conn, "select max(id) from chaos_added");
    test_db_run(conn, "commit");
    return id;
}

// --- gangerd

static void look_after(Sweep *sweep)
{
    if (daemon_wait(sweep->daemon, 0) >= 0) {
        sweep->restarts++;
        daemon_start(sweep->daemon);
    }
}

static void await_ended(Sweep *sweep)
{
    static const char open_jobs[] =
        "from ganger.jobs where status not in ('completed', 'failed', 'cancelled')";
    SystemTest *test = sweep->test;
    for (int64_t until = clock_boot_ms() + slow_ms(ENDED_LIMIT_MS);
         test_db_int(test->conn, "select count(*) %s", open_jobs) > 0; look_after(sweep)) {
        if (clock_boot_ms() > until) {
            char *left = test_db_text(test->conn,
                                      "select json_agg(j) from (select id, job_type, status, "
                                      "pending_reason, attempts, max_attempts, payload %s order "
                                      "by id limit 10) j",
                                      open_jobs);
            (void)fprintf(stderr, "--- open: %s\n", left);
            free(left);
            system_fail(test, "not every job has ended");
        }
    }
}

// By what the handler wrote: a job of a batch is processing before it begins.
static void await_begin(Sweep *sweep, int64_t id)
{
    for (int64_t until = clock_boot_ms() + slow_ms(ENDED_LIMIT_MS);
         journal_count(sweep->test, id, "begin") == 0; pause_ms(5)) {
        CHECK(sweep->test, clock_boot_ms() < until);
        look_after(sweep);
    }
}

static void drain(Sweep *sweep)
{
    daemon_signal(sweep->daemon, SIGTERM);
    if (daemon_wait(sweep->daemon, slow_ms(20000)) < 0) {
        system_fail(sweep->test, "gangerd does not end");
    }
}

// A machine that was reset: its jobs are the next one's to bury.
static void leave_dead_node(Sweep *sweep)
{
    SystemTest *test = sweep->test;
    add(sweep, 1, "journal", 700, "", "");
    int64_t id = test_db_int(test->conn, "select max(id) from chaos_added");
    daemon_start(sweep->daemon);
    pid_t worker = journal_await_begin(test, id, 1);
    daemon_signal(sweep->daemon, SIGSTOP);
    (void)kill(daemon_child(sweep->daemon, "ganger-reaper", 0), SIGKILL);
    (void)kill(worker, SIGKILL);
    daemon_destroy(sweep->daemon);
}

static Daemon *configure(Sweep *sweep, const char *fault)
{
    char *handlers = mem_printf(
        "teller: {exec: [/bin/sh, -c, 'note() { read up rest </proc/uptime; "
        "echo \"$1 $GANGER_JOB_ID $GANGER_ATTEMPT $PPID ${up%%.*}${up#*.}0000\" >>%s/journal; }; "
        "note begin; echo \"{\\\"progress\\\": 10}\" >&3; echo told >&2; sleep 0.05; note end']}",
        sweep->test->folder);
    Daemon *daemon =
        daemon_configure(sweep->test, "sweep",
                         &(DaemonOptions){.node = node,
                                          .supervisor = "kill_grace: 5s, shutdown_timeout: 10s",
                                          .pools = one_worker,
                                          .handlers = handlers,
                                          .fault = fault});
    free(handlers);
    return daemon;
}

// --- a case

static void arm(Sweep *sweep)
{
    StrBuf spec = {0};
    const SweepFault *faults = sweep->which->faults;
    for (const SweepFault *fault = faults; fault->point != NULL; fault++) {
        char action[ACTION_BYTES];
        const bool is_sleep = str_equal(fault->action, "sleep");
        (void)snprintf(action, sizeof action, is_sleep ? "%s=%d" : "%s", fault->action, SLEEP_MS);
        strbuf_printf(&spec, "%s%s:%d:%s", fault > faults ? "," : "", fault->point, hit_of(fault),
                      action);
    }
    sweep->daemon = configure(sweep, spec.text);
    strbuf_free(&spec);
    // daemon_configure has made the file of a fault that is alone.
    for (const SweepFault *fault = faults; faults[1].point != NULL && fault->point != NULL;
         fault++) {
        char *path = mem_printf("%s.%s", sweep->daemon->fault_once, fault->point);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        (void)fclose(file);
        free(path);
    }
}

static void check_strikes(Sweep *sweep)
{
    for (const SweepFault *fault = sweep->which->faults; fault->point != NULL; fault++) {
        char *struck = mem_printf(" name=%s\n", fault->point);
        const int times = daemon_log_count(sweep->daemon, struck);
        free(struck);
        if (times != 1) {
            (void)fprintf(stderr, "--- %s struck %d times\n", fault->point, times);
            system_fail(sweep->test, "a fault did not strike, once");
        }
    }
}

static void check(Sweep *sweep)
{
    SystemTest *test = sweep->test;
    check_strikes(sweep);
    ChaosVerdict verdict = {.is_reported = true};
    chaos_check(test->conn, test->folder, &verdict);
    CHECK(test, verdict.broken == 0);
    sql_check(test, "not exists (select from chaos_added a left join ganger.jobs j on j.id = a.id "
                    "where j.id is null)");
    sql_check(test, "(select count(*) = 0 from ganger.nodes where state::text = 'alive')");
}

// With the note by which the checker knows that it was asked for.
static void cancel(SystemTest *test, int64_t id)
{
    char *path = mem_printf("%s/producer.0", test->folder);
    int file = chaos_log_open(path);
    const ProducerOp op = {.number = 1, .kind = "cancel"};
    producer_log_invoke(file, &op);
    sql_check(test, "ganger.cancel(%" PRId64 ")", id);
    producer_log_ok(file, &op, id, "t");
    (void)close(file);
    free(path);
}

static void test_case(void **state)
{
    Sweep *sweep = *state;
    SystemTest *test = sweep->test;
    const SweepCase *which = sweep->which;
    test_db_run(test->conn, "create table chaos_added (id bigint primary key); "
                            "create table journal_effect (job_id bigint, attempt int)");
    if (is_burial(which)) {
        sweep->daemon = configure(sweep, NULL);
        leave_dead_node(sweep);
    }
    arm(sweep);
    int64_t endless = add_load(sweep);
    daemon_start(sweep->daemon);
    await_begin(sweep, endless);
    add(sweep, 1, "journal", 0, "", ", run_at => clock_timestamp() + interval '400 ms'");
    test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                            "application_name = 'ganger-worker' and datname = current_database()");
    (void)kill(sweep->daemon->pid, SIGHUP);
    cancel(test, endless);
    await_ended(sweep);
    // A drain in the middle of a batch, and what is left over is another gangerd's.
    test_db_run(test->conn, "begin");
    add(sweep, SHORT_JOBS, "journal", 0, "", "");
    add(sweep, LATER_JOBS, "journal", 30, "", "");
    test_db_run(test->conn, "commit"); // at once, or the worker would claim fewer and fewer
    await_begin(sweep, test_db_int(test->conn,
                                   "select id from chaos_added order by id desc offset %d limit 1",
                                   LATER_JOBS * 3 / 4));
    drain(sweep);
    daemon_start(sweep->daemon);
    await_ended(sweep);
    drain(sweep);
    check(sweep);
}

// --- the group

static int setup(void **state)
{
    Sweep *sweep = mem_alloc(sizeof *sweep);
    void *test = NULL;
    sweep->which = *state;
    if (system_setup(&test) != 0) {
        return -1;
    }
    sweep->test = test;
    *state = sweep;
    return 0;
}

static int teardown(void **state)
{
    Sweep *sweep = *state;
    void *test = sweep->test;
    free(sweep);
    return system_teardown(&test);
}

// The supervisor has no connection.
static bool has_nothing_to_drop(const SweepCase *which)
{
    const SweepFault *fault = &which->faults[0];
    return str_equal(fault->action, "drop") &&
           (strncmp(fault->point, "supervisor_", strlen("supervisor_")) == 0 ||
            str_equal(fault->point, "spawn"));
}

int sweep_run(const SweepCase *cases, size_t count)
{
    struct CMUnitTest tests[CASES_MAX];
    const char *only = getenv("SWEEP_ONLY");
    size_t used = 0;
    assert_true(count <= CASES_MAX);
    for (size_t i = 0; i < count; i++) {
        const SweepFault *first = &cases[i].faults[0];
        char *name = cases[i].name != NULL ? mem_strdup(cases[i].name)
                                           : mem_printf("%s %s", first->point, first->action);
        if ((only != NULL && strstr(name, only) == NULL) || has_nothing_to_drop(&cases[i])) {
            free(name);
            continue;
        }
        tests[used++] =
            (struct CMUnitTest){.name = name,
                                .test_func = test_case,
                                .setup_func = setup,
                                .teardown_func = teardown,
                                // NOLINTNEXTLINE(performance-no-int-to-ptr): cmocka takes no const
                                .initial_state = (void *)(uintptr_t)&cases[i]};
    }
    int failed = _cmocka_run_group_tests("sweep", tests, used, NULL, NULL);
    for (size_t i = 0; i < used; i++) {
        free((void *)(uintptr_t)tests[i].name); // NOLINT(performance-no-int-to-ptr): ours
    }
    return failed;
}

const SweepCase *sweep_all(size_t *count)
{
#define CASE(name, action) {NULL, {{#name, action, 0}}},
#define CASE_POINT(name)   CASE(name, "kill") CASE(name, "drop") CASE(name, "sleep")
#define CASE_ERROR(name)   CASE_POINT(name) CASE(name, "error")
    static const SweepCase all[] = {FAULT_POINTS(CASE_POINT) FAULT_ERRORS(CASE_ERROR)};
#undef CASE
#undef CASE_POINT
#undef CASE_ERROR
    *count = sizeof all / sizeof all[0];
    return all;
}
