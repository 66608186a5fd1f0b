// SPDX-License-Identifier: MIT
// What is said of a running job whose row somebody holds: it is waited for for 100 ms, then put off, and counts as if it had come in time.
#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/held_row.h"

// --- the same running job

static void let_go_and_maintain(const char *end)
{
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 1);
    // a pass while it is held changes nothing, and waits for nobody
    test_db_run(stage.watcher, "set lock_timeout = '300ms'");
    assert_int_equal(test_db_int(stage.watcher, "select ganger.maintain() -> 'late_results'"), 0);
    test_db_run(stage.a, "%s", end);
    assert_int_equal(test_db_int(stage.watcher, "select ganger.maintain() -> 'late_results'"), 1);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 0);
}

static char *call_on_job(const char *function, const char *more)
{
    return test_db_text(stage.b, "select ganger.%s(%" PRId64 ", '%s'%s)", function, stage.id,
                        stage.lease, more);
}

static void assert_accepted(const char *function, const char *more)
{
    char *answer = call_on_job(function, more);
    assert_string_equal(answer, "t");
    free(answer);
}

// gangerd's way to end a job, with what its worker knows of the attempt.
static void assert_settled(const char *outcome, const char *body, const char *wanted)
{
    char *answer = test_db_text(stage.b,
                                "select coalesce(ganger._settle_result(%" PRId64
                                ", '%s', '%s', %s, null, 3, 9, 7000, "
                                "4096, 'last words', 2000000, 0), 'stale')",
                                stage.id, stage.lease, outcome, body);
    assert_string_equal(answer, wanted);
    free(answer);
}

static void assert_refused(const char *function, const char *more)
{
    char *answer = call_on_job(function, more);
    assert_string_equal(answer, "f");
    free(answer);
}

static void test_a_completion_is_deferred_and_applied(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_settled("completed", "'{\"r\": 1}'", "deferred");
    let_go_and_maintain("rollback");
    assert_text(stage.watcher, "select status || ' ' || output from ganger.jobs",
                "completed {\"r\": 1}");
}

static void test_a_completion_deferred_yields_to_the_cancel(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_settled("completed", "'{\"r\": 1}'", "deferred");
    let_go_and_maintain("commit");
    assert_text(stage.watcher, "select status from ganger.jobs", "cancelled");
}

// One result per lease, also while it waits to be applied.
static void test_a_result_repeated_while_deferred(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_settled("completed", "'1'", "deferred");
    assert_settled("completed", "'2'", "already");
    assert_settled("error", "'late'", "stale");
    assert_refused("fail", ", 'late'");
    assert_refused("heartbeat", "");
    assert_refused("log", ", 'late'");
    test_db_run(stage.a, "rollback");
    assert_refused("discard", ", 'late'");
    assert_refused("complete", ", '3'"); // it is not completed before the duty has said so
    assert_int_equal(test_db_int(stage.watcher, "select ganger.maintain() -> 'late_results'"), 1);
    assert_text(stage.watcher, "select status || output from ganger.jobs", "completed1");
    assert_accepted("complete", "");
}

static void test_a_batch_leaves_deferred_results_alone(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_accepted("fail", ", 'boom'");
    test_db_run(stage.a, "rollback");
    assert_int_equal(test_db_int(stage.b,
                                 "select cardinality(ganger._finish_completed(array_agg(id), "
                                 "array_agg(lease_id), '{null}', '{1}', '{1}', '{1}', '{1}', "
                                 "'{null}')) from ganger.job"),
                     1);
    test_db_run(stage.watcher, "select ganger.maintain()");
    assert_text(stage.watcher, "select error from ganger.jobs", "boom");
}

// What is known about the attempt waits with its result.
static void test_a_deferred_result_keeps_its_facts(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_settled("crashed", "'killed'", "deferred");
    test_db_run(stage.watcher, "select pg_sleep(0.3)");
    let_go_and_maintain("rollback");
    assert_text(stage.watcher,
                "select concat_ws(' ', outcome, exit_code, signal, cpu_time, max_rss, log, "
                "finished_at - started_at, finished_at < clock_timestamp() - interval '0.3 s') "
                "from ganger.attempts",
                "crashed 3 9 00:00:00.007 4096 last words 00:00:02 t");
}

