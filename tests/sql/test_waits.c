// SPDX-License-Identifier: MIT
// The waits that are allowed, and how they end: an equal idempotency key; the same running job, for 100 ms; a claim in flight
// of a worker that is declared dead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/test_db.h"

enum { LIMIT_MS = 20000 };

typedef struct Stage {
    TestDb *db;
    PGconn *a; // the holder
    PGconn *b; // the one beside it
    PGconn *watcher;
    int64_t id;
    char *lease;
} Stage;

static Stage stage;

static int setup(void **state)
{
    test_db_setup(state);
    stage = (Stage){.db = *state};
    stage.a = test_db_connect(stage.db);
    stage.b = test_db_connect(stage.db);
    stage.watcher = test_db_connect(stage.db);
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.a);
    PQfinish(stage.b);
    PQfinish(stage.watcher);
    free(stage.lease);
    return test_db_teardown(state);
}

// Starts `sql` on b; it must come to wait for a.
static void send_and_wait_blocked(const char *sql)
{
    assert_int_equal(PQsendQuery(stage.b, sql), 1);
    assert_true(test_db_await(stage.watcher, LIMIT_MS, "select pg_blocking_pids(%d) = array[%d]",
                              PQbackendPID(stage.b), PQbackendPID(stage.a)));
}

// The answer of what b was waiting with; caller frees.
static char *receive(void)
{
    PGresult *result = PQgetResult(stage.b);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        print_error("%s", PQresultErrorMessage(result));
    }
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    char *text = PQntuples(result) > 0 ? mem_strdup(PQgetvalue(result, 0, 0)) : mem_strdup("");
    PQclear(result);
    assert_null(PQgetResult(stage.b));
    return text;
}

static void assert_text(PGconn *conn, const char *sql, const char *wanted)
{
    char *text = test_db_text(conn, "%s", sql);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

// --- an equal idempotency key

static void test_an_equal_key_waits_and_gets_the_first_id(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    int64_t first = test_db_int(stage.a, "select ganger.enqueue('t', idempotency_key => 'k')");
    send_and_wait_blocked("select ganger.enqueue('t', idempotency_key => 'k')");
    test_db_run(stage.a, "commit");
    char *answer = receive();
    assert_int_equal(strtoll(answer, NULL, 10), first);
    free(answer);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.job"), 1);
}

static void test_an_equal_key_given_up_is_taken_over(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    int64_t first = test_db_int(stage.a, "select ganger.enqueue('t', idempotency_key => 'k')");
    send_and_wait_blocked("select ganger.enqueue('t', idempotency_key => 'k')");
    test_db_run(stage.a, "rollback");
    char *answer = receive();
    assert_int_not_equal(strtoll(answer, NULL, 10), first);
    free(answer);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.job"), 1);
}

// Two bulk calls with the same keys in opposite order: one waits, nobody deadlocks.
static void test_bulk_calls_take_keys_in_one_order(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    int64_t first = test_db_int(
        stage.a,
        "select min(id) from ganger.enqueue_many('[{\"job_type\": \"t\", "
        "\"idempotency_key\": \"x\"}, {\"job_type\": \"t\", \"idempotency_key\": \"y\"}]') "
        "id");
    send_and_wait_blocked("select min(id) from ganger.enqueue_many('[{\"job_type\": \"t\", "
                          "\"idempotency_key\": \"y\"}, {\"job_type\": \"t\", \"idempotency_key\": "
                          "\"x\"}, {\"job_type\": \"t\", \"idempotency_key\": \"a\"}]') id");
    test_db_run(stage.a, "commit");
    char *answer = receive();
    assert_int_equal(strtoll(answer, NULL, 10), first);
    free(answer);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.job"), 3);
}

// --- the same running job

static void run_a_job(void)
{
    test_db_run(stage.watcher, "select ganger.enqueue('t')");
    stage.id = test_db_int(stage.watcher, "select id from ganger.claim('w', lease => '1 h')");
    stage.lease = test_db_text(stage.watcher, "select lease_id from ganger.job where id = %" PRId64,
                               stage.id);
}

static void hold_by_cancel(void)
{
    run_a_job();
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.cancel(%" PRId64 ")", stage.id);
}

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

// --- batches, transactions with effects

static void test_a_batch_is_told_which_row_is_held(void **state)
{
    (void)state;
    hold_by_cancel();
    PGresult *result = PQexec(stage.b, "select ganger._finish_completed(array_agg(id), "
                                       "array_agg(lease_id), array_agg(null::text), "
                                       "array_agg(1::bigint), array_agg(1::bigint), "
                                       "array_agg(1::bigint), array_agg(1::bigint), "
                                       "array_agg(null::text)) from ganger.job");
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "55P03");
    PQclear(result);
    test_db_run(stage.a, "rollback");
}

