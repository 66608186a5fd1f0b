// SPDX-License-Identifier: MIT
// The connection against a real server: time limits, losses, errors, transactions.
#include "tests/integration/db_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { SLACK_MS = 900 }; // what a loaded machine may add to a time limit

static const SqlStatement SQL_ONE = {"t_one", "SELECT $1::int AS n"};
static const SqlStatement SQL_BROKEN = {"t_broken", "SELECT no_such_column FROM pg_class"};
static const SqlStatement SQL_STAR = {"t_star", "SELECT * FROM t"};
static const SqlStatement SQL_COPY = {"t_copy", "COPY t TO STDOUT"};
static const SqlStatement SQL_SETTING = {"t_setting", "SELECT current_setting($1) AS value"};
static const SqlStatement SQL_NOTICE = {"t_notice", "DO $$ BEGIN RAISE NOTICE 'hear'; END $$"};

static Status exec_int(const SqlStatement *statement, int64_t value, int64_t timeout_ms,
                       PGresult **out)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, value);
    return db_exec(db, statement, &params, timeout_ms, out);
}

// The connection answers: a full round trip.
static void assert_usable(void)
{
    PGresult *result = NULL;
    assert_int_equal(exec_int(&SQL_ONE, 7, 5000, &result), STATUS_OK);
    assert_int_equal(db_int(result, 0, "n", -1), 7);
    PQclear(result);
    assert_false(db_is_lost(db));
}

static void assert_setting(const char *name, const char *wanted)
{
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, name);
    PGresult *result = NULL;
    assert_int_equal(db_exec(db, &SQL_SETTING, &params, 5000, &result), STATUS_OK);
    assert_string_equal(db_text(result, 0, "value"), wanted);
    PQclear(result);
}

static void test_settings_are_applied(void **state)
{
    (void)state;
    assert_setting("client_connection_check_interval", "1s");
    assert_setting("lock_timeout", "5s");
    assert_setting("jit", "off");
    assert_setting("idle_in_transaction_session_timeout", "0");
    assert_setting("search_path", "\"$user\", public");
    assert_setting("application_name", "ganger test");
    assert_false(db_is_pooled(db));
}

// A claim that was answered must not be forgotten, whatever the database's own preference; a stronger one stands.
static void test_commits_are_durable(void **state)
{
    (void)state;
    static const char *const values[][2] = {{"off", "on"}, {"local", "local"}, {"on", "on"}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        test_db_run(own, "ALTER DATABASE %s SET synchronous_commit = %s", test_db.name,
                    values[i][0]);
        db_close(db);
        db = test_db_open(&test_db);
        assert_setting("synchronous_commit", values[i][1]);
    }
}

static void test_null_and_bool_fields(void **state)
{
    (void)state;
    static const SqlStatement mixed = {"t_mixed", "SELECT $1::text AS nothing, $2::bool AS yes, "
                                                  "$3::bool AS no"};
    DbParams params;
    db_params_init(&params);
    db_param_null(&params);
    db_param_bool(&params, true);
    db_param_bool(&params, false);
    PGresult *result = NULL;
    assert_int_equal(db_exec(db, &mixed, &params, 5000, &result), STATUS_OK);
    assert_null(db_text(result, 0, "nothing"));
    assert_int_equal(db_int(result, 0, "nothing", 42), 42);
    assert_false(db_bool(result, 0, "nothing"));
    assert_true(db_bool(result, 0, "yes"));
    assert_false(db_bool(result, 0, "no"));
    PQclear(result);
}

static void test_timeout_cancels_the_statement(void **state)
{
    (void)state;
    int64_t began_at = clock_boot_ms();
    PGresult *result = NULL;
    assert_int_equal(exec_int(&SQL_SLEEP, 30, 300, &result), STATUS_RETRY);
    assert_in_range(clock_boot_ms() - began_at, 300, 300 + SLACK_MS);
    assert_null(result);
    assert_string_equal(db_sqlstate(db), "57014");
    // Neither does the statement go on, nor does the cancel hit a later one.
    for (int i = 0; i < 20; i++) {
        assert_usable();
    }
}