// An outside worker commits effects of its own with a completion: true must be final.
static void test_an_outside_completion_is_refused_while_held(void **state)
{
    (void)state;
    hold_by_cancel();
    PGresult *result = PQexec(stage.b, "select ganger.complete(id, lease_id, '1') from ganger.job");
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "55P03");
    assert_non_null(
        strstr(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), "cannot be completed now"));
    assert_non_null(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
    assert_non_null(strstr(PQresultErrorField(result, PG_DIAG_MESSAGE_HINT), "call again"));
    PQclear(result);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 0);
    test_db_run(stage.a, "rollback");
    assert_accepted("complete", ", '1'");
    assert_text(stage.watcher, "select status from ganger.jobs", "completed");
}

static void test_a_failure_is_deferred_and_applied(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_accepted("fail", ", 'boom'");
    let_go_and_maintain("rollback");
    assert_text(stage.watcher,
                "select status || ' ' || pending_reason || ' ' || error from "
                "ganger.jobs",
                "pending retry boom");
}

static void test_a_snooze_is_deferred_and_applied(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_accepted("snooze", ", '1 h'");
    let_go_and_maintain("rollback");
    assert_text(stage.watcher,
                "select status || ' ' || pending_reason || attempts from ganger.jobs",
                "pending scheduled0");
}

static void test_a_release_is_deferred_and_applied(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_int_equal(test_db_int(stage.b, "select ganger._release('{%" PRId64 "}', '{%s}', 'x')",
                                 stage.id, stage.lease),
                     1);
    let_go_and_maintain("rollback");
    assert_text(stage.watcher, "select status || attempts from ganger.jobs", "pending0");
}

// A lease that runs out while the result waits: the result counts.
static void test_a_deferred_result_outlives_the_lease(void **state)
{
    (void)state;
    run_a_job();
    test_db_run(stage.watcher, "update ganger.job set lease_until = now() - interval '1 s'");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.cancel(%" PRId64 ")", stage.id);
    assert_accepted("discard", ", 'hopeless'");
    test_db_run(stage.a, "rollback");
    assert_int_equal(
        test_db_int(stage.watcher, "select cardinality(ganger._reclaim_expired_leases())"), 0);
    test_db_run(stage.watcher, "select ganger.maintain()");
    assert_text(stage.watcher, "select failure_reason from ganger.jobs", "discarded");
}

// --- what a running job says of itself: true means that it is written, or will be

static void say_much(void)
{
    assert_accepted("log", ", 'one'");
    assert_accepted("set_progress", ", 30, 'm', 's'");
    assert_accepted("set_output", ", '{\"o\": 1}'");
    assert_accepted("log", ", 'two'");
    assert_accepted("set_progress", ", 40");
}

static void assert_said(void)
{
    assert_text(
        stage.watcher,
        "select concat_ws(' ', progress, progress_message, stage) from (select progress, "
        "progress_message, stage from ganger.job union all select progress, progress_message, "
        "stage from ganger.history) j",
        "40 m s");
    assert_text(stage.watcher, "select log from ganger.attempts", "one\ntwo\n");
    assert_text(stage.watcher,
                "select string_agg(data ->> 'percent', ' ') from ganger.jobs j, "
                "ganger.job_events(j.id) e where e.event = 'progress'",
                "30 40");
}

static void test_notes_are_put_off_and_written(void **state)
{
    (void)state;
    hold_by_cancel();
    say_much();
    assert_int_equal(test_db_int(stage.watcher, "select ganger.maintain() -> 'late_results'"), 0);
    test_db_run(stage.a, "rollback");
    assert_int_equal(test_db_int(stage.watcher, "select ganger.maintain() -> 'late_results'"), 5);
    assert_said();
    assert_text(stage.watcher, "select output ->> 'o' from ganger.jobs", "1");
}

