// SPDX-License-Identifier: MIT
// The checker of the chaos test: see the header. The journal is loaded into a table, and every promise is a query that must
// find nothing.
#include "tests/chaos/chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Promise {
    const char *name;
    const char *violations; // a query of whatever breaks it
} Promise;

static const Promise promises[] = {
    {"every committed job has exactly one row",
     "select a.id, count(j.id) from chaos_added a left join ganger.jobs j on j.id = a.id group by "
     "a.id having count(j.id) <> 1"},
    {"no job that was not committed", "select j.id from ganger.jobs j where not exists (select "
                                      "from chaos_added a where a.id = j.id)"},
    {"every job has ended", "select j.id, j.status from ganger.jobs j where j.status not in "
                            "('completed', 'failed', 'cancelled')"},
    {"attempts never exceed max_attempts", "select j.id, j.attempts, j.max_attempts from "
                                           "ganger.jobs j where j.attempts > j.max_attempts"},
    {"a job fails only with its attempts, or the crashes it may have, used up",
     "select j.id, j.attempts, j.max_attempts, j.crashes from ganger.jobs j where j.status = "
     "'failed' and j.attempts <> j.max_attempts and j.crashes < 3"},
    {"only what was cancelled ends cancelled",
     "select j.id from ganger.jobs j where j.status = 'cancelled' and not exists (select from "
     "chaos_cancelled c where c.id = j.id)"},
    {"one attempt of each number is charged",
     "select t.job_id, t.attempt from ganger.attempts t where t.outcome <> 'released' group by 1, "
     "2 having count(*) > 1"},
    {"a handler starts only under a claim, once",
     "select l.job_id, l.attempt, count(*) from chaos_journal l where l.what = 'begin' group by 1, "
     "2 having count(*) > "
     "(select count(*) from ganger.attempts t where t.job_id = l.job_id and t.attempt = "
     "l.attempt)"},
    {"a completed job has run to its end",
     "select j.id from ganger.jobs j where j.status = 'completed' and not exists (select from "
     "chaos_journal l "
     "where l.job_id = j.id and l.attempt = j.attempts and l.what = 'end')"},
    {"nothing runs after its job has ended completed",
     "select l.job_id, l.attempt from chaos_journal l join ganger.jobs j on j.id = l.job_id "
     "where j.status = 'completed' and l.attempt > j.attempts"},
    {"two attempts of a job never overlap",
     "select l.job_id, l.attempt, l.pid from chaos_journal l "
     "join chaos_journal s on s.what = 'begin' and (s.job_id, s.pid, s.attempt) = (l.job_id, "
     "l.pid, l.attempt) "
     "join chaos_journal b on b.what = 'begin' and b.job_id = l.job_id and (b.pid, b.attempt) <> "
     "(l.pid, l.attempt) "
     "where b.us > s.us and b.us < l.us"},
    {"a handler's own writes happen exactly with its completion",
     "select j.id, j.status, count(e.job_id) from ganger.jobs j left join journal_effect e on "
     "e.job_id = j.id where j.job_type = "
     "'journal_tx' group by j.id, j.status having count(e.job_id) <> (j.status = "
     "'completed')::int"},
    {"the counts of stats() are those of the rows",
     "select * from (select (ganger.stats() ->> s)::bigint as told, s, (select count(*) from "
     "ganger.jobs j where j.status = s) as "
     "there from unnest(array['completed', 'failed', 'cancelled', 'pending', 'processing']) s) c "
     "where told <> there"},
};

static void load_journal(SystemTest *test, const char *path)
{
    test_db_run(
        test->conn,
        "create table chaos_journal (what text, job_id bigint, attempt int, pid int, us bigint)");
    PGresult *result = PQexec(test->conn, "copy chaos_journal from stdin (delimiter ' ')");
    FILE *file = fopen(path, "re");
    char line[256];
    while (PQresultStatus(result) == PGRES_COPY_IN && file != NULL &&
           fgets(line, sizeof line, file) != NULL) {
        (void)PQputCopyData(test->conn, line, (int)strlen(line));
    }
    PQclear(result);
    (void)PQputCopyEnd(test->conn, NULL);
    for (; (result = PQgetResult(test->conn)) != NULL; PQclear(result)) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            (void)fprintf(stderr, "the journal cannot be read: %s\n", PQresultErrorMessage(result));
            exit(EXIT_FAILURE);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    test_db_run(
        test->conn,
        "create index on chaos_journal (job_id); analyze chaos_journal; analyze chaos_added");
}

int chaos_check(SystemTest *test, const char *journal_path)
{
    int broken = 0;
    load_journal(test, journal_path);
    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        char *found = test_db_text(test->conn, "select json_agg(v) from (%s limit 5) v",
                                   promises[i].violations);
        if (found != NULL) {
            (void)fprintf(stderr, "BROKEN: %s: %s\n", promises[i].name, found);
            broken++;
        }
        free(found);
    }
    char *counts = test_db_text(
        test->conn,
        "select json_build_object('jobs', count(*), 'completed', count(*) filter (where status = "
        "'completed'), 'failed', count(*) filter (where status = 'failed'), 'cancelled', count(*) "
        "filter (where status = 'cancelled'), 'attempts', sum(attempts), 'crashes', sum(crashes), "
        "'begins', (select count(*) from chaos_journal where what = 'begin')) from ganger.jobs");
    char *outcomes = test_db_text(
        test->conn, "select json_object_agg(outcome, n) from (select outcome, count(*) as n from "
                    "ganger.attempts group by 1 order by 1) o");
    (void)fprintf(stderr, "chaos: %s attempts %s\n", counts, outcomes);
    free(counts);
    free(outcomes);
    return broken;
}
