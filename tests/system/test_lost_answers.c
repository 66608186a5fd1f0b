// SPDX-License-Identifier: MIT
// The connection goes in the middle of a claim, of a finish, of an enqueue: at each of its messages.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "tests/support/proxied.h"

enum {
    MESSAGES = 16, // more than an exchange has
    JOBS = 5,
    CUTS = 16,
    STUCK_MS = 5000,
    SENT_ENQUEUE = 5 // Parse, Bind, Describe, Execute, Sync: with the last it is the server's
};

// --- claim and finish

typedef struct Tally {
    int cuts;
    int64_t longest_ms;
} Tally;

// One cut at the hit-th message of an exchange that has the statement: five jobs run once each all the same, and are charged once.
static void cut_once(SystemTest *test, FaultProxy *proxy, const char *statement, int hit,
                     Tally *tally)
{
    int64_t ids[JOBS];
    int rule =
        fault_proxy_add(proxy, &(FaultProxyRule){.application = "ganger-worker",
                                                 .from = {FAULT_PROXY_CLIENT, "PB", statement},
                                                 .hit = hit,
                                                 .action = FAULT_PROXY_CUT});
    int64_t at = clock_boot_ms();
    for (int i = 0; i < JOBS; i++) {
        ids[i] = journal_add(test, 1, NULL, NULL);
    }
    for (int i = 0; i < JOBS; i++) {
        job_await(test, ids[i], "completed");
        CHECK(test, journal_count(test, ids[i], "begin") == 1);
        CHECK(test, journal_count(test, ids[i], "end") == 1);
        sql_check(test, "(select attempts = 1 from ganger.jobs where id = %" PRId64 ")", ids[i]);
        sql_check(test,
                  "(select count(*) = 1 from ganger.attempts where job_id = %" PRId64
                  " and outcome = 'completed')",
                  ids[i]);
    }
    int64_t took_ms = clock_boot_ms() - at;
    if (fault_proxy_strikes(proxy, rule) > 0) {
        tally->cuts++;
        tally->longest_ms = took_ms > tally->longest_ms ? took_ms : tally->longest_ms;
    }
    fault_proxy_clear(proxy);
}

static void cut_all(SystemTest *test, FaultProxy *proxy, const char *statement)
{
    Tally tally = {0};
    int wanted = proxied_cuts(CUTS);
    int hit = 0;
    for (int tries = 0; tries < wanted || (tally.cuts < wanted && tries < 2 * wanted); tries++) {
        hit = hit % MESSAGES + 1;
        cut_once(test, proxy, statement, hit, &tally);
        if (wanted == CUTS && hit == MESSAGES) {
            break;
        }
    }
    print_message("%s: %d cuts, longest until all jobs were done %" PRId64 " ms\n", statement,
                  tally.cuts, tally.longest_ms);
    CHECK(test, tally.cuts >= 14); // and so behind the Sync, too
    CHECK(test, tally.longest_ms < slow_ms(STUCK_MS));
}

// What was claimed without anybody knowing goes back, uncounted, and only that.
static void test_claim(void **state)
{
    SystemTest *test = *state;
    FaultProxy *proxy = fault_proxy_create(&test->db);
    proxied_run(test, proxy, "cut", 1, NULL);
    cut_all(test, proxy, "ganger_claim_jobs");
    sql_check(test, "(select count(*) > 0 from ganger.event where event = 'released')");
    sql_check(test, "not exists (select from ganger.jobs where status <> 'completed')");
    fault_proxy_destroy(proxy);
}

// A result that was written without anybody knowing is written again, and changes nothing.
static void test_finish(void **state)
{
    SystemTest *test = *state;
    FaultProxy *proxy = fault_proxy_create(&test->db);
    proxied_run(test, proxy, "cut", 1, NULL);
    cut_all(test, proxy, "ganger_finish_completed");
    sql_check(test, "not exists (select from ganger.jobs where status <> 'completed')");
    sql_check(test, "not exists (select from ganger.event where event = 'failed')");
    fault_proxy_destroy(proxy);
}

// --- enqueue

static void await_no_session(SystemTest *test, const char *name)
{
    sql_await(test,
              "not exists (select from pg_stat_activity where datname = current_database() and "
              "application_name = '%s')",
              name);
}

static PGconn *connect_producer(const FaultProxy *proxy)
{
    const char *const keywords[] = {"dbname", "application_name", NULL};
    const char *const values[] = {fault_proxy_url(proxy), "producer", NULL};
    return PQconnectdbParams(keywords, values, 1);
}

