// SPDX-License-Identifier: MIT
// Does the checker see the bugs of the programs? Each is switched on in a real gangerd (common/base/seeded_bug.h), does its harm to one job,
// and the checker must refute the promise that it breaks; without a bug it must find nothing in the same course of events.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/chaos/chaos_check.h"
#include "tests/chaos/chaos_log.h"
#include "tests/chaos/job_mix.h"
#include "tests/support/daemon.h"

enum { ORPHAN_MS = 6000, QUIET_MS = 300, TRIES = 3 };

static int count_ticks(const SystemTest *test, int64_t id)
{
    return journal_count(test, id, "tick");
}

// What a handler has left behind is gone at its end, or in ORPHAN_MS.
static void play_orphan(SystemTest *test)
{
    int64_t id = journal_add(test, 50, "\"orphan\": 6000", NULL);
    job_await(test, id, "completed");
    for (int ticks = -1; ticks != count_ticks(test, id); pause_ms(QUIET_MS)) {
        ticks = count_ticks(test, id);
    }
}

static int open_log(const SystemTest *test)
{
    char *path = mem_printf("%s/producer.0", test->folder);
    int log = chaos_log_open(path);
    free(path);
    return log;
}

static int64_t add_transactional(SystemTest *test, const char *more, const char *options)
{
    const ProducerOp op = {0, 1, "enqueue", NULL, 1};
    int log = open_log(test);
    producer_log_invoke(log, &op);
    int64_t id =
        job_add(test, "'journal_tx', '{\"file\": \"%s/journal\", \"op\": \"0.1\", %s}', %s",
                test->folder, more, options);
    producer_log_ok(log, &op, id, NULL);
    (void)close(log);
    return id;
}

// A worker dies while its session is at a statement of a job, which another worker gets.
static void play_busy_session(SystemTest *test)
{
    int64_t id = add_transactional(test, "\"sql_ms\": 900", "max_attempts => 5");
    pid_t pid = journal_await_begin(test, id, 1);
    pause_ms(50); // for the statement; without it the bug may be missed, never the other way
    (void)kill(pid, SIGKILL);
    job_await(test, id, "completed");
}

// A job is cancelled while its handler works on, and returns success.
static void play_cancelled_effects(SystemTest *test)
{
    int64_t id = add_transactional(test, "\"ms\": 700, \"deaf\": 1", "kill_grace => '20 s'");
    (void)journal_await_begin(test, id, 1);
    test_db_run(test->conn, "select ganger.cancel(%" PRId64 ")", id);
    const ProducerOp op = {0, 2, "cancel", NULL, 0};
    int log = open_log(test);
    producer_log_ok(log, &op, id, "t");
    (void)close(log);
    job_await(test, id, "cancelled");
}

// A worker dies right after it has recorded a result (the fault strikes there).
static void play_recorded_result(SystemTest *test)
{
    int64_t id = journal_add(test, 5, NULL, NULL);
    job_await(test, id, "completed");
}

typedef struct Course {
    const char *bug;
    const char *promise; // the beginning of its name
    const char *fault;
    void (*play)(SystemTest *test);
} Course;

static const Course courses[] = {
    {"grandchild_survives", "I4 ", NULL, play_orphan},
    {"live_backend", "I7 ", NULL, play_busy_session},
    {"commit_unfenced", "I9 ", NULL, play_cancelled_effects},
    {"done_forgotten", "I6 ", "result_in_slot:1:kill", play_recorded_result},
};
enum { COURSES = sizeof courses / sizeof courses[0] };

// Plays it with a gangerd of its own. bug NULL: none.
static void run_course(const Course *course, const char *bug, ChaosVerdict *verdict)
{
    void *state = NULL;
    if (bug != NULL) {
        (void)setenv("GANGER_SEEDED_BUG", bug, 1);
    } else {
        (void)unsetenv("GANGER_SEEDED_BUG");
    }
    assert_int_equal(system_setup(&state), 0);
    SystemTest *test = state;
    char *handlers = job_mix_handlers(getenv("GANGER_TEST_PLUGINS"));
    test_db_run(test->conn, "%s", job_mix_set_up());
    (void)daemon_run(test, "north", 2,
                     &(DaemonOptions){.handlers = handlers, .fault = course->fault});
    free(handlers);
    course->play(test);
    daemon_signal(&test->daemons[0], SIGTERM);
    CHECK(test, daemon_wait(&test->daemons[0], DAEMON_PATIENCE_MS) == 0);
    chaos_check(test->conn, test->folder, verdict);
    (void)system_teardown(&state);
    (void)unsetenv("GANGER_SEEDED_BUG");
}

static void test_bugs_of_the_programs(void **state)
{
    (void)state;
    int missed = 0;
    for (int i = 0; i < COURSES; i++) {
        ChaosVerdict verdict = {.is_reported = true};
        run_course(&courses[i], NULL, &verdict);
        assert_int_equal(verdict.broken, 0);
        int tries = 0;
        bool is_found = false;
        while (!is_found && tries++ < TRIES) {
            verdict = (ChaosVerdict){.is_reported = false};
            run_course(&courses[i], courses[i].bug, &verdict);
            is_found = strstr(verdict.names, courses[i].promise) != NULL;
        }
        (void)fprintf(stderr, "seeded bug %s: %s in %d tries\n", courses[i].bug,
                      is_found ? "found" : "missed", tries);
        missed += !is_found;
    }
    assert_int_equal(missed, 0);
}

// A test with a misspelt bug would prove nothing: no process of ganger runs with one.
static void test_misspelt(void **state)
{
    void *made = NULL;
    (void)state;
    (void)setenv("GANGER_SEEDED_BUG", "life_backend", 1);
    assert_int_equal(system_setup(&made), 0);
    SystemTest *test = made;
    Daemon *daemon = daemon_configure(test, "north", NULL);
    daemon_start(daemon);
    CHECK(test, daemon_await_log(daemon, "seeded_bug.refused", DAEMON_PATIENCE_MS));
    (void)unsetenv("GANGER_SEEDED_BUG");
    (void)system_teardown(&made);
}

#ifdef GANGER_FAULT_POINTS
static const bool has_bugs = true;
#else
static const bool has_bugs = false;
#endif

int main(void)
{
    if (!has_bugs) {
        (void)fprintf(stderr, "skipped: this build has no seeded bugs\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bugs_of_the_programs),
        cmocka_unit_test(test_misspelt),
    };
    return cmocka_run_group_tests_name("seeded bugs of the programs", tests, NULL, NULL);
}
