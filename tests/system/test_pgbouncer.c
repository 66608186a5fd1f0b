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
#include "tests/support/daemon.h"
#include "tests/support/private_cluster.h"

enum { POOL_SIZE = 2, COMMAND_WORDS = 8, EXIT_SKIPPED = 77 };

// What PostgreSQL's log says of a backend that pg_terminate_backend has ended.
static const char terminated[] = "terminating connection due to administrator command";

static Daemon *run_pooled(SystemTest *test, const char *name, const char *role,
                          const DaemonOptions *more)
{
    char url[400];
    char database[512];
    private_pooler_url(test->db.name, role, url, sizeof url);
    (void)snprintf(database, sizeof database, "{url: \"%s\", poll_interval: %s}", url,
                   more != NULL && more->poll != NULL ? more->poll : "100ms");
    DaemonOptions options = more != NULL ? *more : (DaemonOptions){.poll = NULL};
    options.database = database;
    return daemon_run(test, name, 2, &options);
}

// Nobody's backend is ended behind a pooler, as it serves others too.
static void check_no_terminations(SystemTest *test)
{
    sql_check(test, "not exists (select from ganger.worker where backend_start is not null)");
    CHECK(test, private_cluster_log_count(terminated, test->db.name) == 0);
}

// How many sessions a database has at the pooler.
static int count_clients(const char *database)
{
    char url[400];
    private_pooler_url(NULL, "postgres", url, sizeof url);
    PGconn *conn = PQconnectdb(url);
    PGresult *result = PQexec(conn, "show clients");
    int column = PQfnumber(result, "database");
    int count = 0;
    for (int row = 0; column >= 0 && row < PQntuples(result); row++) {
        count += str_equal(PQgetvalue(result, row, column), database);
    }
    PQclear(result);
    PQfinish(conn);
    return count;
}

static void add_journals(SystemTest *test, int count)
{
    test_db_run(test->conn,
                "select ganger.enqueue('journal', '{\"file\": \"%s/journal\", \"ms\": 1}') from "
                "generate_series(1, %d)",
                test->folder, count);
}