// The id, or 0: the producer does not know.
static int64_t enqueue(PGconn *conn, const char *key)
{
    const char *const values[] = {key};
    PGresult *result = PQexecParams(
        conn, "select ganger.enqueue('later', queue => 'nobody', idempotency_key => $1)", 1, NULL,
        values, NULL, NULL, 0);
    int64_t id =
        PQresultStatus(result) == PGRES_TUPLES_OK ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return id;
}

// With a key the producer asks again, at once, and gets the job that is there, or the first.
static void enqueue_with_key(SystemTest *test, FaultProxy *proxy, int number, int hit)
{
    char key[40];
    (void)snprintf(key, sizeof key, "key-%d", number);
    int rule = fault_proxy_add(
        proxy, &(FaultProxyRule){.from = {FAULT_PROXY_CLIENT, "P", "ganger.enqueue"},
                                 .hit = hit,
                                 .action = FAULT_PROXY_CUT});
    PGconn *conn = connect_producer(proxy);
    CHECK(test, enqueue(conn, key) == 0);
    CHECK(test, PQstatus(conn) == CONNECTION_BAD && fault_proxy_strikes(proxy, rule) == 1);
    PQfinish(conn);
    conn = connect_producer(proxy);
    int64_t id = enqueue(conn, key);
    CHECK(test, id > 0 && enqueue(conn, key) == id);
    PQfinish(conn);
    sql_check(test,
              "(select array_agg(id) = array[%" PRId64
              "::bigint] from ganger.jobs where idempotency_key = '%s')",
              id, key);
    fault_proxy_clear(proxy);
}

// Without one it may be there or not, and is there once at most: as far as the Sync went through.
static void enqueue_without_key(SystemTest *test, FaultProxy *proxy, int hit)
{
    const int64_t before = test_db_int(test->conn, "select count(*) from ganger.jobs");
    (void)fault_proxy_add(proxy,
                          &(FaultProxyRule){.from = {FAULT_PROXY_CLIENT, "P", "ganger.enqueue"},
                                            .hit = hit,
                                            .action = FAULT_PROXY_CUT});
    PGconn *conn = connect_producer(proxy);
    CHECK(test, enqueue(conn, NULL) == 0 && PQstatus(conn) == CONNECTION_BAD);
    PQfinish(conn);
    await_no_session(test, "producer");
    const int64_t more = test_db_int(test->conn, "select count(*) from ganger.jobs") - before;
    CHECK(test, more == (hit > SENT_ENQUEUE ? 1 : 0));
    fault_proxy_clear(proxy);
}

// In a transaction of the producer's the job comes with its COMMIT, or not at all.
static void enqueue_in_transaction(SystemTest *test, FaultProxy *proxy, bool is_after)
{
    const int64_t before = test_db_int(test->conn, "select count(*) from ganger.jobs");
    (void)fault_proxy_add(proxy, &(FaultProxyRule){.application = "producer",
                                                   .at = FAULT_PROXY_COMMIT,
                                                   .is_after = is_after,
                                                   .action = FAULT_PROXY_CUT});
    PGconn *conn = connect_producer(proxy);
    PQclear(PQexec(conn, "BEGIN"));
    CHECK(test, enqueue(conn, NULL) > 0);
    PQclear(PQexec(conn, "COMMIT"));
    CHECK(test, PQstatus(conn) == CONNECTION_BAD);
    PQfinish(conn);
    await_no_session(test, "producer");
    const int64_t more = test_db_int(test->conn, "select count(*) from ganger.jobs") - before;
    CHECK(test, more == (is_after ? 1 : 0));
    fault_proxy_clear(proxy);
}

static void test_enqueue(void **state)
{
    SystemTest *test = *state;
    FaultProxy *proxy = fault_proxy_create(&test->db);
    const int messages = 11; // five of the producer's, six of the server's, of which it needs all
    int wanted = proxied_cuts(messages);
    for (int i = 0; i < wanted; i++) {
        enqueue_with_key(test, proxy, i, i % messages + 1);
        enqueue_without_key(test, proxy, i % messages + 1);
        enqueue_in_transaction(test, proxy, i % 2 == 0);
    }
    print_message("enqueue: %d cuts\n", 3 * wanted);
    fault_proxy_destroy(proxy);
}

// --- the command

typedef struct Said {
    int exit_code;
    char err[2000];
} Said;