// Completion as part of a transaction with effects waits, as its answer must be final.
static void test_effects_wait_for_a_final_answer(void **state)
{
    (void)state;
    test_db_run(stage.watcher,
                "create function h(jsonb, ganger.jobs) returns jsonb language sql as "
                "'select to_jsonb(7)'");
    hold_by_cancel();
    char *sql =
        mem_printf("select ganger.run_sql_handler('h', %" PRId64 ", '%s')", stage.id, stage.lease);
    send_and_wait_blocked(sql);
    free(sql);
    test_db_run(stage.a, "commit");
    PGresult *result = PQgetResult(stage.b);
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "GG002");
    PQclear(result);
    assert_null(PQgetResult(stage.b));
    assert_text(stage.watcher, "select status from ganger.jobs", "processing");
}

// What holds history for a moment (a partition that is dropped) is waited for: a cancel has no later.
static void test_a_cancel_waits_for_history(void **state)
{
    (void)state;
    int64_t id = test_db_int(stage.watcher, "select ganger.enqueue('t')");
    test_db_run(stage.a, "begin; lock table ganger.history in access exclusive mode");
    char *sql = mem_printf("select ganger.cancel(%" PRId64 ")", id);
    send_and_wait_blocked(sql);
    free(sql);
    test_db_run(stage.watcher, "select pg_sleep(0.3)");
    test_db_run(stage.a, "commit");
    char *answer = receive();
    assert_string_equal(answer, "t");
    free(answer);
    assert_text(stage.watcher, "select status from ganger.jobs", "cancelled");
}

// --- death

static int64_t register_worker(void)
{
    test_db_run(stage.watcher, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    return test_db_int(stage.watcher, "select ganger._register_worker((select max(id) from "
                                      "ganger.node), 'p', 1, 1, false)");
}

static void take(PGconn *conn, int64_t worker, int count)
{
    test_db_run(conn,
                "select ganger._take_jobs(%" PRId64
                ", 1, null, null, '{default}', '{t}', %d, null, "
                "null)",
                worker, count);
}

static void test_a_burial_waits_for_a_claim_in_flight(void **state)
{
    (void)state;
    int64_t worker = register_worker();
    test_db_run(stage.watcher, "select ganger.enqueue('t') from generate_series(1, 5)");
    test_db_run(stage.a, "begin");
    take(stage.a, worker, 3);
    char *sql = mem_printf("select ganger._mark_worker_dead(%" PRId64 ")", worker);
    send_and_wait_blocked(sql);
    free(sql);
    test_db_run(stage.a, "commit");
    free(receive());
    // what it claimed is there to be settled
    assert_int_equal(test_db_int(stage.b,
                                 "select count(*) from ganger.job where worker_id = %" PRId64
                                 " and status = 'processing'",
                                 worker),
                     3);
}

// A worker that registers while its node is buried or stopped: it waits for the registration, or the registration is refused.
static void play_late_registration(const char *end_of_node)
{
    register_worker();
    test_db_run(stage.a, "begin");
    test_db_run(
        stage.a,
        "select ganger._register_worker((select max(id) from ganger.node), 'p', 2, 1, false)");
    send_and_wait_blocked(end_of_node);
    test_db_run(stage.a, "commit");
    PGresult *result = PQgetResult(stage.b);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    assert_null(PQgetResult(stage.b));
    assert_null(test_db_text(stage.a, "select ganger._register_worker((select max(id) from "
                                      "ganger.node), 'p', 3, 1, false)"));
}

static void test_a_burial_waits_for_a_registration(void **state)
{
    (void)state;
    play_late_registration("select count(*) from ganger.node n, ganger._bury_node(n.id, 0)");
    assert_int_equal(
        test_db_int(stage.watcher, "select count(*) from ganger.worker where state = 'dead'"), 2);
}

static void test_a_stop_waits_for_a_registration(void **state)
{
    (void)state;
    play_late_registration("select ganger._stop_node((select max(id) from ganger.node))");
}

static void settle(PGconn *conn, int64_t worker, int64_t running, const char *lease)
{
    test_db_run(conn,
                "select * from ganger._settle_worker(%" PRId64
                ", '{}', '{}', '{}', '{}', '{}', '{}', "
                "'{}', '{}', '{}', '{}', %" PRId64
                ", '%s', 'crashed', 'killed', null, 9, 1000, 2000, 'log', 5000, "
                "false, 'never started')",
                worker, running, lease);
}

// Two reapers settle the same worker: each job is charged or given back once.
static void play_two_settlers(const char *end)
{
    int64_t worker = register_worker();
    test_db_run(stage.watcher, "select ganger.enqueue('t') from generate_series(1, 4)");
    take(stage.watcher, worker, 4);
    int64_t running = test_db_int(stage.watcher, "select min(id) from ganger.job");
    char *lease =
        test_db_text(stage.watcher, "select lease_id from ganger.job where id = %" PRId64, running);
    test_db_run(stage.watcher, "select ganger._mark_worker_dead(%" PRId64 ")", worker);
    test_db_run(stage.a, "begin");
    settle(stage.a, worker, running, lease);
    settle(stage.b, worker, running, lease);
    test_db_run(stage.a, "%s", end);
    test_db_run(stage.b, "select ganger.maintain()");
    assert_text(
        stage.watcher,
        "select string_agg(status || attempts || crashes, ' ' order by id) from ganger.jobs",
        "pending11 pending00 pending00 pending00");
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.attempt"), 4);
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 0);
    free(lease);
}