// All that was left behind in the two sessions everybody shares.
static void check_sessions_are_clean(SystemTest *test)
{
    char url[400];
    PGconn *conns[POOL_SIZE];
    private_pooler_url(test->db.name, "postgres", url, sizeof url);
    for (int i = 0; i < POOL_SIZE; i++) {
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
    for (int i = 0; i < POOL_SIZE; i++) {
        test_db_run(conns[i], "commit");
        PQfinish(conns[i]);
    }
}

static void test_jobs(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = run_pooled(test, "pooled", "postgres",
                                &(DaemonOptions){.handlers = "said: {exec: [/bin/echo, '7']}"});
    CHECK(test, daemon_log_count(daemon, "database.pooled") == 1);
    add_journals(test, 500);
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
    CHECK(test, count_clients(test->db.name) == 3);
    sql_check(test,
              "(select count(*) between 1 and %d from pg_stat_activity "
              "where datname = current_database() and pid <> pg_backend_pid() "
              "and backend_type = 'client backend')",
              POOL_SIZE);
    check_no_terminations(test);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    check_sessions_are_clean(test);
}

// Where a job has come more are looked for before the next regular poll: one after the other, each would wait for one.
static void test_one_after_the_other(void **state)
{
    SystemTest *test = *state;
    run_pooled(test, "trickle", "postgres", &(DaemonOptions){.poll = "1s"});
    job_await(test, job_add(test, "'noop'"), "completed");
    int64_t at = clock_boot_ms();
    for (int i = 0; i < 10; i++) {
        job_await(test, job_add(test, "'noop'"), "completed");
    }
    CHECK(test, clock_boot_ms() - at < slow_ms(3000));
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

static void test_worker_killed(void **state)
{
    SystemTest *test = *state;
    run_pooled(test, "victim", "postgres", NULL);
    test_db_run(test->conn, "begin");
    add_journals(test, 60);
    int64_t id = journal_add(test, 1500, NULL, NULL);
    add_journals(test, 60);
    test_db_run(test->conn, "commit");
    pid_t pid = journal_await_begin(test, id, 1);
    int64_t at = clock_boot_ms();
    (void)kill(pid, SIGKILL);
    CHECK(test, journal_await_begin(test, id, 2) != pid);
    CHECK(test, clock_boot_ms() - at < slow_ms(1500));
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 121");
    CHECK(test, journal_count(test, id, "begin") == 2 && journal_count(test, id, "end") == 1);
    sql_check(test, "(select attempts = 2 and crashes = 1 from ganger.jobs where id = %" PRId64 ")",
              id);
    sql_check(test,
              "(select outcome = 'crashed' and signal = 9 from ganger.attempts where job_id = "
              "%" PRId64 " and attempt = 1)",
              id);
    sql_check(test, "(select max(attempts) from ganger.jobs where id <> %" PRId64 ") = 1", id);
    check_no_terminations(test);
}

// Nobody ends the backend of a claim whose worker has died: it may yet be committed, and only its lock on the worker's row is
// waited for before what it took goes back.
static void test_killed_in_claim(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run_pooled(test, "claiming", "postgres", NULL);
    pid_t first = daemon_child(daemon, "ganger-worker", 0);
    pid_t second = daemon_child(daemon, "ganger-worker", 1);
    PGconn *holder = test_db_connect(&test->db);
    test_db_run(holder, "begin; select from ganger.worker for update");
    int64_t id = journal_add(test, 0, NULL, NULL);
    sql_await(test, "exists (select from pg_stat_activity where datname = current_database() and "
                    "wait_event_type = 'Lock' and query like '%%_take_jobs%%')");
    (void)kill(first, SIGKILL);
    (void)kill(second, SIGKILL);
    CHECK(test, process_await_end(first, DAEMON_PATIENCE_MS));
    CHECK(test, process_await_end(second, DAEMON_PATIENCE_MS));
    test_db_run(holder, "commit");
    PQfinish(holder);
    job_await(test, id, "completed");
    sql_check(test, "(select attempts = 1 and crashes = 0 from ganger.jobs where id = %" PRId64 ")",
              id);
    CHECK(test, journal_count(test, id, "begin") == 1);
    check_no_terminations(test);
}

static void test_timeout(void **state)
{
    SystemTest *test = *state;
    run_pooled(test, "timed", "postgres", NULL);
    int64_t id = journal_add(test, 60000, "\"deaf\": 1", "timeout => '300 ms', max_attempts => 1");
    pid_t pid = journal_await_begin(test, id, 1);
    job_await_within(test, id, "failed", slow_ms(3000));
    CHECK(test, !process_is_alive(pid));
    sql_check(test,
              "(select outcome = 'timeout' and signal = 9 from ganger.attempts where job_id = "
              "%" PRId64 ")",
              id);
    job_await(test, job_add(test, "'noop'"), "completed");
    check_no_terminations(test);
}

static void test_drain(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = run_pooled(test, "leaving", "postgres", NULL);
    int64_t first = journal_add(test, 800, NULL, NULL);
    int64_t second = journal_add(test, 800, NULL, NULL);
    (void)journal_await_begin(test, first, 1);
    (void)journal_await_begin(test, second, 1);
    add_journals(test, 50);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    sql_check(test, "(select count(*) from ganger.jobs where status = 'processing') = 0");
    sql_check(test,
              "(select count(*) from ganger.jobs where status = 'completed') between 2 and 51");
    sql_check(test, "(select state::text = 'stopped' from ganger.nodes)");
    CHECK(test, count_clients(test->db.name) == 0);
    daemon_start(daemon);
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 52");
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    check_no_terminations(test);
}

// Its reaper settles what it can; nobody can hold the node's lock there, so the next one gives it the time.
static void test_gangerd_killed(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = run_pooled(test, "boss", "postgres", NULL);
    int64_t id = journal_add(test, 1500, "\"deaf\": 1", NULL);
    (void)journal_await_begin(test, id, 1);
    daemon_destroy(daemon);
    daemon_start(daemon);
    (void)journal_await_begin(test, id, 2);
    job_await(test, id, "completed");
    CHECK(test, journal_count(test, id, "begin") == 2);
    CHECK(test, daemon_log_count(daemon, "event=node.lost") == 0);
    sql_check(test, "(select count(*) from ganger.nodes where state::text = 'alive') = 1");
    check_no_terminations(test);
}

// Handlers get no session that others have, too, and are told why.
static void test_direct_needed(void **state)
{
    SystemTest *test = *state;
    test_db_run(test->conn, "create table journal_effect (job_id bigint, attempt int);"
                            "create function add_up(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as 'select payload'");
    const Daemon *daemon = run_pooled(test, "refusing", "postgres",
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
    Daemon *daemon = run_pooled(test, "settings", "pooled", NULL);
    CHECK(test, daemon_log_count(daemon, "event=db.not_durable") >= 1);
    CHECK(test, daemon_log_count(daemon, "lacking=\"client_connection_check_interval = '1s', "
                                         "lock_timeout = '5s', jit = 'off'\"") == 1);
    CHECK(test, daemon_log_count(daemon, "ALTER ROLE pooled SET") == 1);
    test_db_run(test->conn, "alter role pooled set client_connection_check_interval = '1s';"
                            "alter role pooled set lock_timeout = '5s'; alter role pooled set jit "
                            "= off; alter role pooled set synchronous_commit = on");
    int before = daemon_log_count(daemon, "event=db.not_durable");
    restart_as(test, daemon);
    CHECK(test, daemon_await_log(daemon, "level=info role=reaper", DAEMON_PATIENCE_MS));
    CHECK(test, daemon_log_count(daemon, "event=database.pooled") == 2);
    CHECK(test, daemon_log_count(daemon, "lacking=") == 1);
    CHECK(test, daemon_log_count(daemon, "event=db.not_durable") == before);
    job_await(test, job_add(test, "'noop'"), "completed");
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    test_db_run(test->conn, "alter role pooled reset all");
}

static void await_completed(SystemTest *test, int count)
{
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') >= %d", count);
}

// Three times the pooler, then the server behind it.
static void test_restarts(void **state)
{
    SystemTest *test = *state;
    run_pooled(test, "busy", "postgres", &(DaemonOptions){.pools = "{default: {processes: 2}}"});
    int64_t running = journal_add(test, 5000, NULL, NULL);
    pid_t pid = journal_await_begin(test, running, 1);
    for (int round = 0; round < 4; round++) {
        add_journals(test, 400);
        await_completed(test, round * 400 + 50);
        if (round < 3) {
            private_pooler("halt");
            private_pooler("resume");
        } else {
            private_cluster("halt");
            private_cluster("resume");
            PQfinish(test->conn);
            test->conn = test_db_connect(&test->db);
        }
    }
    await_completed(test, 1601);
    CHECK(test, journal_count(test, running, "begin") == 1);
    CHECK(test, process_is_alive(pid));
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 and count(distinct id) = 1601 "
                    "from ganger.jobs)");
    sql_check(test, "(select count(*) = 1 from ganger.nodes)");
    for (int64_t id = running + 1; id <= running + 1600; id += 37) {
        CHECK(test, journal_count(test, id, "begin") <= 1);
    }
    check_no_terminations(test);
}

// An administrator may end them; this also shows that the other tests would see it.
static void test_backends_ended(void **state)
{
    SystemTest *test = *state;
    run_pooled(test, "cut", "postgres", NULL);
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 2}') from generate_series(1, 500)");
    for (int i = 0; i < 15; i++) {
        test_db_run(test->conn, "select pg_terminate_backend(pid) from pg_stat_activity where "
                                "datname = current_database() and pid <> pg_backend_pid() and "
                                "backend_type = 'client backend' order by random() limit 1");
        pause_ms(60);
    }
    await_completed(test, 500);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    CHECK(test, private_cluster_log_count(terminated, test->db.name) > 0);
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
    run_pooled(test, "asked", "postgres", NULL);
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
    check_no_terminations(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_jobs, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_one_after_the_other, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_direct_connections, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_worker_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_killed_in_claim, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_timeout, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_drain, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_gangerd_killed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_direct_needed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_role_settings, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_restarts, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_backends_ended, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_command, system_setup_empty, system_teardown),
    };
    if (!private_pooler_is_installed() && getenv("CI") == NULL) {
        return EXIT_SKIPPED; // pgbouncer.sh has said so
    }
    return cmocka_run_group_tests_name("pgbouncer", tests, private_pooler_setup,
                                       private_pooler_teardown);
}