static Said run_enqueue(SystemTest *test, const char *url, const char *key)
{
    Said said = {.exit_code = -1};
    char program[512];
    char path[128];
    (void)snprintf(program, sizeof program, "%s/ganger", getenv("GANGER_BIN_DIR"));
    (void)snprintf(path, sizeof path, "%s/err", test->folder);
    pid_t pid = fork();
    if (pid == 0) {
        int err = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        (void)dup2(err, STDOUT_FILENO);
        (void)dup2(err, STDERR_FILENO);
        (void)execl(program, program, "enqueue", "later", "--queue", "nobody", "--database", url,
                    key != NULL ? "--idempotency-key" : (char *)NULL, key, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
        said.exit_code = WEXITSTATUS(status);
    }
    FILE *file = fopen(path, "re");
    size_t got = file != NULL ? fread(said.err, 1, sizeof said.err - 1, file) : 0;
    said.err[got] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
    return said;
}

static void check_said(SystemTest *test, const Said *said, int exit_code, const char *text)
{
    if (said->exit_code != exit_code || strstr(said->err, text) == NULL) {
        (void)fprintf(stderr, "exit code %d: %s\n", said->exit_code, said->err);
        system_fail(test, text);
    }
}

static void test_command(void **state)
{
    SystemTest *test = *state;
    FaultProxy *proxy = fault_proxy_create(&test->db);
    const char *url = fault_proxy_url(proxy);
    // Before it is sent nothing can have been done, and the command knows.
    FaultProxyRule rule = {.application = "ganger",
                           .from = {FAULT_PROXY_CLIENT, "P", "ganger_cli_enqueue"},
                           .action = FAULT_PROXY_CUT};
    (void)fault_proxy_add(proxy, &rule);
    Said said = run_enqueue(test, url, NULL);
    check_said(test, &said, EXIT_CODE_NO_DATABASE, "nothing was done");
    sql_check(test, "(select count(*) = 0 from ganger.jobs)");
    // Bind, Describe, Execute, Sync, and five answers.
    rule.from.types = "B";
    for (rule.hit = 1; rule.hit <= 9; rule.hit++) {
        char key[40];
        (void)snprintf(key, sizeof key, "key-%d", rule.hit);
        fault_proxy_clear(proxy);
        int number = fault_proxy_add(proxy, &rule);
        said = run_enqueue(test, url, key);
        CHECK(test, fault_proxy_strikes(proxy, number) == 1);
        check_said(test, &said, EXIT_CODE_UNKNOWN, "whether it was done is not known");
        check_said(test, &said, EXIT_CODE_UNKNOWN, "give the command again");
        said = run_enqueue(test, url, key); // the rule has struck
        check_said(test, &said, EXIT_CODE_OK, "");
        sql_check(test, "(select count(*) = 1 from ganger.jobs where idempotency_key = '%s')", key);
    }
    rule.hit = 5;
    (void)fault_proxy_add(proxy, &rule);
    said = run_enqueue(test, url, NULL);
    check_said(test, &said, EXIT_CODE_UNKNOWN, "--idempotency-key");
    sql_await(test, "(select count(*) = 10 from ganger.jobs)"); // it was
    fault_proxy_destroy(proxy);
}

// --- functions that a program's output is given to, and SQL functions

// The job is completed, the worker cannot know, and says just that: once, and nothing of a rollback.
static void test_functions(void **state)
{
    SystemTest *test = *state;
    FaultProxy *proxy = fault_proxy_create(&test->db);
    test_db_run(test->conn, "create function gives(payload jsonb, job ganger.jobs) returns jsonb "
                            "language sql as $$ select '1'::jsonb $$");
    test_db_run(test->conn, "create function takes(output jsonb, job ganger.jobs) returns void "
                            "language sql as $$ select $$");
    Daemon *daemon = proxied_run(
        test, proxy, "unheard", 1,
        &(DaemonOptions){.handlers = "by_function: {sql: public.gives}, by_program: {exec: "
                                     "[/bin/sh, -c, 'echo 1'], apply: public.takes}"});
    static const struct {
        const char *job_type;
        const char *statement;
    } cases[] = {{"by_function", "ganger_run_sql_handler"}, {"by_program", "ganger_apply_output"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[80];
        (void)snprintf(line, sizeof line, "job_type=%s", cases[i].job_type);
        int rule = fault_proxy_add(
            proxy, &(FaultProxyRule){.application = "ganger-worker",
                                     .from = {FAULT_PROXY_CLIENT, "B", cases[i].statement},
                                     .at = FAULT_PROXY_READY,
                                     .action = FAULT_PROXY_CUT});
        int64_t id = job_add(test, "'%s'", cases[i].job_type);
        CHECK(test, fault_proxy_await(proxy, rule, DAEMON_PATIENCE_MS));
        CHECK(test, daemon_await_log(daemon, line, DAEMON_PATIENCE_MS));
        job_await(test, id, "completed");
        fault_proxy_clear(proxy);
    }
    CHECK(test, daemon_log_count(daemon, "its completion may have been committed before") == 2);
    CHECK(test, daemon_log_count(daemon, "job.lease_lost") == 2);
    sql_check(test, "not exists (select from ganger.event where event = 'late_result')");
    fault_proxy_destroy(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claim, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_finish, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_enqueue, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_command, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_functions, system_setup, system_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
