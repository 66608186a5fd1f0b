// SPDX-License-Identifier: MIT
// Tokens between sessions: whoever commits first, a waiter is woken once its token has ended, by that one only, and nobody waits
// for an open transaction. Steps and waits of a job whose row somebody holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/scale.h"
#include "tests/support/test_db.h"

enum { LIMIT_MS = 20000, HELD_WAITERS = 250 };

typedef struct Stage {
    TestDb *db;
    PGconn *waiter;
    PGconn *completer;
    PGconn *duty; // and everybody else
    int64_t id;   // the job that waits
    char *lease;
    char *token; // for this one
} Stage;

static Stage stage;

static void run_a_job(void)
{
    free(stage.lease);
    test_db_run(stage.duty, "select ganger.enqueue('t', max_attempts => 1)");
    stage.id = test_db_int(stage.duty, "select id from ganger.claim('w', lease => '1 h')");
    stage.lease =
        test_db_text(stage.duty, "select lease_id from ganger.job where id = %" PRId64, stage.id);
}

static int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.waiter = test_db_connect(stage.db);
    stage.completer = test_db_connect(stage.db);
    stage.duty = test_db_connect(stage.db);
    test_db_run(stage.duty, "set lock_timeout = '300ms'"); // any wait is an error
    stage.token = test_db_text(stage.duty, "select ganger.create_token()");
    run_a_job();
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.waiter);
    PQfinish(stage.completer);
    PQfinish(stage.duty);
    free(stage.lease);
    free(stage.token);
    return test_db_teardown(state);
}