static void test_two_settlers_charge_once(void **state)
{
    (void)state;
    play_two_settlers("commit");
}

static void test_a_settler_takes_over_from_one_that_fails(void **state)
{
    (void)state;
    play_two_settlers("rollback");
}

// Somebody's open cancel() holds every row of a dead worker: its settling waits for none of them, and nothing is lost.
static void test_a_settling_does_not_wait_for_rows(void **state)
{
    (void)state;
    int64_t worker = register_worker();
    test_db_run(stage.watcher, "select ganger.enqueue('t') from generate_series(1, 60)");
    take(stage.watcher, worker, 60);
    int64_t running = test_db_int(stage.watcher, "select min(id) from ganger.job");
    char *lease =
        test_db_text(stage.watcher, "select lease_id from ganger.job where id = %" PRId64, running);
    test_db_run(stage.watcher, "select ganger._mark_worker_dead(%" PRId64 ")", worker);
    test_db_run(stage.a, "begin");
    test_db_run(stage.a,
                "select ganger.cancel(id) from ganger.job where id <> %" PRId64 " order by id",
                running);
    int64_t began_at = clock_boot_ms();
    settle(stage.b, worker, running, lease);
    assert_in_range(clock_boot_ms() - began_at, 0, 3000); // at 100 ms a row it would be 6 s
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.late_result"), 59);
    test_db_run(stage.a, "rollback");
    test_db_run(stage.b, "select ganger.maintain()");
    assert_int_equal(test_db_int(stage.watcher, "select count(*) from ganger.jobs where status = "
                                                "'pending' and attempts = 0"),
                     59);
    assert_int_equal(
        test_db_int(stage.watcher, "select crashes from ganger.jobs where id = %" PRId64, running),
        1);
    free(lease);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_an_equal_key_waits_and_gets_the_first_id),
        CASE(test_an_equal_key_given_up_is_taken_over),
        CASE(test_bulk_calls_take_keys_in_one_order),
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
        CASE(test_a_batch_is_told_which_row_is_held),
        CASE(test_effects_wait_for_a_final_answer),
        CASE(test_a_cancel_waits_for_history),
        CASE(test_a_burial_waits_for_a_claim_in_flight),
        CASE(test_a_burial_waits_for_a_registration),
        CASE(test_a_stop_waits_for_a_registration),
        CASE(test_two_settlers_charge_once),
        CASE(test_a_settler_takes_over_from_one_that_fails),
        CASE(test_a_settling_does_not_wait_for_rows),
    };
    return cmocka_run_group_tests_name("waits", tests, NULL, NULL);
}
