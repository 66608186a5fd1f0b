// SPDX-License-Identifier: MIT
// The waits that are allowed, and how they end: an equal idempotency key; a batch and a cancel at a held row; a claim in flight of a worker
// that is declared dead.
#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/held_row.h"

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

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_an_equal_key_waits_and_gets_the_first_id),
        CASE(test_an_equal_key_given_up_is_taken_over),
        CASE(test_bulk_calls_take_keys_in_one_order),
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
