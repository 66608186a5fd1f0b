// SPDX-License-Identifier: MIT
// gangerd and ganger behind PgBouncer in transaction mode, whose two connections to the server they share. The test itself is
// connected directly.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/pooled.h"

enum { COMMAND_WORDS = 8 };

// All that was left behind in the two sessions everybody shares.
static void check_sessions_are_clean(SystemTest *test)
{
    char url[400];
    PGconn *conns[POOLED_CONNECTIONS];
    private_pooler_url(test->db.name, "postgres", url, sizeof url);
    for (int i = 0; i < POOLED_CONNECTIONS; i++) {
        conns[i] = PQconnectdb(url);
        CHECK(test, PQstatus(conns[i]) == CONNECTION_OK);
        test_db_run(conns[i], "begin"); // keeps the other one for the next
        char *left = test_db_text(
            conns[i], "select concat_ws(', ', "
                      "(select string_agg(name, ', ') from pg_prepared_statements), "
                      "(select string_agg(c, ', ') from pg_listening_channels() c), "
                      "(select string_agg(name, ', ') from pg_settings where source = 'session' "
                      " and name not in ('application_name', 'client_encoding')), "
                      "(select string_agg(mode, ', ') from pg_locks where locktype = 'advisory'), "
                      "(select string_agg(relname, ', ') from pg_class "
                      " where relpersistence = 't'))");
        assert_string_equal(left, "");
        free(left);
    }
    for (int i = 0; i < POOLED_CONNECTIONS; i++) {
        test_db_run(conns[i], "commit");
        PQfinish(conns[i]);
    }
}

static void test_jobs(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = pooled_run(test, "pooled", "postgres",
                                &(DaemonOptions){.handlers = "said: {exec: [/bin/echo, '7']}"});
    CHECK(test, daemon_log_count(daemon, "database.pooled") == 1);
    pooled_add_journals(test, 500);
    int64_t said = job_add(test, "'said'");
    int64_t late = job_add(test, "'echo', '{\"a\": 1}', run_at => now() + interval '500 ms'");
    int64_t flaky = journal_add(test, 0, "\"fail_until\": 2", "retry_delay => '50 ms'");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 503");
    sql_check(test, "(select output = '7' from ganger.jobs where id = %" PRId64 ")", said);
    sql_check(test, "(select attempts = 2 and crashes = 0 from ganger.jobs where id = %" PRId64 ")",
              flaky);
    sql_check(test, "(select max(attempts) from ganger.jobs where id <> %" PRId64 ") = 1", flaky);
    sql_check(test, "(select started_at >= run_at from ganger.jobs where id = %" PRId64 ")", late);
    // Two workers and the reaper had two sessions of the server.
    CHECK(test, pooled_count_clients(test->db.name) == 3);
    sql_check(test,
              "(select count(*) between 1 and %d from pg_stat_activity "
              "where datname = current_database() and pid <> pg_backend_pid() "
              "and backend_type = 'client backend')",
              POOLED_CONNECTIONS);
    pooled_check_no_terminations(test);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    check_sessions_are_clean(test);
}

// Where a job has come more are looked for before the next regular poll: one after the other, each would wait for one, 30 s.
static void test_one_after_the_other(void **state)
{
    SystemTest *test = *state;
    pooled_run(test, "trickle", "postgres", &(DaemonOptions){.poll = "5s"});
    job_await(test, job_add(test, "'noop'"), "completed");
    int64_t at = clock_boot_ms();
    for (int i = 0; i < 6; i++) {
        job_await(test, job_add(test, "'noop'"), "completed");
    }
    CHECK(test, clock_boot_ms() - at < slow_ms(15000));
}

static void test_direct_connections(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "direct", 3, &(DaemonOptions){.pools = "{default: {processes: 3}}"});
    sql_await(test, "(select count(*) = 4 and count(*) filter (where application_name = "
                    "'ganger-worker') = 3 from pg_stat_activity where datname = "
                    "current_database() and pid <> pg_backend_pid() and application_name like "
                    "'ganger-%%')");
}

// Handlers get no session that others have, too, and are told why.
static void test_direct_needed(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "create table journal_effect (job_id bigint, attempt int);"
                            "create function add_up(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as 'select payload'");
    const Daemon *daemon = pooled_run(test, "refusing", "postgres",
                                      &(DaemonOptions){.handlers = "add_up: {sql: public.add_up}"});
    CHECK(test, daemon_log_count(daemon, "needs a direct connection") == 2);
    CHECK(test, daemon_log_count(daemon, "event=handler.refused") == 2);
    int64_t sum = job_add(test, "'add_up'");
    int64_t id = job_add(test, "'journal_tx', '{\"file\": \"%s/journal\"}', max_attempts => 1",
                         test->folder);
    job_await(test, id, "failed");
    sql_check(test,
              "(select error like '%%needs a direct connection%%PgBouncer%%' from ganger.jobs "
              "where id = %" PRId64 ")",
              id);
    sql_check(test, "not exists (select from journal_effect)");
    job_await(test, job_add(test, "'noop'"), "completed");
    sql_check(test, "(select status = 'pending' from ganger.jobs where id = %" PRId64 ")", sum);
}

// Starts gangerd as a role once more, after the pooler has made its connections anew.
static void restart_as(SystemTest *test, Daemon *daemon)
{
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    private_pooler("halt");
    private_pooler("resume");
    daemon_start(daemon);
    daemon_await_workers(test, daemon, 2);
}