static void assert_child_succeeded(pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

// Stops the backend until the returned end of a pipe is closed, by us or by our death: a backend that
// stayed stopped would block every CREATE DATABASE of the other tests.
static int stop_backend(pid_t backend, pid_t *guard)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    *guard = fork();
    assert_true(*guard >= 0);
    if (*guard == 0) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        close(ends[1]);
        char byte;
        while (read(ends[0], &byte, 1) > 0) {
        }
        _exit(kill(backend, SIGCONT) == 0 ? 0 : 1);
    }
    close(ends[0]);
    assert_int_equal(kill(backend, SIGSTOP), 0);
    return ends[1];
}

static void count_waits(void *data)
{
    (*(int *)data)++;
}

// Whoever watches this process sees that it waits, and does not take it for stuck.
static void test_waiting_is_told(void **state)
{
    (void)state;
    int waits = 0;
    db_set_waiting(db, count_waits, &waits);
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, "2.2");
    int64_t began_ms = clock_boot_ms();
    assert_int_equal(db_exec(db, &SQL_SLEEP, &params, DB_STATEMENT_TIMEOUT_MS, NULL), STATUS_OK);
    assert_in_range(waits, 3, (clock_boot_ms() - began_ms) / 100);
}

static void test_stopped_backend_costs_the_connection(void **state)
{
    (void)state;
    assert_usable();
    pid_t guard = -1;
    int hold = stop_backend(db_backend_pid(db), &guard);
    int64_t began_at = clock_boot_ms();
    Status status = exec_int(&SQL_ONE, 1, 200, NULL);
    int64_t took_ms = clock_boot_ms() - began_at;
    db_close(db);
    int64_t closed_ms = clock_boot_ms() - began_at - took_ms;
    db = NULL;
    close(hold);
    assert_child_succeeded(guard);
    assert_int_equal(status, STATUS_LOST);
    assert_in_range(took_ms, 1200, 1200 + SLACK_MS);
    assert_in_range(closed_ms, 0, SLACK_MS);
}

// Calls `function` on the backend once it is asleep in its statement.
static pid_t start_killer(const char *function)
{
    int backend = db_backend_pid(db);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        PGconn *killer = test_db_connect(&test_db);
        bool done =
            test_db_await(killer, 5000,
                          "SELECT coalesce((SELECT %s(pid) FROM pg_stat_activity WHERE pid = %d "
                          "AND wait_event = 'PgSleep'), false)",
                          function, backend);
        _exit(done ? 0 : 1);
    }
    return child;
}

static void test_operator_cancel_is_a_retry(void **state)
{
    (void)state;
    pid_t killer = start_killer("pg_cancel_backend");
    Status status = exec_int(&SQL_SLEEP, 30, 10000, NULL);
    assert_child_succeeded(killer);
    assert_int_equal(status, STATUS_RETRY);
    assert_string_equal(db_sqlstate(db), "57014");
    assert_usable();
}

static void test_terminated_while_running_is_lost(void **state)
{
    (void)state;
    pid_t killer = start_killer("pg_terminate_backend");
    Status status = exec_int(&SQL_SLEEP, 30, 10000, NULL);
    assert_child_succeeded(killer);
    assert_int_equal(status, STATUS_LOST);
    assert_string_equal(db_sqlstate(db), "57P01");
    assert_true(db_is_lost(db));
}

static void test_terminated_while_idle_is_lost(void **state)
{
    (void)state;
    assert_usable();
    test_db_run(own, "SELECT pg_terminate_backend(%d, 5000)", db_backend_pid(db));
    PGresult *result = NULL;
    assert_int_equal(exec_int(&SQL_ONE, 1, 5000, &result), STATUS_LOST);
    assert_null(result);
    assert_true(db_is_lost(db));
    // And it stays so.
    assert_int_equal(exec_int(&SQL_ONE, 1, 5000, NULL), STATUS_LOST);
    assert_int_equal(db_pipeline_begin(db), STATUS_LOST);
}