// Without the duty: whatever comes next for the lease writes them first.
static void test_notes_come_before_later_ones(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_accepted("log", ", 'one'");
    assert_accepted("set_progress", ", 30, 'm', 's'");
    test_db_run(stage.a, "rollback");
    assert_accepted("log", ", 'two'");
    assert_accepted("set_progress", ", 40");
    assert_said();
}

static void test_notes_come_before_the_result(void **state)
{
    (void)state;
    hold_by_cancel();
    say_much();
    test_db_run(stage.a, "rollback");
    assert_accepted("complete", "");
    assert_said();
    assert_text(stage.watcher, "select output ->> 'o' from ganger.jobs", "1");
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 0);
}

static void test_notes_come_before_a_deferred_result(void **state)
{
    (void)state;
    hold_by_cancel();
    say_much();
    assert_settled("completed", "null", "deferred");
    test_db_run(stage.a, "rollback");
    test_db_run(stage.watcher, "update ganger.late_result set facts.log = null");
    test_db_run(stage.watcher, "select ganger.maintain()");
    assert_said();
    assert_text(stage.watcher, "select status || (output ->> 'o') from ganger.jobs", "completed1");
}

static void test_notes_come_before_a_batch(void **state)
{
    (void)state;
    hold_by_cancel();
    say_much();
    test_db_run(stage.a, "rollback");
    assert_text(stage.b,
                "select ganger._finish_completed(array_agg(id), array_agg(lease_id), '{null}', "
                "'{1}', '{1}', '{1}', '{1}', '{null}') from ganger.job",
                "{}");
    assert_said();
    assert_text(stage.watcher, "select status || (output ->> 'o') from ganger.jobs", "completed1");
}

// An acknowledged heartbeat holds, although the row could not be written before the lease ran out.
static void test_a_heartbeat_put_off_holds(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_accepted("heartbeat", ", '2 h'");
    test_db_run(stage.a, "rollback");
    test_db_run(stage.watcher, "update ganger.job set lease_until = now() - interval '1 s'");
    assert_int_equal(test_db_int(stage.watcher, "select ganger.maintain() -> 'reclaimed'"), 0);
    assert_text(stage.watcher, "select lease_until > now() + interval '119 min' from ganger.job",
                "t");
}

static void test_a_heartbeat_does_not_outdo_a_cancel(void **state)
{
    (void)state;
    hold_by_cancel();
    assert_accepted("heartbeat", ", '2 h'");
    test_db_run(stage.a, "commit");
    assert_refused("heartbeat", ", '3 h'");
    test_db_run(stage.watcher, "select ganger.maintain()");
    assert_text(stage.watcher, "select lease_until < now() + interval '61 min' from ganger.job",
                "t");
    // held once more: the cancel is committed all the same
    test_db_run(stage.a, "begin; select from ganger.job for update");
    assert_refused("heartbeat", "");
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 0);
    test_db_run(stage.a, "rollback");
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_a_completion_is_deferred_and_applied),
        CASE(test_a_completion_deferred_yields_to_the_cancel),
        CASE(test_a_result_repeated_while_deferred),
        CASE(test_a_batch_leaves_deferred_results_alone),
        CASE(test_a_deferred_result_keeps_its_facts),
        CASE(test_an_outside_completion_is_refused_while_held),
        CASE(test_a_failure_is_deferred_and_applied),
        CASE(test_a_snooze_is_deferred_and_applied),
        CASE(test_a_release_is_deferred_and_applied),
        CASE(test_a_deferred_result_outlives_the_lease),
        CASE(test_notes_are_put_off_and_written),
        CASE(test_notes_come_before_later_ones),
        CASE(test_notes_come_before_the_result),
        CASE(test_notes_come_before_a_deferred_result),
        CASE(test_notes_come_before_a_batch),
        CASE(test_a_heartbeat_put_off_holds),
        CASE(test_a_heartbeat_does_not_outdo_a_cancel),
    };
    return cmocka_run_group_tests_name("deferred results", tests, NULL, NULL);
}
