// SPDX-License-Identifier: MIT
// Cron expressions around changes of the clock, against what Python's time zones say: 200 zones, 2 changes each, 20 expressions.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fault_node.h"

enum { ZONES = 200, NO_ZONEINFO = 77, NO_PYTHON = 127, CHUNK = 65536 };

// Its exit code.
static int run_oracle(const char *path, int zones)
{
    const char *source = getenv("GANGER_SOURCE_DIR");
    char script[256];
    char count[16];
    (void)snprintf(script, sizeof script, "%s/tests/support/cron_oracle.py",
                   source != NULL ? source : ".");
    (void)snprintf(count, sizeof count, "%d", zones);
    pid_t pid = fork();
    if (pid == 0) {
        int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(out, STDOUT_FILENO);
        (void)execlp("python3", "python3", script, count, (char *)NULL);
        _exit(NO_PYTHON);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void load(PGconn *conn, const char *path)
{
    static char chunk[CHUNK];
    PGresult *begun = PQexec(conn, "copy oracle from stdin");
    assert_int_equal(PQresultStatus(begun), PGRES_COPY_IN);
    PQclear(begun);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        assert_int_equal(PQputCopyData(conn, chunk, (int)got), 1);
    }
    (void)fclose(file);
    assert_int_equal(PQputCopyEnd(conn, NULL), 1);
    PGresult *done = PQgetResult(conn);
    assert_int_equal(PQresultStatus(done), PGRES_COMMAND_OK);
    PQclear(done);
    assert_null(PQgetResult(conn));
}

static void test_oracle(void **state)
{
    SystemTest *test = *state;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/oracle", test->folder);
    int code = run_oracle(path, long_count(ZONES));
    if (code == NO_ZONEINFO || code == NO_PYTHON) {
        print_message("no python3 with zoneinfo\n");
        skip();
    }
    assert_int_equal(code, 0);
    test_db_run(
        test->conn,
        "create table oracle (zone text, cron text, since timestamptz, until timestamptz, "
        "expected text); "
        "create function chain(cron text, zone text, since timestamptz, until timestamptz) "
        "returns text language plpgsql as $$ declare at timestamptz := since; found text[] "
        ":= '{}'; begin loop at := ganger.next_cron(cron, zone, at); exit when at is null "
        "or at > until; found := found || (to_char(at at time zone 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS') || '+00:00'); end loop; return array_to_string(found, "
        "','); end $$");
    load(test->conn, path);
    test_db_run(test->conn,
                "create table answers as select o.*, chain(cron, zone, since, until) as "
                "got from oracle o where exists (select from pg_timezone_names n where "
                "n.name = o.zone)");
    char *told = test_db_text(
        test->conn, "select format('%%s expressions at %%s changes of %%s zones, %%s instants', "
                    "count(*), count(distinct (zone, since)), count(distinct zone), "
                    "sum(length(expected) / 26)) from answers");
    print_message("%s\n", told);
    free(told);
    char *wrong = test_db_text(
        test->conn, "select string_agg(format(E'%%s \"%%s\" from %%s\\n  is      %%s\\n  expected "
                    "%%s\\n', zone, cron, since, got, expected), '') from (select * from answers "
                    "where got is distinct from expected order by zone, since limit 20) x");
    if (wrong != NULL) {
        (void)fprintf(stderr, "%s", wrong);
        free(wrong);
        system_fail(test, "an expression means something else");
    }
    sql_check(test, "(select count(distinct zone) >= %d from answers)", long_count(ZONES) * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_oracle, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("cron_oracle", tests, NULL, NULL);
}