static void test_closed_socket_is_lost(void **state)
{
    (void)state;
    assert_usable();
    close(db_socket(db));
    assert_int_equal(exec_int(&SQL_ONE, 1, 5000, NULL), STATUS_LOST);
}

static void test_reused_socket_number_is_lost_and_spared(void **state)
{
    (void)state;
    assert_usable();
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int number = db_socket(db);
    assert_int_equal(dup2(pair[0], number), number);
    assert_int_equal(exec_int(&SQL_ONE, 1, 5000, NULL), STATUS_LOST);
    db_close(db);
    db = NULL;
    // Nothing was written to the stranger, and it is still open.
    char byte = 0;
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(send(number, "x", 1, 0), 1);
    assert_int_equal(recv(pair[1], &byte, 1, 0), 1);
    close(number);
    close(pair[0]);
    close(pair[1]);
}

static void test_unread_results_are_lost(void **state)
{
    (void)state;
    // A handler had the connection and forgot to read.
    assert_int_equal(PQsendQuery(db_conn(db), "SELECT 1"), 1);
    assert_int_equal(exec_int(&SQL_ONE, 1, 5000, NULL), STATUS_LOST);
}

static void test_handler_may_use_the_connection_between(void **state)
{
    (void)state;
    assert_usable();
    test_db_run(db_conn(db), "SELECT 1; SELECT 2");
    assert_usable();
    // It may even discard our statements: they are prepared anew.
    test_db_run(db_conn(db), "DEALLOCATE ALL");
    assert_int_equal(exec_int(&SQL_ONE, 1, 5000, NULL), STATUS_RETRY);
    assert_usable();
}

static void test_error_classes(void **state)
{
    (void)state;
    assert_int_equal(exec_int(&SQL_DIVIDE, 0, 5000, NULL), STATUS_REFUSED);
    assert_string_equal(db_sqlstate(db), "22012");
    assert_string_equal(db_error_message(db), "division by zero");
    assert_int_equal(db_exec(db, &SQL_BROKEN, NULL, 5000, NULL), STATUS_FATAL);
    assert_string_equal(db_sqlstate(db), "42703");
    assert_usable();
    assert_string_equal(db_sqlstate(db), "");
    assert_string_equal(db_error_message(db), "");
}

static void test_changed_table_is_a_retry(void **state)
{
    (void)state;
    assert_int_equal(db_exec(db, &SQL_STAR, NULL, 5000, NULL), STATUS_OK);
    test_db_run(own, "ALTER TABLE t ADD COLUMN extra int");
    Status status = db_exec(db, &SQL_STAR, NULL, 5000, NULL);
    Status again = db_exec(db, &SQL_STAR, NULL, 5000, NULL);
    test_db_run(own, "ALTER TABLE t DROP COLUMN extra");
    assert_int_equal(status, STATUS_RETRY);
    assert_int_equal(again, STATUS_OK);
}

static void test_copy_is_lost_not_hung(void **state)
{
    (void)state;
    assert_int_equal(db_exec(db, &SQL_COPY, NULL, 2000, NULL), STATUS_LOST);
}

static void test_notice_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(db_exec(db, &SQL_NOTICE, NULL, 2000, NULL), STATUS_OK);
}

