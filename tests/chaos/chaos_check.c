// SPDX-License-Identifier: MIT
// Checker: see the header. Evidence becomes tables (evidence.sql), a promise is a query that must find nothing (promises.sql).
#include "tests/chaos/chaos_check.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"

static const char HEADING[] = "\n-- promise: ";
enum { SHOWN_MAX = 5 };

static _Noreturn void give_up(const char *what, const char *detail)
{
    (void)fprintf(stderr, "checker: %s: %s\n", what, detail);
    exit(EXIT_FAILURE);
}

// A file of this folder's source, with $1 replaced; caller frees.
static char *read_source(const char *name, int64_t value)
{
    const char *source = getenv("GANGER_SOURCE_DIR");
    char *path = mem_printf("%s/tests/chaos/%s", source != NULL ? source : ".", name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        give_up("cannot read", path);
    }
    StrBuf text = {0};
    for (int c; (c = fgetc(file)) != EOF;) {
        int next = c == '$' ? fgetc(file) : 0;
        if (c == '$' && next == '1') {
            strbuf_printf(&text, "%" PRId64, value);
            continue;
        }
        strbuf_append_char(&text, (char)c);
        if (next > 0) {
            (void)ungetc(next, file);
        }
    }
    (void)fclose(file);
    free(path);
    return strbuf_take(&text);
}

static void run_source(PGconn *conn, const char *name, int64_t value)
{
    char *sql = read_source(name, value);
    test_db_run(conn, "%s", sql);
    free(sql);
}

static void load_log(PGconn *conn, const char *table, const char *path)
{
    char *copy = mem_printf("copy %s from stdin (delimiter ' ', null '-')", table);
    PGresult *result = PQexec(conn, copy);
    FILE *file = fopen(path, "re");
    char line[512];
    while (PQresultStatus(result) == PGRES_COPY_IN && file != NULL &&
           fgets(line, sizeof line, file) != NULL) {
        (void)PQputCopyData(conn, line, (int)strlen(line));
    }
    PQclear(result);
    (void)PQputCopyEnd(conn, NULL);
    for (; (result = PQgetResult(conn)) != NULL; PQclear(result)) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            give_up(path, PQresultErrorMessage(result));
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    free(copy);
}

static void load_logs(PGconn *conn, const char *folder, const char *pattern, const char *table)
{
    glob_t found = {0};
    char *path = mem_printf("%s/%s", folder, pattern);
    if (glob(path, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            load_log(conn, table, found.gl_pathv[i]);
        }
    }
    globfree(&found);
    free(path);
}

static void check_promise(PGconn *conn, const char *name, const char *query, ChaosVerdict *verdict)
{
    char *found = test_db_text(conn, "select json_agg(v) from (select * from (%s) x limit %d) v",
                               query, SHOWN_MAX);
    if (found != NULL) {
        const size_t length = strlen(verdict->names);
        (void)snprintf(verdict->names + length, sizeof verdict->names - length, "%s\n", name);
        verdict->broken++;
        if (verdict->is_reported) {
            (void)fprintf(stderr, "BROKEN: %s: %s\n", name, found);
        }
    }
    free(found);
}

static void check_all(PGconn *conn, char *text, ChaosVerdict *verdict)
{
    int count = 0;
    for (char *at = strstr(text, HEADING); at != NULL; count++) {
        char *name = at + sizeof HEADING - 1;
        char *query = strchr(name, '\n');
        char *next = strstr(name, HEADING);
        if (query == NULL) {
            give_up("a promise has no query", name);
        }
        *query++ = '\0';
        if (next != NULL) {
            *next = '\0';
        }
        check_promise(conn, name, query, verdict);
        at = next; // behind it nothing was cut
    }
    if (count == 0) {
        give_up("there are no promises", "promises.sql");
    }
}

void chaos_check(PGconn *conn, const char *folder, ChaosVerdict *verdict)
{
    verdict->broken = 0;
    verdict->names[0] = '\0';
    run_source(conn, "evidence.sql", 0);
    load_logs(conn, folder, "journal", "chaos.journal");
    load_logs(conn, folder, "producer.*",
              "chaos.op (what, producer, number, us, kind, key, count, id, code)");
    load_logs(conn, folder, "nemesis", "chaos.fault");
    run_source(conn, "evidence_logs.sql", clock_wall_us() - clock_boot_us());
    char *promises = read_source("promises.sql", daemon_slowness());
    check_all(conn, promises, verdict);
    free(promises);
}

void chaos_report(PGconn *conn)
{
    char *counts = test_db_text(
        conn,
        "select json_build_object('jobs', count(*), 'completed', count(*) filter (where status = "
        "'completed'), 'failed', count(*) filter (where status = 'failed'), 'cancelled', count(*) "
        "filter (where status = 'cancelled'), 'attempts', sum(attempts), 'crashes', sum(crashes), "
        "'begins', (select count(*) from chaos.run)) from chaos.job");
    char *outcomes =
        test_db_text(conn, "select json_object_agg(outcome, n) from (select outcome, "
                           "count(*) as n from chaos.attempt group by 1 order by 1) o");
    char *calls = test_db_text(conn, "select json_object_agg(what, n) from (select what, count(*) "
                                     "as n from chaos.outcome group by 1 order by 1) o");
    char *errors = test_db_text(
        conn, "select json_agg(e) from (select a.error, j.job_type, count(*) as n from "
              "chaos.attempt a join chaos.job j on j.id = a.job_id where a.outcome = 'error' group "
              "by 1, 2 order by 3 desc limit 8) e");
    (void)fprintf(stderr, "chaos: %s attempts %s calls %s\nchaos: errors %s\n", counts, outcomes,
                  calls, errors);
    free(errors);
    free(counts);
    free(outcomes);
    free(calls);
}

int64_t chaos_claimable_p99_ms(PGconn *conn)
{
    // The attempt of a dead worker ends when it is settled, in the transaction that makes its job claimable.
    static const char deaths[] =
        "(select extract(epoch from a.finished_at - f.at) * 1000 as ms from chaos.fault f join "
        "chaos.attempt a on a.pid = f.pid and a.outcome in ('crashed', 'released') and "
        "a.finished_at between f.at "
        "- interval '10 ms' and f.at + interval '60 s' where f.victim = 'worker') d";
    char *times = test_db_text(
        conn,
        "select format('%%s deaths, %%s ms in the middle, %%s ms p99, %%s ms at most', count(*), "
        "percentile_disc(0.5) within group (order by ms)::int, percentile_disc(0.99) within group "
        "(order by ms)::int, max(ms)::int) from %s",
        deaths);
    (void)fprintf(stderr, "chaos: from a worker's death to a claimable job: %s\n", times);
    free(times);
    return test_db_int(conn,
                       "select coalesce((select percentile_disc(0.99) within group (order by "
                       "ms)::bigint from %s), -1)",
                       deaths);
}
