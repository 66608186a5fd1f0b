// SPDX-License-Identifier: MIT
// SQL handlers: what they leave behind in the session, and what becomes of their functions, does not touch other jobs.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"

static void test_what_a_handler_leaves(void **state)
{
    SystemTest *test = *state;
    test_db_run(
        test->conn,
        "create schema app; create schema evil; create role sql_guest;"
        "create table app.ran (job_id bigint);"
        "create function app.role(payload jsonb, job ganger.jobs) returns jsonb language plpgsql "
        "as $$ declare before name := current_user; begin set role sql_guest; return "
        "to_jsonb(array[before = session_user, current_user = 'sql_guest']); end $$;"
        "create function app.path(payload jsonb, job ganger.jobs) returns jsonb language plpgsql "
        "as $$ begin perform set_config('search_path', 'evil', false); return '\"app\"'; end $$;"
        "create function evil.path(payload jsonb, job ganger.jobs) returns jsonb language sql as "
        "$$ select '\"evil\"'::jsonb $$;"
        "create function app.\"order\"(payload jsonb, job ganger.jobs) returns jsonb language sql "
        "as $$ select payload $$;"
        "create function app.large(payload jsonb, job ganger.jobs) returns jsonb language plpgsql "
        "as $$ begin insert into app.ran values (job.id); return to_jsonb(repeat('x', 1048576)); "
        "end $$");
    daemon_run(test, "sql", 1,
               &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                .handlers = "role: {sql: app.role}, path: {sql: app.path}, order: "
                                            "{sql: app.order}, large: {sql: app.large}"});
    for (int i = 0; i < 2; i++) {
        const int64_t role = job_add(test, "'role'");
        const int64_t path = job_add(test, "'path'");
        const int64_t order = job_add(test, "'order', '7'");
        const int64_t large = job_add(test, "'large', max_attempts => 1");
        job_await(test, large, "failed");
        job_await(test, order, "completed");
        sql_check(test,
                  "(select jsonb_agg(output order by id) from ganger.jobs where id in (%" PRId64
                  ", %" PRId64 ", %" PRId64 ")) = '[[true, true], \"app\", 7]'",
                  role, path, order);
        sql_check(test,
                  "(select error from ganger.jobs where id = %" PRId64
                  ") like 'the output has 1048578 bytes%%'",
                  large);
    }
    sql_check(test, "not exists (select from app.ran)");
    test_db_run(test->conn, "drop role sql_guest");
}

static void test_function_replaced(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "create schema app;"
                            "create function app.f(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select '1'::jsonb $$");
    daemon_run(
        test, "replaced", 1,
        &(DaemonOptions){.pools = "{default: {processes: 1}}", .handlers = "f: {sql: app.f}"});
    const int64_t first = job_add(test, "'f'");
    job_await(test, first, "completed");
    test_db_run(test->conn, "drop function app.f(jsonb, ganger.jobs);"
                            "create function app.f(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select '2'::jsonb $$");
    const int64_t second = job_add(test, "'f'");
    job_await(test, second, "completed");
    sql_check(test,
              "(select jsonb_agg(output order by id) from ganger.jobs where id in (%" PRId64
              ", %" PRId64 ")) = '[1, 2]'",
              first, second);
    test_db_run(test->conn, "drop function app.f(jsonb, ganger.jobs)");
    const int64_t third = job_add(test, "'f', max_attempts => 1");
    job_await(test, third, "failed");
    sql_check(test, "(select error from ganger.jobs where id = %" PRId64 ") like '%%42883%%'",
              third);
}

// Before its first job, so that there is no call of it yet.
static void test_function_gone(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "create schema app;"
                            "create function app.f(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select '1'::jsonb $$");
    Daemon *daemon =
        daemon_run(test, "gone", 1,
                   &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                    .handlers = "f: {sql: app.f}, none: {sql: app.nothing}"});
    CHECK(test, daemon_await_log(daemon, "no function app.nothing", DAEMON_PATIENCE_MS));
    test_db_run(test->conn, "drop function app.f(jsonb, ganger.jobs)");
    const int64_t id = job_add(test, "'f', max_attempts => 1");
    job_await(test, id, "failed");
    sql_check(test,
              "(select error like '%%42883%%' and error not like '%%connection%%' from ganger.jobs "
              "where id = %" PRId64 ")",
              id);
}

// A lock on the table of jobs, taken between the claim and the call, is waited for, longer than the connection's own lock_timeout.
static void test_lock_before_a_job(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn,
                "create schema app; create function app.f(payload jsonb, job ganger.jobs) returns "
                "jsonb language sql as $$ select null::jsonb $$");
    daemon_run(test, "locked", 1,
               &(DaemonOptions){.pools = "{default: {processes: 1}}",
                                .handlers = "f: {sql: app.f}",
                                .fault = "handler_before_complete:2:stop"});
    job_await(test, job_add(test, "'f'"), "completed"); // so its call is got ready
    const pid_t worker = job_await_pid(test, job_add(test, "'f'"));
    CHECK(test, process_await_stop(worker, DAEMON_PATIENCE_MS));
    PGconn *locker = test_db_connect(&test->db);
    test_db_run(locker, "begin; lock table ganger.job in access exclusive mode");
    assert_int_equal(kill(worker, SIGCONT), 0);
    sql_await(test, "exists (select from pg_stat_activity where wait_event_type = 'Lock' and "
                    "query like '%%_end_sql_handler%%' and query_start < clock_timestamp() - "
                    "interval '7 s')");
    test_db_run(locker, "commit");
    PQfinish(locker);
    sql_await(test,
              "(select count(*) = 2 from ganger.jobs where status = 'completed' and attempts = 1)");
}

// Not each has a statement of its own.
static void test_more_than_statements(void **state)
{
    enum { HANDLERS = 260 };
    SystemTest *test = *state;
    test_db_run(test->conn, "create schema app;"
                            "create function app.f(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select to_jsonb(job.job_type) $$");
    StrBuf handlers = {0};
    for (int i = 0; i < HANDLERS; i++) {
        strbuf_printf(&handlers, "%sh%d: {sql: app.f}", i > 0 ? ", " : "", i);
    }
    daemon_run(test, "many", 1,
               &(DaemonOptions){.pools = "{default: {processes: 1}}", .handlers = handlers.text});
    strbuf_free(&handlers);
    test_db_run(test->conn, "select ganger.enqueue('h' || i) from generate_series(0, 259) i");
    sql_await(test, "(select count(*) = 260 from ganger.jobs where status = 'completed' and "
                    "output #>> '{}' = job_type)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_a_handler_leaves, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_function_replaced, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_function_gone, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_lock_before_a_job, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_more_than_statements, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("sql_handlers", tests, NULL, NULL);
}