static void test_transaction_over_several_calls(void **state)
{
    (void)state;
    assert_int_equal(db_begin(db), STATUS_OK);
    assert_int_equal(exec_int(&SQL_INSERT, 1, 5000, NULL), STATUS_OK);
    assert_int_equal(db_rollback(db), STATUS_OK);
    assert_int_equal(db_begin(db), STATUS_OK);
    assert_int_equal(exec_int(&SQL_INSERT, 2, 5000, NULL), STATUS_OK);
    assert_int_equal(exec_int(&SQL_DIVIDE, 0, 5000, NULL), STATUS_REFUSED);
    assert_int_equal(db_commit(db), STATUS_REFUSED); // it can only roll back
    assert_int_equal(db_begin(db), STATUS_OK);
    assert_int_equal(exec_int(&SQL_INSERT, 3, 5000, NULL), STATUS_OK);
    assert_int_equal(db_commit(db), STATUS_OK);
    assert_int_equal(test_db_int(own, "SELECT sum(n) FROM t"), 3);
}

static void assert_open_fails(const char *url, Status wanted, const char *why)
{
    Db *other = NULL;
    assert_int_equal(db_open(&other, url, "ganger test", 2000, true), wanted);
    assert_null(other);
    if (strstr(db_open_error(), why) == NULL) {
        fail_msg("'%s' does not contain '%s'", db_open_error(), why);
    }
    assert_null(strstr(db_open_error(), "s3cret"));
}

static void test_open_failures(void **state)
{
    (void)state;
    assert_open_fails("postgresql://u:s3cret@/x?no_such_option=s3cret", STATUS_REFUSED,
                      "malformed");
    assert_open_fails("postgresql://u:s3cret/x", STATUS_REFUSED, "a port is no number");
    assert_open_fails("host=a,b port=1,2,3", STATUS_REFUSED, "not as many ports as hosts");
    assert_open_fails("host=/nonexistent password=s3cret dbname=x", STATUS_LOST, "No such file");
    char url[600];
    snprintf(url, sizeof url, "%s password=s3cret dbname=no_such_database", test_db.url);
    assert_open_fails(url, STATUS_LOST, "no_such_database");
}

// A server that accepts and then says nothing.
static void test_open_has_a_time_limit(void **state)
{
    (void)state;
    char folder[] = "/tmp/ganger_test.XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 5), 0);
    char url[200];
    snprintf(url, sizeof url, "host=%s dbname=x user=x", folder);
    Db *other = NULL;
    int64_t began_at = clock_boot_ms();
    Status status = db_open(&other, url, "ganger test", 300, true);
    int64_t took_ms = clock_boot_ms() - began_at;
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
    assert_int_equal(status, STATUS_LOST);
    assert_string_equal(db_open_error(), "timeout");
    assert_in_range(took_ms, 300, 300 + SLACK_MS);
}

#define WITH_CONNECTION(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        WITH_CONNECTION(test_settings_are_applied),
        WITH_CONNECTION(test_commits_are_durable),
        WITH_CONNECTION(test_null_and_bool_fields),
        WITH_CONNECTION(test_timeout_cancels_the_statement),
        WITH_CONNECTION(test_waiting_is_told),
        WITH_CONNECTION(test_stopped_backend_costs_the_connection),
        WITH_CONNECTION(test_operator_cancel_is_a_retry),
        WITH_CONNECTION(test_terminated_while_running_is_lost),
        WITH_CONNECTION(test_terminated_while_idle_is_lost),
        WITH_CONNECTION(test_closed_socket_is_lost),
        WITH_CONNECTION(test_reused_socket_number_is_lost_and_spared),
        WITH_CONNECTION(test_unread_results_are_lost),
        WITH_CONNECTION(test_handler_may_use_the_connection_between),
        WITH_CONNECTION(test_error_classes),
        WITH_CONNECTION(test_changed_table_is_a_retry),
        WITH_CONNECTION(test_copy_is_lost_not_hung),
        WITH_CONNECTION(test_notice_is_no_error),
        WITH_CONNECTION(test_transaction_over_several_calls),
        WITH_CONNECTION(test_open_failures),
        WITH_CONNECTION(test_open_has_a_time_limit),
    };
    return cmocka_run_group_tests_name("db", tests, setup_database, teardown_database);
}