static void assert_text(PGconn *conn, const char *wanted, const char *sql)
{
    char *text = test_db_text(conn, "%s", sql);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void assert_status(const char *wanted)
{
    char *text =
        test_db_text(stage.duty, "select status from ganger.jobs where id = %" PRId64, stage.id);
    assert_string_equal(text, wanted);
    free(text);
}

static void wait_for_token(const char *wanted)
{
    char *answer = test_db_text(
        stage.waiter, "select ganger.wait_for_token(%" PRId64 ", '%s', '%s') ->> 'status'",
        stage.id, stage.lease, stage.token);
    assert_string_equal(answer, wanted);
    free(answer);
}

static void complete_token(const char *wanted)
{
    char *answer =
        test_db_text(stage.completer, "select ganger.complete_token('%s', '7')", stage.token);
    assert_string_equal(answer, wanted);
    free(answer);
}

static int64_t work_signals(void)
{
    return test_db_int(stage.duty, "select ganger._work_signals()");
}

// The job runs again and learns what became of its token.
static void assert_goes_on(const char *wanted)
{
    assert_status("pending");
    free(stage.lease);
    stage.lease = test_db_text(
        stage.duty, "select lease_id from ganger.claim('w') where id = %" PRId64, stage.id);
    assert_non_null(stage.lease);
    wait_for_token(wanted);
    assert_text(stage.duty, "waiting resumed",
                "select string_agg(event, ' ' order by id) from ganger.event where event in "
                "('waiting', 'resumed')");
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.signal"), 0);
}

// --- every order of beginning and committing

static void test_the_wait_commits_last(void **state)
{
    (void)state;
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    complete_token("t");
    assert_int_equal(work_signals(), 1); // of the completion, which finds nobody
    test_db_run(stage.waiter, "commit");
    assert_status("waiting");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_the_completion_commits_last(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    wait_for_token("waiting");
    assert_int_equal(work_signals(), 1); // of the wait: nothing to be seen yet
    assert_status("waiting");
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_both_are_open_the_wait_commits_first(void **state)
{
    (void)state;
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    test_db_run(stage.waiter, "commit");
    assert_int_equal(work_signals(), 1);
    assert_int_equal(work_signals(), 0);
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_both_are_open_the_completion_commits_first(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1);
    test_db_run(stage.waiter, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

// A claim in the transaction that suspends must not use up its signal.
static void test_a_waiter_leaves_its_signal_to_others(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    test_db_run(stage.waiter, "begin");
    wait_for_token("waiting");
    assert_int_equal(test_db_int(stage.waiter, "select ganger._work_signals()"), 0);
    test_db_run(stage.completer, "commit");
    assert_int_equal(work_signals(), 1); // of the completion, which finds nobody
    test_db_run(stage.waiter, "commit");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_a_completion_rolled_back_wakes_nobody(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    work_signals();
    test_db_run(stage.completer, "rollback");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_status("waiting");
    complete_token("t");
    work_signals();
    assert_goes_on("completed");
}

// What a rolled back pass has looked at is looked at again.
static void test_a_pass_rolled_back_loses_nothing(void **state)
{
    (void)state;
    test_db_run(stage.completer, "begin");
    complete_token("t");
    wait_for_token("waiting");
    work_signals();
    test_db_run(stage.completer, "commit");
    test_db_run(stage.waiter, "begin");
    assert_int_equal(test_db_int(stage.waiter, "select ganger._work_signals()"), 1);
    assert_int_equal(work_signals(), 0); // somebody is at it
    test_db_run(stage.waiter, "rollback");
    assert_status("waiting");
    assert_int_equal(work_signals(), 1);
    assert_goes_on("completed");
}

static void test_a_waiter_that_is_held_is_woken_later(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.waiter, "begin");
    test_db_run(stage.waiter, "select ganger.cancel(%" PRId64 ")", stage.id);
    complete_token("t");
    assert_int_equal(work_signals(), 2); // of the wait and of the completion
    test_db_run(stage.waiter, "rollback");
    assert_status("waiting");
    assert_true(test_db_await(stage.duty, LIMIT_MS,
                              "select ganger._work_signals() >= 0 and status = 'pending' from "
                              "ganger.jobs where id = %" PRId64,
                              stage.id));
    assert_goes_on("completed");
}

static void test_a_waiter_that_is_cancelled_stays_so(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.waiter, "begin");
    test_db_run(stage.waiter, "select ganger.cancel(%" PRId64 ")", stage.id);
    complete_token("t");
    work_signals();
    test_db_run(stage.waiter, "commit");
    assert_true(test_db_await(
        stage.duty, LIMIT_MS,
        "select ganger._work_signals() >= 0 and not exists (select from ganger.signal)"));
    assert_status("cancelled");
}

// Many that are held take no place from the others.
static void test_held_waiters_do_not_delay_others(void **state)
{
    (void)state;
    test_db_run(stage.duty, "select ganger.enqueue('held') from generate_series(1, %d)",
                HELD_WAITERS);
    test_db_run(stage.duty,
                "create table held as select id, lease_id, ganger.create_token() as token "
                "from ganger.claim('w', job_types => '{held}', max_jobs => 1000)");
    test_db_run(stage.duty, "select ganger.wait_for_token(id, lease_id, token) from held");
    test_db_run(stage.waiter, "begin");
    test_db_run(stage.waiter, "select ganger.cancel(id) from held");
    test_db_run(stage.duty, "select ganger.complete_token(token) from held");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    char *answer = test_db_text(stage.duty, "select ganger.wait_for_token(%" PRId64 ", '%s', '%s')",
                                stage.id, stage.lease, stage.token);
    free(answer);
    test_db_run(stage.completer, "commit");
    assert_true(test_db_await(stage.duty, LIMIT_MS,
                              "select ganger._work_signals() >= 0 and status = 'pending' from "
                              "ganger.jobs where id = %" PRId64,
                              stage.id));
    test_db_run(stage.waiter, "rollback");
    assert_true(test_db_await(stage.duty, LIMIT_MS,
                              "select ganger._work_signals() >= 0 and count(*) = %d from "
                              "ganger.job where job_type = 'held' and status = 'pending'",
                              HELD_WAITERS));
}

// --- timeouts

// Makes the token late while the completer holds it.
static void complete_late(void)
{
    test_db_run(stage.duty,
                "update ganger.token set timeout_at = clock_timestamp() + interval '2 s'");
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    assert_true(test_db_await(stage.waiter, LIMIT_MS,
                              "select timeout_at < clock_timestamp() from ganger.token"));
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'expired_tokens'"), 0);
    assert_status("waiting");
}

static void test_a_completion_begun_in_time_counts(void **state)
{
    (void)state;
    complete_late();
    test_db_run(stage.completer, "commit");
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'expired_tokens'"), 0);
    assert_goes_on("completed");
}

static void test_one_that_is_rolled_back_does_not(void **state)
{
    (void)state;
    complete_late();
    test_db_run(stage.completer, "rollback");
    complete_token("f");
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'expired_tokens'"), 1);
    work_signals();
    assert_goes_on("timed_out");
}

// --- who waits for whom

static void test_nobody_waits_but_for_the_same_token(void **state)
{
    (void)state;
    wait_for_token("waiting");
    test_db_run(stage.completer, "begin");
    complete_token("t");
    int64_t first = stage.id;
    run_a_job();
    PGconn *waiter = stage.waiter;
    stage.waiter = stage.duty; // with its lock_timeout
    wait_for_token("waiting");
    stage.waiter = waiter;
    assert_text(stage.duty, "t", "select ganger.complete_token(ganger.create_token())");
    test_db_run(stage.duty, "select ganger.maintain(), ganger.claim('x'), ganger._forget_tokens()");
    test_db_run(stage.duty, "select count(*) from ganger.tokens, ganger.jobs");
    char *second = mem_printf("select ganger.complete_token('%s')", stage.token);
    assert_int_equal(PQsendQuery(stage.waiter, second), 1);
    free(second);
    assert_true(test_db_await(stage.duty, LIMIT_MS, "select pg_blocking_pids(%d) = array[%d]",
                              PQbackendPID(stage.waiter), PQbackendPID(stage.completer)));
    test_db_run(stage.completer, "commit");
    PGresult *result = PQgetResult(stage.waiter);
    assert_string_equal(PQgetvalue(result, 0, 0), "f");
    PQclear(result);
    assert_null(PQgetResult(stage.waiter));
    test_db_run(stage.duty, "select ganger._work_signals()");
    assert_status("pending");
    stage.id = first;
    assert_status("pending");
}

// --- steps and waits of a job whose row is held

static void hold_the_job(void)
{
    test_db_run(stage.completer, "begin");
    test_db_run(stage.completer, "select ganger.cancel(%" PRId64 ")", stage.id);
}

static void assert_call(const char *wanted, const char *function, const char *more)
{
    char *answer = test_db_text(stage.waiter,
                                "select coalesce(ganger.%s(%" PRId64 ", '%s', %s)::text, 'null')",
                                function, stage.id, stage.lease, more);
    assert_string_equal(answer, wanted);
    free(answer);
}

static void test_steps_are_put_off_and_seen(void **state)
{
    (void)state;
    assert_call("true", "step_put", "'a', '1'");
    hold_the_job();
    assert_call("true", "step_put", "'a', '2'");
    assert_call("true", "step_put", "'b', '{\"name\": \"a\"}'");
    assert_call("true", "log", "'not JSON'");
    assert_call("true", "step_put", "'a', '3'");
    assert_call("3", "step_get", "'a'");
    assert_call("{\"name\": \"a\"}", "step_get", "'b'");
    assert_call("null", "step_get", "'c'");
    assert_text(stage.waiter, "{\"a\": 3, \"b\": {\"name\": \"a\"}}",
                "select ganger._steps(id, lease_id) from ganger.job");
    assert_text(stage.duty, "a1", "select string_agg(name || result, ' ') from ganger.step");
    test_db_run(stage.completer, "rollback");
    assert_int_equal(test_db_int(stage.duty, "select ganger.maintain() -> 'late_results'"), 4);
    assert_call("3", "step_get", "'a'");
    assert_text(stage.duty, "2", "select count(*) from ganger.step");
    assert_call("true", "complete", "null");
    assert_text(stage.duty, "0", "select count(*) from ganger.step");
}

// The job completes before anybody has applied them.
static void test_steps_put_off_leave_nothing(void **state)
{
    (void)state;
    hold_the_job();
    assert_call("true", "step_put", "'a', '1'");
    test_db_run(stage.completer, "rollback");
    assert_call("true", "complete", "null");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_text(stage.duty, "0",
                "select count(*) from (select 1 from ganger.step union all select 1 from "
                "ganger.late_result) x");
}

static void test_a_wait_is_put_off_and_applied(void **state)
{
    (void)state;
    hold_the_job();
    assert_call("true", "step_put", "'a', '1'");
    assert_call("true", "wait_for", "'1 h'");
    assert_call("true", "wait_for", "'1 h'"); // repeated
    assert_call("false", "step_put", "'a', '2'");
    assert_call("false", "fail", "'late'");
    test_db_run(stage.completer, "rollback");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_text(stage.duty, "waiting 0 t",
                "select concat_ws(' ', status, attempts, wait_until between "
                "clock_timestamp() + interval '59 min' and clock_timestamp() + "
                "interval '1 h') from ganger.jobs");
    assert_text(stage.duty, "a1", "select string_agg(name || result, ' ') from ganger.step");
}

static void test_a_wait_put_off_yields_to_the_cancel(void **state)
{
    (void)state;
    hold_the_job();
    wait_for_token("waiting");
    test_db_run(stage.completer, "commit");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_status("cancelled");
}

// The token is completed while the wait for it is still put off.
static void test_a_wait_put_off_past_its_token(void **state)
{
    (void)state;
    hold_the_job();
    wait_for_token("waiting");
    char *answer = test_db_text(stage.duty, "select ganger.complete_token('%s')", stage.token);
    assert_string_equal(answer, "t");
    free(answer);
    wait_for_token("waiting"); // repeated: this attempt has ended in a wait
    test_db_run(stage.duty, "select ganger.maintain()");
    test_db_run(stage.completer, "rollback");
    test_db_run(stage.duty, "select ganger.maintain()");
    assert_goes_on("completed");
}

// --- the race

enum {
    RACES_MAX = 10000,
    RACES_LEAST = 1000,
    WAITERS = 4,
    COMPLETERS = 4,
    RACE_LIMIT_MS = 240000,
    PASS_PAUSE_NS = 2000000,
    NAP_NS = 50000,
    SHAKE_NS = 4000000
};

typedef struct Race {
    const TestDb *db;
    int count;
    _Atomic(char *) announced[RACES_MAX]; // tokens that a waiter is just about to wait for
    atomic_int announced_count;
    atomic_int taken_count;
    atomic_int done;
    atomic_int waited;
    atomic_int failed;
    int64_t deadline;
} Race;

static Race race;

static bool is_race_over(void)
{
    return atomic_load(&race.done) >= race.count || atomic_load(&race.failed) > 0 ||
           clock_boot_ms() > race.deadline;
}

static void take_a_nap(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

// Begins and commits come in any order, half of them at once.
static void shake(unsigned *seed)
{
    long ns = rand_r(seed) % SHAKE_NS;
    if (ns % 2 == 0) {
        take_a_nap(ns);
    }
}

static void fail_race(const char *what, const char *token, const char *answer)
{
    print_error("%s: token %s, answer %s\n", what, token, answer);
    atomic_fetch_add(&race.failed, 1);
}

// One run of a job whose payload is its token.
static void run_waiter(PGconn *conn, const char *id, const char *lease, const char *token,
                       unsigned *seed)
{
    // Not asked in the statement that claims: its snapshot is older than what the claim sees.
    const bool is_first = test_db_int(conn,
                                      "select (not exists (select from ganger.attempts where "
                                      "job_id = %s and outcome = 'waiting'))::int",
                                      id) != 0;
    test_db_run(conn, "begin");
    if (is_first) {
        atomic_store(&race.announced[atomic_fetch_add(&race.announced_count, 1)],
                     mem_strdup(token));
        shake(seed);
    }
    char *answer = test_db_text(conn,
                                "select a ->> 'status' || coalesce(' ' || (a ->> 'data'), '') from "
                                "ganger.wait_for_token(%s, '%s', '%s') a",
                                id, lease, token);
    shake(seed);
    test_db_run(conn, "commit");
    char *wanted = mem_printf("completed %s", token);
    if (strcmp(answer, "waiting") == 0 && is_first) {
        atomic_fetch_add(&race.waited, 1);
    } else if (strcmp(answer, wanted) != 0) {
        fail_race(is_first ? "the first run" : "woken by another token", token, answer);
    } else {
        char *is_done = test_db_text(conn, "select ganger.complete(%s, '%s')", id, lease);
        if (strcmp(is_done, "t") != 0) {
            fail_race("not completed", token, is_done);
        }
        free(is_done);
        atomic_fetch_add(&race.done, 1);
    }
    free(wanted);
    free(answer);
}

static void *wait_all(void *argument)
{
    unsigned *seed = argument;
    PGconn *conn = test_db_connect(race.db);
    while (!is_race_over()) {
        PGresult *claimed =
            PQexec(conn, "select c.id, c.lease_id, c.payload #>> '{}' from ganger.claim('w', "
                         "max_jobs => 10) c");
        if (PQresultStatus(claimed) != PGRES_TUPLES_OK) {
            fail_race("claim", "", PQerrorMessage(conn));
        } else if (PQntuples(claimed) == 0) {
            take_a_nap(NAP_NS);
        }
        for (int i = 0; i < PQntuples(claimed); i++) {
            run_waiter(conn, PQgetvalue(claimed, i, 0), PQgetvalue(claimed, i, 1),
                       PQgetvalue(claimed, i, 2), seed);
        }
        PQclear(claimed);
    }
    PQfinish(conn);
    return NULL;
}

// Takes the next announced token; NULL: none is.
static char *take_announced(void)
{
    int next = atomic_load(&race.taken_count);
    while (next < atomic_load(&race.announced_count)) {
        if (atomic_compare_exchange_weak(&race.taken_count, &next, next + 1)) {
            char *token = NULL;
            while ((token = atomic_load(&race.announced[next])) == NULL) {
            }
            return token;
        }
    }
    return NULL;
}

static void *complete_all(void *argument)
{
    unsigned *seed = argument;
    PGconn *conn = test_db_connect(race.db);
    while (!is_race_over()) {
        char *token = take_announced();
        if (token == NULL) {
            take_a_nap(NAP_NS);
            continue;
        }
        test_db_run(conn, "begin");
        char *answer = test_db_text(
            conn, "select ganger.complete_token('%s', to_jsonb('%s'::text))", token, token);
        shake(seed);
        test_db_run(conn, "commit");
        if (strcmp(answer, "t") != 0) {
            fail_race("not the first", token, answer);
        }
        free(answer);
        free(token);
    }
    PQfinish(conn);
    return NULL;
}

// The duties, in sessions that race with each other, too; how many signals they have worked.
static void *work_all(void *argument)
{
    atomic_int *worked = argument;
    int passes = 0;
    PGconn *conn = test_db_connect(race.db);
    while (!is_race_over()) {
        atomic_fetch_add(worked, (int)test_db_int(conn, "select ganger._work_signals()"));
        if (++passes % 20 == 0) {
            test_db_run(conn, "select ganger._tick()");
        }
        take_a_nap(PASS_PAUSE_NS);
    }
    PQfinish(conn);
    return NULL;
}

static void test_no_wake_up_is_lost(void **state)
{
    race.db = *state;
    race.count = (int)test_scale(RACES_MAX, RACES_LEAST);
    race.deadline = clock_boot_ms() + RACE_LIMIT_MS;
    test_db_run(stage.duty,
                "set lock_timeout = 0; select ganger.cancel(%" PRId64
                "); select ganger.complete(%" PRId64 ", '%s')",
                stage.id, stage.id, stage.lease);
    test_db_run(
        stage.duty,
        "select ganger.enqueue_many(jsonb_agg(jsonb_build_object('job_type', 'race', "
        "'max_attempts', 1, 'payload', ganger.create_token()))) from generate_series(1, %d)",
        race.count);
    atomic_int worked = 0;
    unsigned seeds[WAITERS + COMPLETERS];
    pthread_t threads[WAITERS + COMPLETERS + 2];
    int count = 0;
    for (; count < WAITERS; count++) {
        seeds[count] = (unsigned)count + 1;
        pthread_create(&threads[count], NULL, wait_all, &seeds[count]);
    }
    for (; count < WAITERS + COMPLETERS; count++) {
        seeds[count] = (unsigned)count + 1;
        pthread_create(&threads[count], NULL, complete_all, &seeds[count]);
    }
    for (; count < WAITERS + COMPLETERS + 2; count++) {
        pthread_create(&threads[count], NULL, work_all, &worked);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&race.failed), 0);
    assert_int_equal(atomic_load(&race.done), race.count);
    assert_int_equal(test_db_int(stage.duty,
                                 "select count(*) from ganger.jobs where job_type = 'race' and "
                                 "status = 'completed' and attempts = 1"),
                     race.count);
    print_message("%d waited, %d were answered at once, %d signals\n", atomic_load(&race.waited),
                  race.count - atomic_load(&race.waited), atomic_load(&worked));
    assert_true(atomic_load(&race.waited) > 0);
    test_db_run(stage.duty, "select ganger._work_signals(100000)");
    assert_int_equal(test_db_int(stage.duty, "select count(*) from ganger.signal"), 0);
}

#define TOKEN_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(test_the_wait_commits_last),
        TOKEN_TEST(test_the_completion_commits_last),
        TOKEN_TEST(test_both_are_open_the_wait_commits_first),
        TOKEN_TEST(test_both_are_open_the_completion_commits_first),
        TOKEN_TEST(test_a_waiter_leaves_its_signal_to_others),
        TOKEN_TEST(test_a_completion_rolled_back_wakes_nobody),
        TOKEN_TEST(test_a_pass_rolled_back_loses_nothing),
        TOKEN_TEST(test_a_waiter_that_is_held_is_woken_later),
        TOKEN_TEST(test_a_waiter_that_is_cancelled_stays_so),
        TOKEN_TEST(test_held_waiters_do_not_delay_others),
        TOKEN_TEST(test_a_completion_begun_in_time_counts),
        TOKEN_TEST(test_one_that_is_rolled_back_does_not),
        TOKEN_TEST(test_nobody_waits_but_for_the_same_token),
        TOKEN_TEST(test_steps_are_put_off_and_seen),
        TOKEN_TEST(test_steps_put_off_leave_nothing),
        TOKEN_TEST(test_a_wait_is_put_off_and_applied),
        TOKEN_TEST(test_a_wait_put_off_yields_to_the_cancel),
        TOKEN_TEST(test_a_wait_put_off_past_its_token),
        TOKEN_TEST(test_no_wake_up_is_lost),
    };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