static void test_role_settings(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "drop role if exists pooled; create role pooled login in role "
                            "ganger_worker; alter role pooled set synchronous_commit = off");
    char address[128];
    char http[256];
    (void)snprintf(address, sizeof address, "unix:%s/api.sock", test->folder);
    (void)snprintf(http, sizeof http, "{listen: \"%s\"}", address);
    Daemon *daemon = pooled_run(test, "settings", "pooled", &(DaemonOptions){.http = http});
    CHECK(test, daemon_log_count(daemon, "event=db.not_durable") >= 1);
    CHECK(test,
          daemon_await_log(daemon, "lock_timeout = '1s', jit = 'off', statement_timeout = '5s'",
                           DAEMON_PATIENCE_MS));
    CHECK(test, daemon_log_count(daemon, "event=http.database_pooled database_role=pooled") == 1);
    CHECK(test, daemon_log_count(daemon, "lacking=\"client_connection_check_interval = '1s', "
                                         "lock_timeout = '5s', jit = 'off'\"") == 1);
    CHECK(test, daemon_log_count(daemon, "ALTER ROLE pooled SET") == 1);
    test_db_run(test->conn, "alter role pooled set client_connection_check_interval = '1s';"
                            "alter role pooled set lock_timeout = '5s'; alter role pooled set jit "
                            "= off; alter role pooled set synchronous_commit = on;"
                            "alter role pooled set statement_timeout = '30s'");
    int before = daemon_log_count(daemon, "event=db.not_durable");
    restart_as(test, daemon);
    CHECK(test, daemon_await_log(daemon, "level=info role=reaper", DAEMON_PATIENCE_MS));
    CHECK(test, daemon_log_count(daemon, "event=database.pooled") == 2);
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    // What is wide enough for gangerd is not for the API: one more than before.
    CHECK(test, daemon_log_count(daemon,
                                 "lacking=\"lock_timeout = '1s', statement_timeout = '5s'\"") == 1);
    CHECK(test, daemon_log_count(daemon, "lacking=") == 3);
    CHECK(test, daemon_log_count(daemon, "event=db.not_durable") == before);
    job_await(test, job_add(test, "'noop'"), "completed");
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    test_db_run(test->conn, "alter role pooled reset all");
}

// Runs `ganger` through the pooler with the words of a line.
static void run_ganger(SystemTest *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void run_ganger(SystemTest *test, const char *format, ...)
{
    char line[256];
    char url[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    private_pooler_url(test->db.name, "postgres", url, sizeof url);
    char *program = mem_printf("%s/ganger", getenv("GANGER_BIN_DIR"));
    char *argv[COMMAND_WORDS + 2] = {program};
    char *rest = line;
    for (int i = 1; i <= COMMAND_WORDS && (argv[i] = strsep(&rest, " ")) != NULL;) {
        i++;
    }
    char *out = mem_printf("%s/out", test->folder);
    pid_t pid = fork();
    if (pid == 0) {
        int file = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (dup2(file, STDOUT_FILENO) >= 0 && setenv("DATABASE_URL", url, 1) == 0) {
            (void)execv(program, argv);
        }
        _exit(127);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    free(program);
    free(out);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)fprintf(stderr, "--- ganger %s ...: status %d\n", line, status);
        system_fail(test, "a command failed");
    }
}

static bool has_said(SystemTest *test, const char *text)
{
    char said[8192] = "";
    char *out = mem_printf("%s/out", test->folder);
    FILE *file = fopen(out, "re");
    free(out);
    if (file != NULL) {
        said[fread(said, 1, sizeof said - 1, file)] = '\0';
        (void)fclose(file);
    }
    return strstr(said, text) != NULL;
}

static void test_command(void **state)
{
    SystemTest *test = *state;
    run_ganger(test, "migrate up");
    run_ganger(test, "migrate status");
    pooled_run(test, "asked", "postgres", NULL);
    int64_t id = journal_add(test, 60000, "\"deaf\": 1", NULL);
    pid_t pid = journal_await_begin(test, id, 1);
    run_ganger(test, "workers");
    CHECK(test, has_said(test, "asked"));
    run_ganger(test, "jobs cancel %" PRId64, id);
    job_await(test, id, "cancelled"); // nobody hears it announced: the next poll does
    CHECK(test, !process_is_alive(pid));
    run_ganger(test, "enqueue echo --payload {\"said\":1}");
    id = test_db_int(test->conn, "select max(id) from ganger.jobs");
    run_ganger(test, "jobs wait %" PRId64, id);
    run_ganger(test, "jobs show %" PRId64, id);
    CHECK(test, has_said(test, "completed"));
    run_ganger(test, "jobs explain %" PRId64, id);
    run_ganger(test, "jobs events %" PRId64, id);
    run_ganger(test, "jobs tail %" PRId64, id);
    run_ganger(test, "stats");
    run_ganger(test, "pause queue default");
    run_ganger(test, "resume queue default");
    pooled_check_no_terminations(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_jobs, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_one_after_the_other, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_direct_connections, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_direct_needed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_role_settings, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_command, system_setup_empty, system_teardown),
    };
    if (!pooled_is_possible()) {
        return POOLED_SKIPPED;
    }
    return cmocka_run_group_tests_name("pgbouncer", tests, private_pooler_setup,
                                       private_pooler_teardown);
}
